"""Counts of the code that its tests hold down: circles, lengths of files, the name ``Any``, rooms.

``python3 AutoSegPipeline/Testing/Python/support/figures.py`` prints them; it needs nothing but Python.
"""

from __future__ import annotations

import io
import sys
import tokenize
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULE = HERE.parents[2]
LIBRARY = MODULE / "AutoSegPipelineLib"
TESTS = MODULE / "Testing" / "Python"


def count_any(source: str) -> int:
    """Occurrences of the name ``Any`` in a file, imports among them; comments and texts are none."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return sum(1 for token in tokens if token.type == tokenize.NAME and token.string == "Any")


def any_by_room(library: Path) -> Counter[str]:
    """Occurrences of ``Any`` below each folder of the library."""
    found: Counter[str] = Counter()
    for path in python_files(library):
        found[path.relative_to(library).parts[0]] += count_any(path.read_text(encoding="utf-8"))
    return found


def python_files(folder: Path) -> list[Path]:
    """Every Python file below ``folder``."""
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def lengths(folder: Path) -> dict[str, int]:
    """Lines of every Python file below ``folder``, by its path from there."""
    return {
        path.relative_to(folder).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in python_files(folder)
    }


def longest(folder: Path) -> str:
    """The longest file, in words."""
    found = lengths(folder)
    name = max(found, key=lambda one: found[one])
    return f"{found[name]} lines ({name})"


def report() -> list[str]:
    """One line for each figure."""
    from support.import_graph import circles, described, import_graph, sources_of

    graph = import_graph(sources_of(LIBRARY))
    found = circles(graph)
    rooms = any_by_room(LIBRARY)
    files: Counter[str] = Counter()
    for name in lengths(LIBRARY):
        files[name.split("/")[0] if "/" in name else "."] += 1
    return [
        f"files of the library   {sum(files.values())}: "
        + ", ".join(f"{room} {number}" for room, number in sorted(files.items()) if room != "."),
        f"import circles         {len(found)}",
        *(described(graph, group) for group in found),
        f"longest library file   {longest(LIBRARY)}",
        f"longest test file      {longest(TESTS)}",
        f"the name Any           {sum(rooms.values())} times: "
        + ", ".join(f"{room} {number}" for room, number in sorted(rooms.items()) if number),
    ]


if __name__ == "__main__":
    sys.path[0] = str(TESTS)  # this folder's names would hide others (qt)
    print("\n".join(report()))
