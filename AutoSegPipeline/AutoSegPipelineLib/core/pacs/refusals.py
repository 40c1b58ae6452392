"""Who was refused by the receiver, and the line of ``dicom.json`` that would let them in.

Title and called title are empty where already the TLS handshake failed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..clock import Clock
from ..store.database import Database

KEPT = 1000


@dataclass(frozen=True)
class Refusal:
    """All refused associations of one kind; ``first`` and ``last`` are seconds since 1970."""

    title: str
    called: str
    address: str
    certificate: str
    reason: str
    count: int
    first: float
    last: float

    @property
    def line(self) -> str:
        """What to add to ``callers`` to let them in; empty where nobody said what they are called."""
        if not self.title:
            return ""
        values = {"title": self.title, "address": self.address}
        if self.certificate:
            values["certificate"] = self.certificate
        return json.dumps(values)


class Refusals:
    """The table ``refusals``; the oldest rows go, because anybody can fill it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def note(self, title: str, called: str, address: str, certificate: str, reason: str) -> None:
        """Count one more."""
        now = self._clock.now()
        with self._database.transaction():
            self._database.execute(
                "INSERT INTO refusals VALUES (?, ?, ?, ?, ?, 1, ?, ?) "
                "ON CONFLICT (title, called, address, certificate, reason) "
                "DO UPDATE SET count = count + 1, last = excluded.last",
                (title, called, address, certificate, reason, now, now),
            )
            self._database.execute(
                "DELETE FROM refusals WHERE rowid NOT IN "
                "(SELECT rowid FROM refusals ORDER BY last DESC LIMIT ?)",
                (KEPT,),
            )

    def list(self) -> list[Refusal]:
        """The newest first."""
        return [
            Refusal(**dict(row)) for row in self._database.rows("SELECT * FROM refusals ORDER BY last DESC")
        ]
