"""Which file of the library imports which, and the circles among them."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Iterator, Mapping

PACKAGE = "AutoSegPipelineLib"
# From a file to the files that it imports, each with the names that it takes from there.
Graph = dict[str, dict[str, set[str]]]


def sources_of(library: Path) -> dict[str, str]:
    """The text of every Python file below ``library``, by its path from there."""
    return {
        path.relative_to(library).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(library.rglob("*.py"))
        if "__pycache__" not in path.parts
    }


def import_graph(sources: Mapping[str, str]) -> Graph:
    """Every import of a file of ours by another, also under TYPE_CHECKING and inside functions.

    ``from .room import name`` leads to ``room/name.py`` where there is such a file, else to ``room.py`` or
    ``room/__init__.py``. That Python also loads the ``__init__.py`` of each folder on the way is not counted.
    """
    files = {_dotted(file): file for file in sources}
    graph: Graph = {file: {} for file in sources}
    for file, text in sources.items():
        for target, name in _imported(ast.parse(text), file):
            found = files.get(f"{target}.{name}") if name else None
            found, taken = (found, name) if found else (files.get(target), name or "the module")
            if found is not None:
                graph[file].setdefault(found, set()).add(taken)
    return graph


def _dotted(file: str) -> str:
    parts = [PACKAGE, *file[: -len(".py")].split("/")]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(tree: ast.AST, file: str) -> Iterator[tuple[str, str]]:
    """Dotted module and name of every import, relative ones made absolute."""
    package = [PACKAGE, *file.split("/")[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield module, alias.name


def circles(graph: Graph) -> list[list[str]]:
    """Groups of files of which each reaches each other by imports; a file that imports itself counts."""
    reach = {file: _reached(graph, file) for file in graph}
    seen: set[str] = set()
    found = []
    for file in sorted(graph):
        if file in seen or file not in reach[file]:
            continue
        group = sorted(other for other in reach[file] if file in reach[other])
        seen.update(group)
        found.append(group)
    return found


def _reached(graph: Graph, start: str) -> set[str]:
    reached: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        file = waiting.pop()
        if file not in reached:
            reached.add(file)
            waiting.extend(graph[file])
    return reached


def described(graph: Graph, group: list[str]) -> str:
    """The imports that tie a group together, a line each, with the names that they take."""
    lines = [f"{len(group)} files import each other:"]
    for file in group:
        for other, names in sorted(graph[file].items()):
            if other in group:
                lines.append(f"  {file} takes {', '.join(sorted(names))} from {other}")
    return "\n".join(lines)
