"""Jobs in the order of the work: what runs, what arrives, the queue, what has ended; in windows.

A window of ten thousand jobs costs a few milliseconds: its rows are found in the index
``jobs_by_words`` and only they are read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Sequence

from .. import states
from ..job import Job
from .database import Database
from .job_filter import JobFilter

_NEWEST = "rowid DESC"
# As the pipeline takes them: a point of priority is worth a minute of waiting, so that this never changes
# while they wait.
_TURN = "priority * 60.0 - queued_at DESC, rowid"
# States that stand together, and their order.
_PARTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (tuple(sorted(states.RUNNING)), _NEWEST),
    ((states.RECEIVING, states.INSPECTING), _NEWEST),
    ((states.QUEUED,), _TURN),
    (tuple(sorted(states.ENDS)), _NEWEST),
)
_INDEXED = "jobs INDEXED BY jobs_by_words"
_RESULTS = "jobs INDEXED BY jobs_published"


@dataclass(frozen=True)
class Window:
    """``jobs`` from ``offset`` on out of ``total``; ``counts`` by state regardless of the filter's states.

    ``places`` of queued jobs (0 is next) in the queue of all jobs of the scope.
    """

    jobs: list[Job]
    offset: int
    total: int
    counts: dict[str, int]
    places: dict[str, int]


class WorkList:
    """Windows, counts and ids of the jobs that a filter leaves."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def window(self, wanted: JobFilter, offset: int, limit: int) -> Window:
        """At most ``limit`` jobs from place ``offset`` on."""
        counts = self.counts(wanted)
        shown = [state for state in states.ALL if wanted.states is None or state in wanted.states]
        rows: list[int] = []
        skip = offset
        for part, order in _PARTS:
            size = sum(counts[state] for state in part if state in shown)
            if skip < size and len(rows) < limit:
                rows += self._rows(wanted, part, order, limit - len(rows), skip)
            skip = max(0, skip - size)
        jobs = self._jobs(rows)
        total = sum(counts[state] for state in shown)
        return Window(jobs, offset, total, counts, self._places(wanted, jobs))

    def results(self, wanted: JobFilter, offset: int, limit: int) -> tuple[list[Job], int]:
        """At most ``limit`` jobs with a result, the newest first, and how many there are of them."""
        where, values = replace(wanted, published=True).where()
        total = self._database.row(f"SELECT COUNT(*) FROM {_RESULTS} WHERE {where}", values)
        sql = f"SELECT rowid FROM {_RESULTS} WHERE {where} ORDER BY {_NEWEST} LIMIT ? OFFSET ?"
        rows = [int(row[0]) for row in self._database.rows(sql, (*values, limit, offset))]
        return self._jobs(rows), int(total[0]) if total else 0

    def counts(self, wanted: JobFilter) -> dict[str, int]:
        """How many jobs are in each state, whatever states ``wanted`` names; every state is a key."""
        where, values = replace(wanted, states=None).where()
        found = dict.fromkeys(states.ALL, 0)
        sql = f"SELECT state, COUNT(*) AS number FROM {_INDEXED} WHERE {where} GROUP BY state"
        for row in self._database.rows(sql, values):
            found[row["state"]] = int(row["number"])
        return found

    def ids(self, wanted: JobFilter, limit: int) -> list[str]:
        """The ids of at most ``limit`` jobs, in the order of the work."""
        found: list[str] = []
        for part, order in _PARTS:
            where, values = wanted.where(part)
            sql = f"SELECT id FROM {_INDEXED} WHERE {where} ORDER BY {order} LIMIT ?"
            found += [row["id"] for row in self._database.rows(sql, (*values, limit - len(found)))]
        return found

    def _rows(self, wanted: JobFilter, part: Sequence[str], order: str, limit: int, skip: int) -> list[int]:
        where, values = wanted.where(part)
        sql = f"SELECT rowid FROM {_INDEXED} WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"
        return [int(row[0]) for row in self._database.rows(sql, (*values, limit, skip))]

    def _jobs(self, rows: Sequence[int]) -> list[Job]:
        marks = ", ".join("?" for _ in rows)
        found = self._database.rows(f"SELECT rowid AS row, * FROM jobs WHERE rowid IN ({marks})", rows)
        by_row = {int(row["row"]): Job.from_row(row) for row in found}
        return [by_row[row] for row in rows if row in by_row]

    def _places(self, wanted: JobFilter, jobs: Sequence[Job]) -> dict[str, int]:
        queued = [job.id for job in jobs if job.state == states.QUEUED]
        if not queued:
            return {}
        where, values = JobFilter(states=(states.QUEUED,), scope=wanted.scope).where()
        ranked = f"SELECT id, ROW_NUMBER() OVER (ORDER BY {_TURN}) AS place FROM {_INDEXED} WHERE {where}"
        marks = ", ".join("?" for _ in queued)
        sql = f"SELECT id, place FROM ({ranked}) WHERE id IN ({marks})"
        return {row["id"]: int(row["place"]) - 1 for row in self._database.rows(sql, (*values, *queued))}
