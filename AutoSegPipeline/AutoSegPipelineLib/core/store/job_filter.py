"""Which jobs a list shows: the one condition behind lists, counts, windows and ids."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Sequence

from .scope import EVERYTHING, Scope

FOLDED = "folded"  # the SQL function that makes letters of other alphabets comparable
PUBLISHED = "outputs != '[]'"  # as the index `jobs_published` says it
# The columns of the index `jobs_by_words`, which answers every question here without reading a row.
_SEARCHED = ("label", "name", "submitted_by")


@dataclass(frozen=True)
class JobFilter:
    """Jobs in ``scope``. ``search`` is a part of label, name or submitter, or the beginning of the id.

    None stands for all.
    """

    states: Sequence[str] | None = None
    search: str = ""
    door: str | None = None
    ids: Sequence[str] | None = None
    published: bool | None = None  # with (True) or without (False) a result
    scope: Scope = EVERYTHING

    def where(self, in_states: Sequence[str] | None = None) -> tuple[str, list[object]]:
        """The condition on a row of ``jobs`` and its values; ``in_states`` narrows the states further."""
        condition, values = self.scope.where()
        parts, found = [condition], list[object](values)
        wanted = _both(self.states, in_states)
        if wanted is not None:
            parts.append(f"state IN ({_marks(wanted)})")
            found += wanted
        if self.ids is not None:
            parts.append(f"id IN ({_marks(self.ids)})")
            found += self.ids
        if self.search:
            condition, values = _searched(self.search)
            parts.append(condition)
            found += values
        if self.door is not None:
            parts.append("door = ?")
            found.append(self.door)
        if self.published is not None:
            parts.append(PUBLISHED if self.published else "outputs = '[]'")
        return " AND ".join(parts), found


def _both(one: Sequence[str] | None, other: Sequence[str] | None) -> Sequence[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return [state for state in one if state in other]


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" for _ in values)


def _searched(text: str) -> tuple[str, list[object]]:
    """LIKE ignores the case of ASCII letters only; for others both sides are folded first."""
    text = unicodedata.normalize("NFC", text)
    column = "{}" if text.isascii() else f"{FOLDED}({{}})"
    pattern = _escaped(text if text.isascii() else folded(text))
    parts = [rf"{column.format(name)} LIKE ? ESCAPE '\'" for name in _SEARCHED]
    values: list[object] = [f"%{pattern}%"] * len(parts)
    return f"({' OR '.join(parts)} OR id LIKE ? ESCAPE '\\')", [*values, f"{pattern}%"]


def folded(text: str) -> str:
    """``text`` without regard to case and to the form of its accents."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _escaped(text: str) -> str:
    """``text`` for LIKE."""
    for mark in ("\\", "%", "_"):
        text = text.replace(mark, "\\" + mark)
    return text
