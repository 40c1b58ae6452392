"""The example scan: a child draws it, since that takes seconds, while its job is in the list already."""

from __future__ import annotations

from ..core import example, incoming, options_check, states
from ..core.engines import WORKS_EVERYWHERE
from ..core.errors import PipelineError
from ..core.job import Job
from ..core.messages.intake_messages import RunTask
from ..core.settings import resolve_options
from .context import Context
from .job_logs import JobLogs
from .processes.child import Spawn
from .processes.task_child import TaskChild
from .queue.engine_catalogue import EngineCatalogue
from .staging.stager import Stager


class ExampleScan:
    """Makes the job of an example, and queues it once it is drawn and the engines are known.

    A pipeline that ends meanwhile leaves a job that its next start refuses: nobody's scan is in it.
    """

    def __init__(
        self,
        context: Context,
        spawn: Spawn | None,
        logs: JobLogs,
        stager: Stager,
        catalogue: EngineCatalogue,
    ) -> None:
        self._context = context
        self._stager = stager
        self._catalogue = catalogue
        self._child = TaskChild(
            "example", "draws the example", spawn, logs, "Try again; a disk that does not answer may be why."
        )
        self._drawn: list[str] = []  # jobs that wait for the engines

    def make(self, by: str) -> Job:
        """The job of ``by``, which goes on by itself; one that has not ended is taken again."""
        store = self._context.store
        earlier = example.running(store, by)
        if earlier is not None:
            return store.jobs.get(earlier)
        intent = example.intent_of(by)
        job = self._stager.expect(intent)
        args: dict[str, object] = {"incoming": str(self._context.home.incoming), "intent": intent.to_dict()}

        def answered(error: PipelineError | None) -> None:
            if error is None:
                self._drawn.append(intent.id)
                self._queue()
            else:
                self._refuse(intent.id, error)

        self._child.ask(RunTask("draw", args), answered)
        return job

    def look(self) -> None:
        """Every two seconds: may those that are drawn go on, does the child take too long?"""
        self._queue()
        self._child.look()

    def _queue(self) -> None:
        if not self._drawn or not self._catalogue.settled:
            return
        drawn, self._drawn = self._drawn, []
        for job_id in drawn:
            job = self._waiting(job_id)
            intent = incoming.read_intent(incoming.folder_of(self._context.home, job_id))
            if job is None:
                continue
            if intent is None:
                self._stager.refuse(job, PipelineError("input.missing", "what was drawn is gone"))
                continue
            if self._fit_engine(intent):
                self._stager.plan_again(intent)
            self._stager.accept(job, intent)

    def _fit_engine(self, intent: incoming.Intent) -> bool:
        """Whether the default engine cannot work here and another one takes its place, which is stated."""
        options = resolve_options(self._context.settings, intent.options)
        try:
            if self._catalogue.known is not None:
                options_check.check(self._catalogue.known, options, "CT")
            return False
        except PipelineError as error:
            intent.options.update(engine=WORKS_EVERYWHERE, task="", structures=[], quality="normal")
            text = f"segmented by {WORKS_EVERYWHERE} instead of the default engine: {error.message}"
            intent.warnings.append({"code": error.code, "message": text})
            return True

    def _refuse(self, job_id: str, error: PipelineError) -> None:
        job = self._waiting(job_id)
        if job is not None:
            self._stager.refuse(job, error)

    def _waiting(self, job_id: str) -> Job | None:
        job = self._context.store.jobs.find(job_id)
        return job if job is not None and job.state == states.RECEIVING else None

    def stop(self, at_once: bool = False) -> None:
        """End the child."""
        self._child.stop(at_once)

    @property
    def ended(self) -> bool:
        """Whether no child is left."""
        return self._child.ended
