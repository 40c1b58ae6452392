"""Rows of jobs: reading for everybody, writing for the pipeline alone.

``List`` and not ``list`` in annotations: the class has a method of that name.
"""

from __future__ import annotations

from typing import Iterable, Iterator, List, NamedTuple, Sequence

from .. import states
from ..clock import Clock
from ..errors import PipelineError
from ..job import COLUMNS, Job
from .database import Database
from .job_filter import JobFilter
from .scope import EVERYTHING, Scope

PAGE = 500  # jobs in memory at a time where all are looked at
_COLUMNS = ", ".join(f'"{name}"' for name in COLUMNS)
_MARKS = ", ".join(f":{name}" for name in COLUMNS)
_SETS = ", ".join(f'"{name}" = :{name}' for name in COLUMNS if name != "id")
# Waiting lifts a job by one point of priority a minute, so that nothing waits for ever.
_AGING_SECONDS = 60.0
_BRIEF = ("revision", "rowid", "id", "label", "name", "state", "progress", "eta_s", "message", "priority")
_BRIEF_SQL = f"SELECT {', '.join(_BRIEF)}, queued_at FROM jobs WHERE revision > ? ORDER BY revision LIMIT ?"


class Brief(NamedTuple):
    """One line of a list of jobs, without what costs parsing. ``number`` rises with each new job."""

    revision: int
    number: int
    id: str
    label: str
    name: str
    state: str
    progress: float
    eta_s: float | None
    message: str
    priority: int
    queued_at: float


