"""Only its own package and its row name an engine, so that an engine more is a row and a package."""

from __future__ import annotations

import ast
from typing import Iterator

import pytest
import support.skeleton as support
from AutoSegPipelineLib.core.engines import ENGINES

ROOM = "processing/engines/"
TABLE = "core/engines.py"
# Words of everyday use, which count only where they are the complete text.
COMMON = {"tissue", "slicer"}
NAMES = {
    word.casefold()
    for row in ENGINES
    for word in (row.name, row.title, row.package, row.extension)
    if word and word.casefold() not in COMMON
}
ALLOWED = {
    "core/cohort/citations.py": "authors and titles of works; the rows of engines name them by key",
    "core/errors.py": "a hint names the engine that reads MR",
    "core/task_labels.py": "its tasks name labels of segmentations, with or without the engine",
    "headless/commands/weights.py": "the command shows and imports the models of this one engine",
    "headless/weights_import.py": "imports them",
    "dicom/self_test.py": "it takes the engine that needs no model and is done in seconds",
    "headless/doctor_cases.py": "the self-test measures the lungs that tissue finds in the phantom",
    "slicer_app/extensions.py": "the engine slicer is this extension",
    "slicer_app/extension_calls.py": "the engine slicer is this extension",
    "slicer_app/slicer_steps.py": "the engine slicer is this extension",
}
_SETTING = "the setting that names a folder of 3D Slicer"
_GROUP = "a group of structures"
ANOTHER_MEANING = {
    ("core/specs.py", "slicer"): _SETTING,
    ("headless/commands/doctor.py", "slicer"): _SETTING,
    ("headless/commands/models.py", "slicer"): _SETTING,
    ("headless/commands/run.py", "slicer"): _SETTING,
    ("headless/doctor_engines.py", "slicer"): "a line of doctor about each 3D Slicer",
    ("headless/extras.py", "slicer"): _SETTING,
    ("runtime/wiring.py", "slicer"): _SETTING,
    ("processing/anatomy.py", "tissue"): _GROUP,
    ("processing/engines/structures.py", "tissue"): _GROUP,
    ("processing/writers/gltf_document.py", "tissue"): _GROUP,
    ("processing/writers/report.py", "tissue"): _GROUP,
}


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every text in the code with its line: no docstrings, but parts of f-strings and imported modules."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.lineno, node.value
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""
            yield from ((node.lineno, one.name) for one in node.names)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, one.name) for one in node.names)


def named(text: str) -> set[str]:
    """The engines' names in ``text``."""
    folded = text.casefold()
    # The name of Slicer's Python package is no engine; `import slicer` is checked elsewhere.
    return {name for name in NAMES if name in folded} | (COMMON & {text})


def findings(file: str, source: str) -> list[tuple[str, int, str]]:
    tree = ast.parse(source)
    imports = {node.lineno for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))}
    return [
        (file, line, name)
        for line, text in texts(tree)
        for name in sorted(named(text))
        if not (name == "slicer" and line in imports)
    ]


def own_package(file: str) -> bool:
    """Whether an engine's own, or shared by those that run networks of one maker."""
    names = (*(row.name for row in ENGINES), "networks")
    return any(file.startswith(f"{ROOM}{name}/") for name in names) or file == TABLE


FOUND = [
    found
    for path in support.library_files()
    for found in findings(path.relative_to(support.LIBRARY).as_posix(), path.read_text(encoding="utf-8"))
    if not own_package(found[0])
]


def test_no_file_of_the_library_names_an_engine() -> None:
    assert [
        f"{file}:{line}: {name}"
        for file, line, name in FOUND
        if file not in ALLOWED and (file, name) not in ANOTHER_MEANING
    ] == []


def test_what_is_allowed_is_needed() -> None:
    assert set(ALLOWED) <= {file for file, _, _ in FOUND}
    assert set(ANOTHER_MEANING) <= {(file, name) for file, _, name in FOUND}


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ('x = "totalsegmentator"', 1),
        ('x = f"{y} brings TotalSegmentator"', 1),
        ("from .engines.totalsegmentator import weights", 1),
        ('x = ["tissue"]', 1),
        ('x = "soft tissue"', 0),
        ('"""TotalSegmentator."""', 0),
        ("import slicer", 0),
    ],
)
def test_names_are_found_in_texts_and_imports(code: str, count: int) -> None:
    assert len(findings("a.py", code)) == count
