"""Which jobs somebody may know of: the one condition that every shown list and file goes through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

WEB = "web"


@dataclass(frozen=True)
class Scope:
    """All jobs, those that ``owner`` handed in over the web, or the one ``job``.

    A name says who it is on the web only: an inbox or a command line of the same
    name belongs to somebody else.
    """

    owner: str | None = None
    job: str | None = None

    def where(self) -> tuple[str, list[Any]]:
        """The condition on a row of ``jobs``, and its values."""
        parts, values = ["1"], []
        if self.owner is not None:
            parts.append("door = ? AND submitted_by = ?")
            values += [WEB, self.owner]
        if self.job is not None:
            parts.append("id = ?")
            values.append(self.job)
        return " AND ".join(parts), values

    def holds(self, job: str, door: str, by: str) -> bool:
        """The same condition on a job that is at hand."""
        own = self.owner is None or (door == WEB and by == self.owner)
        return own and (self.job is None or self.job == job)


EVERYTHING = Scope()
