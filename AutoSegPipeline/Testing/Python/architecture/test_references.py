"""What docstrings, comments and pages call by name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import support.skeleton as support

REFERENCE = re.compile(r":(?:mod|class|func|meth|data|attr):`~?(\.+)([\w.]+)`")
FILE = re.compile(r"`((?:[\w.]+/)*\w+\.py)`")
FILES = {path.relative_to(support.ROOT).as_posix() for path in support.library_files()} | {
    path.relative_to(support.ROOT).as_posix()
    for folder in ("launcher", "AutoSegPipeline/Testing")
    for path in (support.ROOT / folder).rglob("*.py")
    if "node_modules" not in path.parts
}
# The files that a recipe names are made by following it, which test_recipes.py does.
PAGES = [page for page in sorted((support.ROOT / "docs").glob("*.md")) if page.name != "recipes.md"]
FILES |= {"autoseg.py", "AutoSegPipeline/AutoSegPipeline.py"}


def is_there(folder: Path, dots: str, name: str) -> bool:
    """Whether the module that ``name`` begins with, relative to ``folder``, exists and defines the rest."""
    here = folder
    for _ in dots[1:]:
        here = here.parent
    for word in name.split("."):
        if (here / word).is_dir():
            here = here / word
        elif (here / f"{word}.py").is_file():
            return True
        else:
            text = (here / "__init__.py").read_text(encoding="utf-8")
            return here != support.LIBRARY and re.search(rf"\b{word}\b", text) is not None
    return True


@pytest.mark.parametrize("path", support.library_files(), ids=lambda path: path.name)
def test_modules_that_a_docstring_refers_to_exist(path: Path) -> None:
    found = REFERENCE.findall(path.read_text(encoding="utf-8"))
    assert [dots + name for dots, name in found if not is_there(path.parent, dots, name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    named = FILE.findall(page.read_text(encoding="utf-8"))
    assert [name for name in named if not any(f"/{one}".endswith(f"/{name}") for one in FILES)] == []


def test_a_reference_to_what_has_moved_is_seen() -> None:
    runtime = support.LIBRARY / "runtime"
    assert is_there(runtime, "..", "core.protocol.encode") and is_there(runtime, ".", "queue.reorder.place")
    assert not is_there(runtime, "..", "protocol") and not is_there(runtime, ".", "arriving.Arriving")
