"""Which jobs somebody may know of: the one condition that every shown list and file goes through."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Sequence

WEB = "web"


@dataclass(frozen=True)
class Scope:
    """All jobs, or only those that ``owner`` handed in over the web or may see, and the named ``jobs``.

    A name says who it is on the web only: an inbox or a command line of the same
    name belongs to somebody else.
    """

    owner: str | None = None
    jobs: tuple[str, ...] | None = None  # full ids

    def where(self) -> tuple[str, list[Any]]:
        """The condition on a row of ``jobs``, and its values."""
        if self.owner is None and self.jobs is None:
            return "1", []
        parts, values = [], []
        if self.owner is not None:
            parts.append("(door = ? AND submitted_by = ?)")
            values += [WEB, self.owner]
            parts.append("instr(visible_to, ?) > 0")
            values.append(json.dumps(self.owner))  # as it stands in the column's list
        if self.jobs:
            parts.append(f"id IN ({', '.join('?' for _ in self.jobs)})")
            values += self.jobs
        return f"({' OR '.join(parts) or '0'})", values

    def holds(self, job: str, door: str, by: str, visible_to: Sequence[str] = ()) -> bool:
        """The same condition on a job that is at hand."""
        if self.owner is None and self.jobs is None:
            return True
        own = self.owner is not None and ((door == WEB and by == self.owner) or self.owner in visible_to)
        return own or (self.jobs is not None and job in self.jobs)


EVERYTHING = Scope()
