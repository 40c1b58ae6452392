"""Requirement files: which lines hold for a Python and a system, and what they hash to."""

from __future__ import annotations

import ast
import hashlib
import platform
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pin:
    """One line ``name==version; marker``."""

    name: str
    version: str
    marker: str


def this_machine() -> dict[str, str]:
    """The words that our markers use, for the Python that runs this."""
    return {
        "python_version": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "sys_platform": sys.platform,
        "platform_machine": platform.machine(),
    }


def read(path: Path) -> list[Pin]:
    """Every pin of a requirements file. Raises ValueError on a line that is not an exact pin."""
    pins = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.split("#")[0].strip()
        if not text:
            continue
        requirement, _, marker = (part.strip() for part in text.partition(";"))
        name, equal, version = (part.strip() for part in requirement.partition("=="))
        if not equal or not version:
            raise ValueError(f"{path.name}, line {number}: {text!r} is not an exact pin")
        pins.append(Pin(name, version, marker))
    return pins


def applying(pins: list[Pin], machine: dict[str, str]) -> list[Pin]:
    """The pins whose marker holds on ``machine`` (see :func:`this_machine`)."""
    return [pin for pin in pins if not pin.marker or _holds(pin.marker, machine)]


def fingerprint(paths: list[Path]) -> str:
    """64 hex digits over the pins of the files; comments and spaces do not count."""
    digest = hashlib.sha256()
    for path in paths:
        for pin in read(path):
            digest.update(f"{pin.name}=={pin.version};{pin.marker}\n".encode())
    return digest.hexdigest()


def _holds(marker: str, machine: dict[str, str]) -> bool:
    return _value(ast.parse(marker, mode="eval").body, machine)


def _value(node: ast.expr, machine: dict[str, str]) -> bool:
    if isinstance(node, ast.BoolOp):
        parts = [_value(part, machine) for part in node.values]
        return all(parts) if isinstance(node.op, ast.And) else any(parts)
    if (
        isinstance(node, ast.Compare)
        and len(node.ops) == 1
        and isinstance(node.left, ast.Name)
        and isinstance(node.comparators[0], ast.Constant)
    ):
        left, right = machine[node.left.id], str(node.comparators[0].value)
        if node.left.id == "python_version":
            return _compare(node.ops[0], _numbers(left), _numbers(right))
        return _compare(node.ops[0], left, right)
    raise ValueError(f"a marker of this shape is not understood: {ast.unparse(node)}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _compare(operator: ast.cmpop, left: object, right: object) -> bool:
    if isinstance(operator, ast.Eq):
        return left == right
    if isinstance(operator, ast.NotEq):
        return left != right
    if isinstance(left, tuple) and isinstance(right, tuple):
        if isinstance(operator, ast.Lt):
            return left < right
        if isinstance(operator, ast.LtE):
            return left <= right
        if isinstance(operator, ast.Gt):
            return left > right
        if isinstance(operator, ast.GtE):
            return left >= right
    raise ValueError(f"a marker may not compare with {type(operator).__name__}")
