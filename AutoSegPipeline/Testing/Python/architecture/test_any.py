"""How often the library says ``Any``: the number may fall and never rise."""

from __future__ import annotations

import io
import tokenize
from collections import Counter
from pathlib import Path

import support.skeleton as support

# Of 1,253 at first: at most half. Lower it whenever the count has fallen.
MOST = 626


def count(source: str) -> int:
    """Occurrences of the name ``Any`` in a file, imports among them; comments and texts are none."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return sum(1 for token in tokens if token.type == tokenize.NAME and token.string == "Any")


def by_room(library: Path) -> Counter[str]:
    """Occurrences below each folder of the library."""
    found: Counter[str] = Counter()
    for path in library.rglob("*.py"):
        found[path.relative_to(library).parts[0]] += count(path.read_text(encoding="utf-8"))
    return found


def test_the_library_says_any_no_more_often_than_it_did() -> None:
    rooms = by_room(support.LIBRARY)
    print(f"Any: {sum(rooms.values())} times;", ", ".join(f"{room} {rooms[room]}" for room in sorted(rooms)))
    assert 0 < sum(rooms.values()) <= MOST, rooms


def test_a_name_is_counted_and_a_word_is_not() -> None:
    assert count("from typing import Any\n# Any\nx: dict[str, Any] = {'Any': 1}\n") == 2
