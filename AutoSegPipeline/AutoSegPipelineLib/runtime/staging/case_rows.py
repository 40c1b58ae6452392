"""Answers of the intake child about inputs with one case: many are written in one transaction."""

from __future__ import annotations

from collections import deque

from ...core import states
from ...core.incoming import Intent
from ...core.job import Job
from ...core.messages.found_cases import CasePart
from ..context import Context, disk_is_full
from .case_outcome import CaseOutcome

_MOST = 32


class CaseRows:
    """``outcome`` writes each into its row."""

    def __init__(self, context: Context, outcome: CaseOutcome) -> None:
        self._context = context
        self._outcome = outcome
        self._waiting: deque[tuple[str, Intent, CasePart]] = deque()
        self._one_by_one = 0

    def add(self, job_id: str, intent: Intent, part: CasePart) -> None:
        """To be written soon."""
        self._waiting.append((job_id, intent, part))

    def has(self, job_id: str) -> bool:
        """Whether the answer about this job waits."""
        return any(job_id == waiting[0] for waiting in self._waiting)

    @property
    def has_work(self) -> bool:
        """Whether :meth:`settle_some` would do something."""
        return bool(self._waiting)

    def settle_some(self, until: float) -> None:
        """Write what the child answered, at least one, until the monotonic time ``until``.

        Rows of cases are not synced: what lies in ``state/incoming`` would be inspected
        again. A refused input is put away, so its row is.
        """
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._most()))]
        durable = any(part.refusal is not None for _, _, part in batch)
        jobs: list[Job] = []
        done = 0
        try:
            with self._context.store.transaction(durable):
                for job_id, intent, part in batch:
                    if done and self._context.clock.monotonic() >= until:
                        break
                    done += 1
                    job = self._context.store.jobs.find(job_id)
                    if job is not None and job.state == states.INSPECTING:
                        self._outcome.write(job, intent, part)
                        jobs.append(job)
        except Exception as error:  # the job boundary: one of them must not hold the others
            if disk_is_full(error) or len(batch) == 1:
                raise
            self._waiting.extendleft(reversed(batch))
            self._one_by_one = len(batch)
            return
        self._waiting.extendleft(reversed(batch[done:]))
        self._outcome.written(jobs)

    def _most(self) -> int:
        if self._one_by_one:
            self._one_by_one -= 1
            return 1
        return _MOST
