"""What a case comes to that is no longer out: published, failed, or in the queue again."""

from __future__ import annotations

from ...core.cluster_settings import SLURM, memory_steps
from ...core.errors import PipelineError, from_dict
from ...core.job import Job
from ...core.messages.cluster_messages import CaseBack, CaseDone, CaseFailed
from ...core.messages.reader import ProtocolError
from ..context import Context
from ..ending.publisher import Publisher
from ..job_logs import JobLogs
from ..queue.case_ends import CaseEnds
from .choice import MEMORY_STEP
from .cluster_forecast import ClusterForecast

# Not the case's fault for sure, though it may be: it goes to the back of the queue a few times.
_WORKER_LOST = ("worker.vanished", "worker.hung")
_BACK_WAIT = 2.0  # seconds before a case that came back may leave again


class Returns:
    """Writes the row of a job that is out no more."""

    def __init__(
        self, context: Context, publisher: Publisher, case_ends: CaseEnds, forecast: ClusterForecast,
        logs: JobLogs,
    ) -> None:  # fmt: skip
        self._context = context
        self._publisher = publisher
        self._case_ends = case_ends
        self._forecast = forecast
        self._logs = logs

    def done(self, job: Job, message: CaseDone) -> None:
        """Its results lie where :meth:`Publisher.fetched` says."""
        job.where = message.where
        try:
            self._publisher.accept(job)
            self._case_ends.done(job, message.result, message.seconds, self._forecast)
        except ProtocolError as error:
            self._case_ends.vanished(job, error, "Its result could not be read; tried again.")
        except OSError as problem:
            text = f"{problem.filename or job.name}: {problem.strerror or problem}"
            lost = PipelineError("environment.results_unreachable", text)
            self._case_ends.vanished(job, lost, "Its result could not be taken over; tried again.")

    def failed(self, job: Job, message: CaseFailed) -> None:
        """It ended by itself, without a result."""
        error = from_dict(message.error)
        job.where = message.where
        self._logs.write(job.id, "error", f"{message.where}: {error}")
        if job.cancel or error.code == "job.cancelled":
            self._case_ends.cancelled(job)
        elif (message.memory or error.code == "engine.no_memory") and self._more_memory(job):
            self.queue(job, "Tried again with more memory.")
        elif error.is_environment or error.code in _WORKER_LOST:
            self._case_ends.vanished(job, error, f"{message.where}: {error.message}")
        else:
            self._case_ends.failed(job, error, message.used)

    def back(self, job: Job, message: CaseBack) -> None:
        """Its job ended before it did."""
        self._logs.write(job.id, "warning", f"back from the cluster: {message.reason}")
        if job.cancel:
            self._case_ends.cancelled(job)
        elif message.memory and self._more_memory(job):
            self.queue(job, "Tried again with more memory.")
        elif message.memory:
            error = PipelineError("engine.no_memory", message.reason)
            self._case_ends.failed(job, error, {})
        elif message.counted:
            job.where = ""
            error = PipelineError(
                "worker.vanished", f"{message.reason}, {job.vanished + 1} times over this case"
            )
            self._case_ends.vanished(job, error, f"Tried again: {message.reason}.")
        else:
            self.queue(job, f"Back in the queue: {message.reason}.")

    def _more_memory(self, job: Job) -> bool:
        """Whether the next size of a job has more memory; the case gets it. Dask's workers have one size."""
        if self._context.settings["cluster"] != SLURM:
            return False
        step = int(job.staged.get(MEMORY_STEP, 0)) + 1
        if step >= memory_steps(self._context.settings.values, job.options):
            return False
        job.staged[MEMORY_STEP] = step
        return True

    def queue(self, job: Job, message: str) -> None:
        """Back into the queue, which does not count."""
        job.where = ""
        self._case_ends.back(job, message, wait=_BACK_WAIT)
