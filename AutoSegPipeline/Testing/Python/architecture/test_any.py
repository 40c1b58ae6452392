"""How often the library says ``Any``: the number may fall and never rise."""

from __future__ import annotations

import support.skeleton as support
from support.figures import any_by_room, count_any

# Of 1,253 at first: at most half. Lower it whenever the count has fallen.
MOST = 539


def test_the_library_says_any_no_more_often_than_it_did() -> None:
    rooms = any_by_room(support.LIBRARY)
    print(f"Any: {sum(rooms.values())} times;", ", ".join(f"{room} {rooms[room]}" for room in sorted(rooms)))
    assert 0 < sum(rooms.values()) <= MOST, rooms


def test_a_name_is_counted_and_a_word_is_not() -> None:
    assert count_any("from typing import Any\n# Any\nx: dict[str, Any] = {'Any': 1}\n") == 2
