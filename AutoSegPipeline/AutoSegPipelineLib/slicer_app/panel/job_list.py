"""All jobs in the order in which the panel shows them, kept up to date by what changed. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from typing import Any, Iterable

from ...core import states
from ...core.store.jobs import Brief

_MANY = 500


def place(job: Brief) -> tuple[object, ...]:
    """Running ones first, then the queue in its order, then what arrives, then the ends, newest first."""
    if job.state in states.RUNNING:
        return (0, job.number, job.id)
    if job.state == states.QUEUED:
        # All scores of the queue grow alike, so this stays right while time passes.
        return (1, job.queued_at / 60.0 - job.priority, job.number, job.id)
    if job.state in states.ENDS:
        return (3, -job.number, job.id)
    return (2, job.number, job.id)


class JobList:
    """``jobs`` by id, ``counts`` by state; :meth:`at` and :meth:`row_of` by the order of :func:`place`."""

    def __init__(self) -> None:
        self.jobs: dict[str, Brief] = {}
        self.counts: Counter[str] = Counter()
        self._order: list[tuple[Any, ...]] = []

    def __len__(self) -> int:
        return len(self._order)

    def at(self, row: int) -> Brief:
        """The job in this row."""
        return self.jobs[self._order[row][-1]]

    def row_of(self, job_id: str) -> int:
        """The row of a job, -1 for none."""
        job = self.jobs.get(job_id)
        return -1 if job is None else bisect_left(self._order, place(job))

    def apply(self, changed: Iterable[Brief], deleted: Iterable[str] = ()) -> bool:
        """Take in news; whether rows came, went or moved."""
        changed, moved = list(changed), False
        in_bulk = len(changed) > _MANY
        for job_id in deleted:
            if job_id in self.jobs:
                self._remove(self.jobs.pop(job_id))
                moved = True
        for job in changed:
            old = self.jobs.get(job.id)
            self.jobs[job.id] = job
            if old is not None and place(old) == place(job):
                self.counts[old.state] -= 1
                self.counts[job.state] += 1
                continue
            moved = True
            if in_bulk:
                continue
            if old is not None:
                self._remove(old)
            self.counts[job.state] += 1
            insort(self._order, place(job))
        if in_bulk:
            self._order = sorted(map(place, self.jobs.values()))
            self.counts = Counter(job.state for job in self.jobs.values())
        return moved

    def _remove(self, job: Brief) -> None:
        self.counts[job.state] -= 1
        del self._order[bisect_left(self._order, place(job))]

    @property
    def running(self) -> list[Brief]:
        """The jobs that are worked on."""
        return [self.at(row) for row in range(sum(self.counts[state] for state in states.RUNNING))]

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return sum(self.counts[state] for state in states.WAITING)
