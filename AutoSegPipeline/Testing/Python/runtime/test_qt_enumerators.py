"""Enumerators are found in every Qt binding, whatever they and their types are made of."""

from __future__ import annotations

import ast
import enum
import re
from types import SimpleNamespace

import pytest
import support.skeleton as support
from AutoSegPipelineLib.runtime import qt


class Policy(enum.Enum):
    NoInsert = 0
    InsertAtTop = 1


class _Int(int):
    """An enumeration type of current PythonQt: a plain int that knows no member."""


# How three bindings hold QComboBox.NoInsert (0) and QComboBox.InsertAtTop (1).
BINDINGS = {
    "pyside, on the type only": SimpleNamespace(InsertPolicy=Policy),
    "pyside, on both": SimpleNamespace(
        InsertPolicy=Policy, NoInsert=Policy.NoInsert, InsertAtTop=Policy.InsertAtTop
    ),
    "pythonqt, types with members": SimpleNamespace(
        InsertPolicy=SimpleNamespace(NoInsert=0, InsertAtTop=1), NoInsert=0, InsertAtTop=1
    ),
    "pythonqt, types without members": SimpleNamespace(InsertPolicy=_Int, NoInsert=0, InsertAtTop=1),
}


@pytest.mark.parametrize("binding", list(BINDINGS))
@pytest.mark.parametrize(("name", "number"), [("NoInsert", 0), ("InsertAtTop", 1)])
def test_an_enumerator_is_found_also_where_it_is_zero(binding: str, name: str, number: int) -> None:
    found = qt.enumerator(BINDINGS[binding], "InsertPolicy", name)
    assert qt.number(found) == number
    assert qt.same_enumerator(number, BINDINGS[binding], "InsertPolicy", name)
    assert not qt.same_enumerator(number + 1, BINDINGS[binding], "InsertPolicy", name)


@pytest.mark.parametrize("binding", list(BINDINGS))
def test_one_that_no_qt_has_is_named_in_the_error(binding: str) -> None:
    with pytest.raises(AttributeError, match=r"InsertPolicy\.NeverHeardOf"):
        qt.enumerator(BINDINGS[binding], "InsertPolicy", "NeverHeardOf")


def test_a_crash_is_seen_whether_the_status_is_a_number_or_an_enum(monkeypatch: pytest.MonkeyPatch) -> None:
    class Status(enum.Enum):
        NormalExit = 0
        CrashExit = 1

    for owner, crash, normal in (
        (SimpleNamespace(ExitStatus=Status), Status.CrashExit, Status.NormalExit),
        (SimpleNamespace(ExitStatus=_Int, CrashExit=1, NormalExit=0), 1, 0),
    ):
        monkeypatch.setattr(qt, "QProcess", owner)
        assert qt.crashed(SimpleNamespace(exitStatus=lambda value=crash: value))
        assert not qt.crashed(SimpleNamespace(exitStatus=lambda value=normal: value))


def test_no_other_file_names_an_enumerator_itself() -> None:
    """``QProcess.CrashExit`` and the like: only :func:`qt.enumerator` knows where a binding keeps them."""
    found = []
    for path in support.library_files():
        if path.name == "qt.py" and path.parent.name == "runtime":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and re.fullmatch(r"[A-Z]\w*[a-z]\w*", node.attr):
                owner = node.value
                name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
                if re.fullmatch(r"Q([A-Z]\w+|t)", name):
                    found.append(f"{path.name}:{node.lineno}: {name}.{node.attr}")
    assert found == []
