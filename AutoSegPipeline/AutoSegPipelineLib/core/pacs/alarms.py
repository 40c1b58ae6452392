"""Sends that were given up; the pipeline and the web report each of them once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List

from ..clock import Clock
from ..store.database import Database

KEPT = 1000


@dataclass(frozen=True)
class Alarm:
    """``message`` says in a sentence what ``code`` means here; ``at`` is seconds since 1970."""

    id: int
    at: float
    code: str
    job: str
    peer: str
    message: str


class Alarms:
    """The table ``alarms``. Ids only grow: whoever remembers the last one misses none and sees none twice."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, code: str, job: str, peer: str, message: str) -> None:
        """Add one; in a transaction of the caller it is part of that."""
        with self._database.transaction():
            cursor = self._database.execute(
                "INSERT INTO alarms (at, code, job, peer, message) VALUES (?, ?, ?, ?, ?)",
                (self._clock.now(), code, job, peer, message),
            )
            self._database.execute("DELETE FROM alarms WHERE id <= ?", (int(cursor.lastrowid or 0) - KEPT,))

    def newest(self) -> int:
        """The id of the newest one that there ever was; 0 without any."""
        row = self._database.row("SELECT seq FROM sqlite_sequence WHERE name = 'alarms'")
        return 0 if row is None else int(row["seq"])

    def since(self, last: int) -> List[Alarm]:
        """Those after ``last``, in their order."""
        sql = "SELECT * FROM alarms WHERE id > ? ORDER BY id"
        return [Alarm(**dict(row)) for row in self._database.rows(sql, (last,))]
