"""Which objects and series are our own, so that none of them is processed when it comes back."""

from __future__ import annotations

from ..clock import Clock
from ..store.database import Database


class SentUids:
    """The table ``sent_uids``: UIDs of instances and of series. Nothing is ever taken out of it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def note(self, job: str, *uids: str) -> None:
        """These will leave, or have left, for ``job``."""
        now = self._clock.now()
        with self._database.transaction():
            for uid in uids:
                self._database.execute("INSERT OR IGNORE INTO sent_uids VALUES (?, ?, ?)", (uid, job, now))

    def holds(self, *uids: str) -> bool:
        """Whether one of ``uids``, of an instance or a series, is ours; empty ones are nobody's."""
        asked = [uid for uid in uids if uid]
        marks = ", ".join("?" for _ in asked)
        return bool(asked) and bool(
            self._database.row(f"SELECT 1 FROM sent_uids WHERE uid IN ({marks}) LIMIT 1", asked)
        )
