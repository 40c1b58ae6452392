"""What each watch has seen in its archive, and how its last round went."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass
from typing import Iterable

from ..clock import Clock
from ..store.database import Database
from .fetches import FAILED, Fetches, Order
from .query import FoundStudy

FORGET_DAYS = 400.0  # after no query has found a study for so long
AGAIN_SECONDS = 86400.0  # after a fetch that has failed
AGAIN_DAYS = 14.0  # that a study is fetched again after it was first seen
MOST_WAIT_SECONDS = 90 * 60.0  # that a study may grow before it is taken anyway


@dataclass(frozen=True)
class Round:
    """How the last query of a watch went: ``found`` studies, of which ``waiting`` are not fetched yet."""

    watch: str
    at: float
    ok: bool
    note: str
    found: int
    waiting: int

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


class Watched:
    """The tables ``watched`` and ``rounds``."""

    def __init__(self, database: Database, clock: Clock, fetches: Fetches) -> None:
        self._database = database
        self._clock = clock
        self._fetches = fetches

    def take(
        self, watch: str, peer: str, entry: str, studies: Iterable[FoundStudy], most: int
    ) -> tuple[int, int]:
        """Queue at most ``most`` of the ``studies`` that are new; how many were, and how many wait.

        A study is taken when two rounds have found the same number of instances, because it may still
        be growing; after 90 minutes it is taken as it is. It is queued in the transaction that notes it.
        One whose fetch failed is taken again after a day, for two weeks.
        """
        now = self._clock.now()
        taken = waiting = 0
        with self._database.transaction():
            for study in studies:
                row = self._database.row(
                    "SELECT * FROM watched WHERE watch = ? AND study = ?", (watch, study.uid)
                )
                if row is None:
                    self._database.execute(
                        "INSERT INTO watched VALUES (?, ?, ?, ?, ?, NULL)",
                        (watch, study.uid, now, now, study.instances),
                    )
                    waiting += 1
                    continue
                fetch = None if self._again(row, now) else row["fetch"]
                settled = row["instances"] == study.instances or now - row["first"] > MOST_WAIT_SECONDS
                if fetch is None and settled and taken < most:
                    order = Order(peer, study.uid, (), study.label, entry, by=f"watch {watch}", watch=watch)
                    fetch = self._fetches.add(order)
                    taken += 1
                waiting += fetch is None
                self._database.execute(
                    "UPDATE watched SET seen = ?, instances = ?, fetch = ? WHERE watch = ? AND study = ?",
                    (now, study.instances, fetch, watch, study.uid),
                )
            self._database.execute("DELETE FROM watched WHERE seen < ?", (now - FORGET_DAYS * 86400,))
        return taken, waiting

    def _again(self, row: sqlite3.Row, now: float) -> bool:
        if row["fetch"] is None or now - row["first"] > AGAIN_DAYS * 86400:
            return False
        fetch = self._fetches.get(row["fetch"])
        return fetch is not None and fetch.state == FAILED and now - fetch.changed > AGAIN_SECONDS

    def ended(self, watch: str, ok: bool, note: str = "", found: int = 0, waiting: int = 0) -> None:
        """Note how a round went."""
        with self._database.transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO rounds VALUES (?, ?, ?, ?, ?, ?)",
                (watch, self._clock.now(), int(ok), note, found, waiting),
            )

    def rounds(self) -> dict[str, Round]:
        """The last round of each watch."""
        found = self._database.rows("SELECT * FROM rounds")
        return {
            row["watch"]: Round(
                row["watch"], row["at"], bool(row["ok"]), row["note"], row["found"], row["waiting"]
            )
            for row in found
        }
