"""How long files may be, and where tests lie."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import support.skeleton as support
from AutoSegPipelineLib.core.engines import ENGINES
from support.figures import lengths, python_files

TESTS = support.MODULE / "Testing" / "Python"
LONGEST = 350
# Folders of tests that mirror no folder of the library.
OTHERS = {"architecture", "docs", "support"}


def too_long(folder: Path) -> dict[str, int]:
    """Files of more than `LONGEST` lines, and their number of lines."""
    return {name: lines for name, lines in lengths(folder).items() if lines > LONGEST}


def imported_tests(source: str) -> list[str]:
    """Names of test files that ``source`` imports."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module or ''}.{alias.name}" for alias in node.names]
    return [name for name in names if any(part.startswith("test_") for part in name.split("."))]


def strangers(folders: set[str], library: set[str]) -> set[str]:
    """Folders of tests that neither mirror a folder of the library nor stand on the list of others."""
    return {folder for folder in folders if folder.split("/")[0] not in OTHERS and folder not in library}


def test_no_file_of_the_library_is_too_long() -> None:
    assert too_long(support.LIBRARY) == {}
    assert too_long(support.ROOT / "launcher") == {}
    module = support.MODULE / "AutoSegPipeline.py"
    assert len(module.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_no_test_is_too_long() -> None:
    assert too_long(TESTS) == {}


def test_a_long_file_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "fits.py").write_text("x = 1\n" * LONGEST)
    (tmp_path / "room" / "long.py").write_text("x = 1\n" * (LONGEST + 1))
    assert too_long(tmp_path) == {"room/long.py": LONGEST + 1}


def test_no_test_and_no_support_file_imports_a_test() -> None:
    found = {
        path.name: names
        for path in python_files(TESTS)
        if (names := imported_tests(path.read_text(encoding="utf-8")))
    }
    assert found == {}
    assert imported_tests("from web.test_jobs import site") == ["web.test_jobs.site"]
    assert imported_tests("def f():\n    import test_cases as t") == ["test_cases"]
    assert imported_tests("from support.web import contest_of") == []


def test_folders_of_tests_mirror_the_library() -> None:
    library = {path.parent.relative_to(support.LIBRARY).as_posix() for path in python_files(support.LIBRARY)}
    folders = {
        path.parent.relative_to(TESTS).as_posix()
        for path in python_files(TESTS)
        if path.name.startswith("test_")
    }
    assert len(folders) > 20
    assert strangers(folders, library | {"launcher"}) == set()
    assert strangers({"docs", "core", "core/odd"}, {"core"}) == {"core/odd"}


def test_no_support_file_hides_a_package() -> None:
    # Scripts of this folder run under other Pythons, which look for modules here first.
    packages = {*sys.stdlib_module_names, *(row.package for row in ENGINES)}
    assert "totalsegmentator" in packages
    assert {path.stem for path in (TESTS / "support").glob("*.py")} & packages == set()


def test_the_figures_that_ci_prints_need_nothing_but_python() -> None:
    script = TESTS / "support" / "figures.py"
    done = subprocess.run([sys.executable, "-S", str(script)], capture_output=True, text=True, check=True)
    assert "import circles         0" in done.stdout and "longest test file" in done.stdout
