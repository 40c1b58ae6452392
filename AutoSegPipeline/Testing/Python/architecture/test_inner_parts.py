"""Every name with one underscore that we take from another package stands in ``support/inner_parts.py``.

The tests of the rooms look each up in the installed version. Attributes that have no underscore and are
undocumented all the same cannot be found by their names; ``web/http/test_inner_parts.py`` lists uvicorn's.
"""

from __future__ import annotations

import ast
from typing import Iterator

import pytest
import support.skeleton as support
from support.inner_parts import EVERY

OWN = ("AutoSegPipelineLib", "launcher")


def inner(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def foreign_names(tree: ast.Module) -> set[str]:
    """What the file's imports bind, apart from our own."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(one.asname or one.name).split(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module.split(".")[0] not in OWN:
            found |= {one.asname or one.name for one in node.names}
    return found - set(OWN)


def defined_names(tree: ast.AST) -> set[str]:
    """Names with one underscore that are bound anywhere in ``tree``."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Attribute, ast.Name)) and isinstance(node.ctx, ast.Store):
            found.add(node.attr if isinstance(node, ast.Attribute) else node.id)
    return {name for name in found if inner(name)}


def root(node: ast.AST) -> str:
    """The name at the beginning of ``a.b[c].d(e)``."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def used(source: str, own: set[str]) -> Iterator[tuple[int, str]]:
    """Line and name of each inner part of another package; ``own`` are the names that we define."""
    tree = ast.parse(source)
    foreign, here = foreign_names(tree), defined_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [part for one in node.names for part in one.name.split(".")]
            yield from ((node.lineno, name) for name in names if inner(name))
        elif isinstance(node, ast.ImportFrom) and not node.level:
            module = (node.module or "").split(".")
            if module[0] not in OWN:
                names = [*module, *(one.name for one in node.names)]
                yield from ((node.lineno, name) for name in names if inner(name))
        elif isinstance(node, ast.Attribute) and inner(node.attr) and root(node) not in ("self", "cls"):
            if node.attr not in own or root(node) in foreign:
                yield node.lineno, node.attr
        elif isinstance(node, ast.Call) and root(node) in ("getattr", "hasattr", "setattr", "delattr"):
            name = node.args[1] if len(node.args) > 1 else None
            if isinstance(name, ast.Constant) and inner(str(name.value)) and name.value not in here:
                yield node.lineno, str(name.value)
        elif isinstance(node, ast.ClassDef) and any(root(base) in foreign for base in node.bases):
            yield from of_base(node)


def of_base(class_: ast.ClassDef) -> Iterator[tuple[int, str]]:
    """What a class takes of a foreign base: ``super()._name``, and ``self._name`` that it does not define."""
    own = defined_names(class_)
    for node in ast.walk(class_):
        if isinstance(node, ast.Attribute) and inner(node.attr):
            of_super = isinstance(node.value, ast.Call) and root(node.value) == "super"
            of_self = isinstance(node.value, ast.Name) and node.value.id == "self" and node.attr not in own
            if of_super or of_self:
                yield node.lineno, node.attr


def test_every_inner_part_of_another_package_is_on_the_list() -> None:
    files = [*support.library_files(), *sorted((support.ROOT / "launcher").rglob("*.py"))]
    sources = {path: path.read_text(encoding="utf-8") for path in files}
    own = set().union(*(defined_names(ast.parse(source)) for source in sources.values()))
    listed = {(part.file, part.name) for part in EVERY}
    found = set()
    for path, source in sources.items():
        library = support.LIBRARY in path.parents
        file = path.relative_to(support.LIBRARY if library else support.ROOT).as_posix()
        found |= {(file, line, name) for line, name in used(source, own)}
    assert len(found) >= 5
    new = [f"{file}:{line}: {name}" for file, line, name in sorted(found) if (file, name) not in listed]
    assert new == [], "use what the package documents, or add it to support/inner_parts.py:\n" + "\n".join(
        new
    )
    named = {(file, name) for file, _, name in found}
    gone = sorted(one for one in listed if inner(one[1]) and one not in named)
    assert gone == [], f"no longer used; take off support/inner_parts.py: {gone}"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from pkg import _inner", ["_inner"]),
        ("import pkg._inner as fine", ["_inner"]),
        ("def f():\n    from pkg._inner import name", ["_inner"]),
        ("import pkg\npkg.Thing().part._mine", ["_mine"]),
        ("def f(thing):\n    return thing._theirs", ["_theirs"]),
        ("def f(thing):\n    return getattr(thing, '_theirs', None)", ["_theirs"]),
        ("from pkg import Base\nclass A(Base):\n    def f(self): self._mine()", ["_mine"]),
        ("from pkg import Base\nclass A(Base):\n    def _mine(self): super()._mine()", ["_mine"]),
        # Our own, and what Python itself promises.
        ("from .pkg import _inner", []),
        ("from AutoSegPipelineLib.pkg import _inner", []),
        ("from __future__ import annotations\nx = object.__init__", []),
        ("def f(thing):\n    return thing._mine", []),
        (
            "from pkg import Base\nclass A(Base):\n    def f(self):\n        self._a = 1\n        self._a",
            [],
        ),
    ],
)
def test_the_finder_sees_every_way_to_take_one(source: str, names: list[str]) -> None:
    assert sorted({name for _, name in used(source, {"_mine"})}) == names
