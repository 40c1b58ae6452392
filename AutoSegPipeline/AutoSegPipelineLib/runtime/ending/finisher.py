"""The end of a case: published, its input archived, the next one begun; each step in a slice of its own."""

from __future__ import annotations

from dataclasses import replace

from ...core import review, states
from ...core.crash_points import reached
from ...core.errors import PipelineError
from ...core.files import remove_tree
from ...core.job import Job
from ..conditions import Conditions
from ..context import Context
from ..loop import Dispatcher
from ..queue.limits import VANISHED_LIMIT
from ..queue.result_cache import ResultCache
from .end_queue import EndQueue
from .input_disposal import InputDisposal
from .publisher import Publisher, WaitForResults


class Finisher:
    """Takes cases from the queue ``ends``, one in each slice of the loop."""

    def __init__(
        self,
        context: Context,
        conditions: Conditions,
        publisher: Publisher,
        result_cache: ResultCache,
        disposal: InputDisposal,
        dispatcher: Dispatcher,
        ends: EndQueue,
    ) -> None:
        self._context = context
        self._conditions = conditions
        self._publisher = publisher
        self._result_cache = result_cache
        self._disposal = disposal
        self._dispatcher = dispatcher
        self._ends = ends
        self._publishing: list[str] = []  # wait for the results folder

    @property
    def has_work(self) -> bool:
        """Whether :meth:`step` would do something."""
        return bool(self._ends)

    def step(self) -> None:
        """One slice."""
        job = self._ends.next()
        if job.state == states.PUBLISHING:
            self.finish(job)
        else:
            self.ended(job)

    def all_steps(self) -> None:
        """Everything that is due, before a stop."""
        while self._ends:
            self.step()

    def abandon(self) -> None:
        """Forget what is due; the disk says where to go on from."""
        self._publishing.clear()
        self._ends.clear()

    def cancel(self, job: Job) -> None:
        """The end of a job that no worker has."""
        job.error = PipelineError("job.cancelled", "It was cancelled.").to_dict()
        self._context.enter(job, states.CANCELLED, "It was cancelled.")
        self.ended(job)

    def ended(self, job: Job) -> None:
        """Archive its input, begin the next case."""
        remove_tree(self._publisher.staging(job))
        self._disposal.dispose(job)
        self._dispatcher.dispatch()

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
        # Rows that an earlier version left in `publishing` hold the new outputs as theirs already.
        coming = job.staged.get("coming", job.outputs)
        earlier = job.outputs if "coming" in job.staged else job.staged.get("earlier", [])
        try:
            self._publisher.publish(job, coming, earlier)
        except WaitForResults as waits:
            job.message = f"Waits for the results folder: {waits.reason}"
            self._context.store.jobs.save(job)
            self._context.publish_change(job)
            self._publishing.append(job.id)
            self._conditions.check()
            return
        except PipelineError as error:
            self._publish_failed(job, error)
            return
        self._result_cache.keep(job)
        job.outputs = coming
        job.staged.pop("coming", None)
        job.staged.pop("earlier", None)
        job.error = None
        job.review = review.after_retry(job.review, job.outputs)
        self._conditions.durably(lambda: self._context.enter(job, states.DONE))
        reached("row done")
        self._ends.add(job)

    def _publish_failed(self, job: Job, error: PipelineError) -> None:
        job.vanished += 1
        coming = job.staged.pop("coming", [])
        if not self._publisher.is_complete(job):
            # Half of it was replaced before; what was renamed already may have names that the old had not.
            self._publisher.remove(job)
            self._publisher.remove(replace(job, outputs=coming))
            job.outputs = []
        if job.vanished >= VANISHED_LIMIT:
            job.error = error.to_dict()
            self._context.enter(job, states.FAILED, error.message)
            self.ended(job)
        else:
            self._context.enter(job, states.QUEUED, error.message)
