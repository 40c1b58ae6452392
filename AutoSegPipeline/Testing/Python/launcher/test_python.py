"""autoseg.py: which Python starts it, and what the others answer."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest
import support.skeleton as support

import autoseg
from launcher import pythons
from launcher.installer import clean_environment

pytestmark = pytest.mark.usefixtures("offline")


@pytest.mark.parametrize(
    ("version", "implementation", "bits", "free", "said"),
    [
        ((2, 7), "CPython", 64, False, "3.10 to 3.15; this is Python 2.7"),
        ((3, 9), "CPython", 64, False, "this is Python 3.9"),
        ((3, 16), "CPython", 64, False, "this is Python 3.16"),
        ((3, 12), "PyPy", 64, False, "PyPy"),
        ((3, 12), "CPython", 32, False, "64 bits"),
        ((3, 14), "CPython", 64, True, "free-threaded"),
    ],
)
def test_an_unfit_python_is_told_what_is_needed(
    version: tuple[int, int], implementation: str, bits: int, free: bool, said: str
) -> None:
    assert said in autoseg.objection(version, implementation, bits, free)


@pytest.mark.parametrize("minor", range(10, 16))
def test_every_supported_python_is_taken(minor: int) -> None:
    assert autoseg.objection((3, minor), "CPython", 64, False) is None


def test_a_fitting_python_that_is_there_is_named(tmp_path: Path) -> None:
    for name in ("python3.9", "python3.12", "python3.10"):
        (tmp_path / name).touch(mode=0o755)
    assert "python3.12 autoseg.py" in autoseg.advice(str(tmp_path), windows=False)
    assert "py -3.13 autoseg.py" in autoseg.advice(str(tmp_path / "none"), windows=True)


def test_the_launchers_first_file_has_no_syntax_of_newer_pythons() -> None:
    tree = ast.parse((support.ROOT / "autoseg.py").read_text(encoding="utf-8"))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.AsyncFunctionDef, ast.Match, ast.Starred)
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, newer)] == []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None and not node.args.kwonlyargs
            assert all(argument.annotation is None for argument in node.args.args)


@pytest.mark.parametrize("version", [(2, 7), (3, 6), (3, 8), (3, 9)])
def test_an_old_python_gets_an_answer_not_a_syntax_error(version: tuple[int, int]) -> None:
    for command in pythons._candidates(version):
        answer = subprocess.run(
            [*command, str(support.ROOT / "autoseg.py"), "--help"],
            capture_output=True,
            text=True,
            env=clean_environment(),
            check=False,
        )
        if answer.returncode == 2 and "this is Python" in answer.stderr:
            assert f"{version[0]}.{version[1]}" in answer.stderr and "SyntaxError" not in answer.stderr
            return
        assert "SyntaxError" not in answer.stderr
    pytest.skip(f"no Python {version[0]}.{version[1]} on this machine")