class Jobs:
    """The table ``jobs`` and the tombstones of what was deleted from it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    # --- writing: the pipeline only -------------------------------------------------

    def add(self, job: Job) -> None:
        """A new row, its present state stamped."""
        job.stamp(self._clock.now())
        with self._database.transaction():
            self._insert(job)

    def save(self, job: Job, durable: bool = True) -> None:
        """Write what changed besides the state; not ``durable``: what a power cut may take (progress)."""
        with self._database.transaction(durable):
            row = self._database.row("SELECT state FROM jobs WHERE id = ?", (job.id,))
            if row is None or row["state"] != job.state:
                raise states.WrongTransition(job.id, row["state"] if row else "deleted", job.state)
            self._write(job)

    def enter(self, job: Job, state: str) -> None:
        """Move ``job`` to ``state`` by the table of transitions and write all of it."""
        old = job.state
        states.check(job.id, old, state)
        with self._database.transaction():
            row = self._database.row("SELECT state FROM jobs WHERE id = ?", (job.id,))
            if row is None or row["state"] != old:
                raise states.WrongTransition(job.id, row["state"] if row else "deleted", state)
            job.state = state
            job.stamp(self._clock.now())
            if state == states.QUEUED:
                job.queued_at = self._clock.now()
            try:
                self._write(job)
            except BaseException:
                job.state = old
                raise

    def copy(self, job: Job) -> None:
        """Keep a job as another store has it, where its states were checked."""
        with self._database.transaction(durable=False):
            if self.find(job.id) is not None:
                self._write(job)
            else:
                self._insert(job)

    def _insert(self, job: Job) -> None:
        job.revision = self._database.next_revision()
        self._database.execute(f"INSERT INTO jobs ({_COLUMNS}) VALUES ({_MARKS})", job.to_row())

    def _write(self, job: Job) -> None:
        job.revision = self._database.next_revision()
        self._database.execute(f"UPDATE jobs SET {_SETS} WHERE id = :id", job.to_row())

    def delete(self, job_id: str) -> None:
        """Remove the row and leave a tombstone for those who follow by revision."""
        with self._database.transaction():
            revision = self._database.next_revision()
            self._database.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
            self._database.execute("INSERT OR REPLACE INTO tombstones VALUES (?, ?)", (job_id, revision))

    # --- reading: everybody ---------------------------------------------------------

    def get(self, job_id: str, scope: Scope = EVERYTHING) -> Job:
        """The job in ``scope`` whose id is or begins with ``job_id`` (at least 4 letters)."""
        found = self.find(job_id, scope)
        if found is not None:
            return found
        key = job_id.lower()
        usable = len(key) >= 4 and all(c in "0123456789abcdef" for c in key)
        seen, values = scope.where()
        sql = f"SELECT * FROM jobs WHERE id LIKE ? AND {seen} LIMIT 2"
        rows = self._database.rows(sql, (key + "%", *values)) if usable else []
        if len(rows) > 1:
            raise PipelineError("request.ambiguous_job", f"more than one job begins with {job_id}")
        if not rows:
            raise PipelineError("request.unknown_job", f"there is no job {job_id}")
        return Job.from_row(rows[0])

    def find(self, job_id: str, scope: Scope = EVERYTHING) -> Job | None:
        """The job of exactly this id, or None."""
        seen, values = scope.where()
        row = self._database.row(f"SELECT * FROM jobs WHERE id = ? AND {seen}", (job_id, *values))
        return None if row is None else Job.from_row(row)

    def parts_of(self, parent: str) -> set[str]:
        """Ids of the jobs that were split off ``parent``."""
        return {row["id"] for row in self._database.rows("SELECT id FROM jobs WHERE parent = ?", (parent,))}

    def list(
        self,
        in_states: Iterable[str] | None = None,
        since: int | None = None,
        limit: int = -1,
        offset: int = 0,
        newest_first: bool = False,
        scope: Scope = EVERYTHING,
        search: str = "",
        after: int | None = None,
        door: str | None = None,
        ids: Sequence[str] | None = None,
        published: bool | None = None,
    ) -> List[Job]:
        """Jobs by first arrival, or with ``since`` those changed after that revision.

        The other filters as in :class:`JobFilter`; ``after`` is the :meth:`place` behind which to go on.
        """
        wanted = None if in_states is None else list(in_states)
        condition, values = JobFilter(wanted, search, door, ids, published, scope).where()
        where: List[str] = [condition]
        if since is not None:
            where.append("revision > ?")
            values.append(since)
        if after is not None:
            where.append("rowid < ?" if newest_first else "rowid > ?")
            values.append(after)
        order = "revision" if since is not None else ("rowid DESC" if newest_first else "rowid")
        sql = f"SELECT * FROM jobs WHERE {' AND '.join(where)} ORDER BY {order} LIMIT ? OFFSET ?"
        return [Job.from_row(row) for row in self._database.rows(sql, (*values, limit, offset))]

    def changed(
        self, since: int = 0, scope: Scope = EVERYTHING, published: bool | None = None
    ) -> Iterator[Job]:
        """Every job changed after the revision ``since``, as :meth:`list` has them, a page at a time.

        One that changes meanwhile may come twice.
        """
        while page := self.list(since=since, limit=PAGE, scope=scope, published=published):
            yield from page
            since = page[-1].revision

    def place(self, job_id: str) -> int:
        """Where ``job_id`` stands in the order of arrival; 0 when it is gone."""
        row = self._database.row("SELECT rowid FROM jobs WHERE id = ?", (job_id,))
        return 0 if row is None else int(row[0])

    def named(self, file_name: str, scope: Scope = EVERYTHING) -> Job | None:
        """The job whose results hold a file of this name, or None."""
        seen, values = scope.where()
        sql = (
            f"SELECT * FROM jobs WHERE name != '' AND substr(?, 1, length(name) + 1) = name || '.' AND {seen}"
        )
        for row in self._database.rows(sql, (file_name, *values)):
            job = Job.from_row(row)
            if any(output["name"] == file_name for output in job.outputs):
                return job
        return None

    def deleted(self, since: int) -> List[str]:
        """Ids deleted after revision ``since``."""
        return [job_id for job_id, _ in self.tombstones(since)]

    def tombstones(self, since: int, limit: int = -1) -> List[tuple[str, int]]:
        """(id, revision) of what was deleted after revision ``since``, in that order."""
        sql = "SELECT id, revision FROM tombstones WHERE revision > ? ORDER BY revision LIMIT ?"
        return [(str(row["id"]), int(row["revision"])) for row in self._database.rows(sql, (since, limit))]

    def children(self, job_id: str) -> List[Job]:
        """Jobs that came out of the same archive or folder as ``job_id``."""
        rows = self._database.rows("SELECT * FROM jobs WHERE parent = ? ORDER BY rowid", (job_id,))
        return [Job.from_row(row) for row in rows]

    def of_series(self, series_key: str) -> List[Job]:
        """Every version of one DICOM series, oldest first."""
        sql = "SELECT * FROM jobs WHERE series_key = ? ORDER BY version, rowid"
        return [Job.from_row(row) for row in self._database.rows(sql, (series_key,))]

    def counts(self, scope: Scope = EVERYTHING) -> dict[str, int]:
        """How many jobs are in each state; every state is a key."""
        found = dict.fromkeys(states.ALL, 0)
        seen, values = scope.where()
        sql = f"SELECT state, COUNT(*) AS n FROM jobs WHERE {seen} GROUP BY state"
        for row in self._database.rows(sql, values):
            found[row["state"]] = int(row["n"])
        return found

    def brief(self, since: int, limit: int = -1) -> List[Brief]:
        """What a list shows of the jobs changed after revision ``since``, by revision; cheap."""
        rows = self._database.rows(_BRIEF_SQL, (since, limit))
        return [Brief(*row) for row in rows]

    def queue(self, now: float) -> List[tuple[str, int, float]]:
        """(id, priority, queued_at) of the queued jobs, the next one first."""
        sql = (
            "SELECT id, priority, queued_at FROM jobs WHERE state = ? "
            "ORDER BY priority + MAX(0, ? - queued_at) / ? DESC, rowid"
        )
        rows = self._database.rows(sql, (states.QUEUED, now, _AGING_SECONDS))
        return [(row["id"], row["priority"], row["queued_at"]) for row in rows]

    def next_queued(self, now: float) -> Job | None:
        """The queued job whose turn it is: highest priority, lifted by the time it waited."""
        return next((job for one in self.next_few_queued(now, 1) if (job := self.find(one))), None)

    def next_few_queued(self, now: float, most: int) -> List[str]:
        """Ids of it and of those behind it, at most ``most``; cheap with any number of jobs."""
        sql = (
            f"SELECT id FROM jobs INDEXED BY jobs_queued WHERE state = '{states.QUEUED}' AND not_before <= ? "
            "ORDER BY priority + MAX(0, ? - queued_at) / ? DESC, rowid LIMIT ?"
        )
        return [row["id"] for row in self._database.rows(sql, (now, now, _AGING_SECONDS, most))]
