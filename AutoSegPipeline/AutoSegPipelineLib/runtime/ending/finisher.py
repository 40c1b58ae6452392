"""The end of a case: published, its input put away, the next one begun; each step in a slice of its own."""

from __future__ import annotations

from collections import deque
from typing import Callable

from ...core import states
from ...core.crash_points import reached
from ...core.errors import PipelineError
from ...core.files import remove_tree
from ...core.job import Job
from ..context import Conditions, Context
from ..queue.case_message import CaseMessages
from ..queue.scheduler import VANISHED_LIMIT
from .input_disposal import InputDisposal
from .publisher import Publisher, WaitForResults


class Finisher:
    """``dispatch()`` begins the next case; ``wake()`` is called when :meth:`step` has something to do."""

    def __init__(
        self,
        context: Context,
        conditions: Conditions,
        publisher: Publisher,
        cases: CaseMessages,
        disposal: InputDisposal,
        dispatch: Callable[[], None],
        wake: Callable[[], None],
    ) -> None:
        self._context = context
        self._conditions = conditions
        self._publisher = publisher
        self._cases = cases
        self._disposal = disposal
        self._dispatch = dispatch
        self._wake = wake
        self._publishing: list[str] = []  # wait for the results folder
        self._steps: deque[Callable[[], None]] = deque()  # each waits for the disk several times

    @property
    def has_work(self) -> bool:
        """Whether :meth:`step` would do something."""
        return bool(self._steps)

    def step(self) -> None:
        """One slice."""
        self._steps.popleft()()

    def all_steps(self) -> None:
        """Everything that is due, before a stop."""
        while self._steps:
            self.step()

    def drop(self) -> None:
        """Forget what is due; the disk says where to go on from."""
        self._publishing.clear()
        self._steps.clear()

    def finish_soon(self, job: Job) -> None:
        """:meth:`finish` in a slice of its own."""
        self._soon(lambda: self.finish(job))

    def ended_soon(self, job: Job) -> None:
        """:meth:`ended` in a slice of its own."""
        self._soon(lambda: self.ended(job))

    def _soon(self, step: Callable[[], None]) -> None:
        self._steps.append(step)
        self._wake()

    def cancel(self, job: Job) -> None:
        """The end of a job that no worker has."""
        job.error = PipelineError("job.cancelled", "It was cancelled.").to_dict()
        self._context.enter(job, states.CANCELLED, "It was cancelled.")
        self.ended(job)

    def ended(self, job: Job) -> None:
        """Put its input away, begin the next case."""
        remove_tree(self._publisher.staging(job))
        self._disposal.dispose(job)
        self._dispatch()

    def again(self) -> None:
        """Publish what waited for the results folder."""
        for job_id in list(self._publishing):
            job = self._context.store.jobs.find(job_id)
            self._publishing.remove(job_id)
            if job is not None and job.state == states.PUBLISHING:
                self.finish(job)

    def finish(self, job: Job) -> None:
        """Publish; a folder that is away makes it wait, missing outputs make it run again."""
        reached("row publishing")
        try:
            self._publisher.publish(job, job.staged.get("earlier", []))
        except WaitForResults as waits:
            job.message = f"Waits for the results folder: {waits.reason}"
            self._context.store.jobs.save(job)
            self._context.tell(job)
            self._publishing.append(job.id)
            self._conditions.check()
            return
        except PipelineError as error:
            self._publish_failed(job, error)
            return
        self._cases.keep(job)
        job.staged.pop("earlier", None)
        job.error = None
        self._conditions.durably(lambda: self._context.enter(job, states.DONE))
        reached("row done")
        self.ended_soon(job)

    def _publish_failed(self, job: Job, error: PipelineError) -> None:
        job.vanished += 1
        job.outputs = []
        if job.vanished >= VANISHED_LIMIT:
            job.error = error.to_dict()
            self._context.enter(job, states.FAILED, error.message)
            self.ended(job)
        else:
            self._context.enter(job, states.QUEUED, error.message)
