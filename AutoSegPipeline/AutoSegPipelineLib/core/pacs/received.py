"""Series that were received: what is coming, what waits, what became of the last ones."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..store.database import Database

COMING, WAITING, DONE, LEFT_OUT = "coming", "waiting", "done", "left out"
KEPT = 1000


@dataclass(frozen=True)
class ReceivedSeries:
    """One series under one of our titles. ``state`` is coming, waiting (for the hand-over), done or left out.

    ``instances`` and ``bytes`` count those of ``version``, ``jobs`` are the last that were made of it,
    ``note`` is why it waits or was left out. Times are seconds since 1970.
    """

    key: str
    called: str
    calling: str
    address: str
    study: str
    series: str
    state: str
    version: int
    instances: int
    bytes: int
    jobs: tuple[str, ...]
    note: str
    first: float
    last: float


class Received:
    """The table ``received``; the oldest rows go."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, row: ReceivedSeries) -> None:
        """Write a row. One that is no longer coming keeps the counts that it had then.

        No wait for the disk: what is in the spool brings it back.
        """
        counts = "instances = excluded.instances, bytes = excluded.bytes, " if row.state == COMING else ""
        with self._database.transaction(durable=False):
            self._database.execute(
                "INSERT INTO received VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET calling = excluded.calling, address = excluded.address, "
                f"state = excluded.state, version = excluded.version, {counts}"
                "jobs = excluded.jobs, note = excluded.note, last = excluded.last",
                (
                    row.key, row.called, row.calling, row.address, row.study, row.series, row.state,
                    row.version, row.instances, row.bytes, json.dumps(row.jobs), row.note, row.first,
                    row.last,
                ),
            )  # fmt: skip
            self._database.execute(
                "DELETE FROM received WHERE state IN (?, ?) AND key NOT IN "
                "(SELECT key FROM received ORDER BY last DESC LIMIT ?)",
                (DONE, LEFT_OUT, KEPT),
            )

    def list(self, limit: int = KEPT) -> list[ReceivedSeries]:
        """The newest first."""
        rows = self._database.rows("SELECT * FROM received ORDER BY last DESC LIMIT ?", (limit,))
        return [ReceivedSeries(**{**dict(row), "jobs": tuple(json.loads(row["jobs"]))}) for row in rows]

    def counts(self) -> dict[str, int]:
        """How many series are in each state."""
        rows = self._database.rows("SELECT state, COUNT(*) AS n FROM received GROUP BY state")
        return {str(row["state"]): int(row["n"]) for row in rows}
