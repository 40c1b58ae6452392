"""What TotalSegmentator before 2.15 says of its tasks' weights only in its code: read, never run.

``python_api.totalsegmentator`` is one long ``if task == "total": ... elif`` with constants, and so is
``libs.download_pretrained_weights`` for the folders. The syntax tree of both is followed. What does
not look like that is left out; then nothing is known beforehand, as if it were not written at all.
"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from typing import Iterator

from .known_tasks import PACKAGE

FLAGS = {"normal": (), "fast": ("fast",), "fastest": ("fastest",)}
Values = dict  # name of a local variable -> its constant value


def settings() -> dict[str, dict[str, Values]]:
    """For each task and quality what the package sets (``task_id``, ``resample``, ``crop`` ...).

    A quality that the package refuses, or in which it runs the same models as in normal, is not there.
    """
    found: dict[str, dict[str, Values]] = {}
    for name, body in _branches(_function("python_api", "totalsegmentator"), "task"):
        modes = {}
        for quality, flags in FLAGS.items():
            values: Values = {}
            if _follow(body, frozenset(flags), values) and "task_id" in values:
                modes[quality] = values
        normal = modes.get("normal")
        if normal is not None:
            found[str(name)] = {
                quality: values
                for quality, values in modes.items()
                if values is normal or values["task_id"] != normal["task_id"]
            }
    return found


def folders() -> dict[int, str]:
    """The folder of each model's weights by its number."""
    found = {}
    for number, body in _branches(_function("libs", "download_pretrained_weights"), "task_id"):
        for node in body:
            # weights_path = config_dir / "Dataset291_..."
            if isinstance(node, ast.Assign) and _target(node) == "weights_path":
                value = node.value
                last = value.right if isinstance(value, ast.BinOp) else None
                if isinstance(number, int) and isinstance(last, ast.Constant):
                    found[number] = str(last.value)
    return found


def _function(module: str, name: str) -> list[ast.stmt]:
    """The statements of a function of the package; none where it is not there."""
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations if spec else None) or ():
        path = Path(folder, module + ".py")
        if path.is_file():
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef) and node.name == name:
                    return node.body
    return []


def _branches(statements: list[ast.stmt], variable: str) -> Iterator[tuple[object, list[ast.stmt]]]:
    """Value and body of every branch of ``if variable == VALUE: ... elif ...``."""
    for statement in statements:
        node: ast.stmt | None = statement
        while isinstance(node, ast.If):
            value = _compared(node.test, variable)
            if value is not None:
                yield value, node.body
            node = node.orelse[0] if len(node.orelse) == 1 else None


def _compared(test: ast.expr, variable: str) -> object:
    """VALUE of ``variable == VALUE``, or None."""
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.ops[0], ast.Eq):
        return None
    left, right = test.left, test.comparators[0]
    named = isinstance(left, ast.Name) and left.id == variable
    return right.value if named and isinstance(right, ast.Constant) else None


def _follow(body: list[ast.stmt], flags: frozenset[str], values: Values) -> bool:
    """Run assignments of constants and questions about flags; False where the package would raise."""
    for node in body:
        if isinstance(node, ast.Raise):
            return False
        if isinstance(node, ast.Assign) and _target(node):
            try:
                values[_target(node)] = ast.literal_eval(node.value)
            except ValueError:
                values.pop(_target(node), None)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id in _QUESTIONS:
            taken = node.body if node.test.id in flags else node.orelse
            if not _follow(taken, flags, values):
                return False
    return True


_QUESTIONS = ("fast", "fastest")


def _target(node: ast.Assign) -> str:
    first = node.targets[0]
    return first.id if len(node.targets) == 1 and isinstance(first, ast.Name) else ""
