"""The functions behind the table of commands: here a command changes the state of a job or of the pipeline.

Doors in this process (Slicer's panel, the Python API) call a function directly; those in another one
write a request row, which :mod:`.request_answerer` hands to :meth:`Commands.perform`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, NoReturn, Protocol, Sequence, Union

from ..core import incoming, review, specs, states
from ..core.commands import (
    AddModel,
    Adopt,
    Cancel,
    CheckModel,
    Command,
    Example,
    Pause,
    Place,
    Priority,
    Purge,
    RemoveModel,
    Resume,
    Retry,
    Review,
    Stop,
    Watch,
)
from ..core.errors import PipelineError
from ..core.events import JobAdded, JobChanged
from ..core.job import Job
from ..intake.options_files import read_options, scan_options_path
from .conditions import REQUEST
from .flow import Flow
from .processes.host_steps import refusal
from .queue import reorder

Outcome = Union[Job, PipelineError, None]


class Switch(Protocol):
    """What a command does to the pipeline itself; see :class:`.pipeline.Pipeline`."""

    def watch(self, on: bool) -> None: ...

    def stop(self) -> None: ...


class Commands:
    """Each function takes the arguments of one class of :mod:`..core.commands`.

    They raise ``request.unknown_job`` and ``request.wrong_state``.
    """

    def __init__(self, flow: Flow, pipeline: Switch) -> None:
        self._flow = flow
        self._context = flow.context
        self._store = flow.store
        self._pipeline = pipeline

    def perform(self, command: Command, answer: Callable[[Outcome], None]) -> None:
        """Do it; ``answer`` is called once, for a retry when the input is back in its place."""
        if isinstance(command, Cancel):
            answer(self.cancel(command.job))
        elif isinstance(command, Retry):
            job_id = self._store.jobs.get(command.job).id
            self.retry(job_id, lambda error: answer(error or self._store.jobs.get(job_id)))
        elif isinstance(command, Priority):
            answer(self.set_priority(command.job, command.priority))
        elif isinstance(command, Place):
            answer(self.place(command.job, command.before))
        elif isinstance(command, Purge):
            self.purge(command.job)
            answer(None)
        elif isinstance(command, Review):
            answer(self.review(command.job, command.mark, command.remark, command.by))
        elif isinstance(command, Adopt):
            answer(self.adopt(command.id))
        elif isinstance(command, Example):
            answer(self._flow.example.make(command.by))
        elif isinstance(command, Pause):
            self.pause()
            answer(None)
        elif isinstance(command, Resume):
            self.resume()
            answer(None)
        elif isinstance(command, Watch):
            self._pipeline.watch(command.on)
            answer(None)
        elif isinstance(command, AddModel):
            self.add_model(command, answer)
        elif isinstance(command, CheckModel):
            self._flow.own_models.ask("check", {"name": command.model}, answer)
        elif isinstance(command, RemoveModel):
            self._flow.own_models.ask("remove", {"name": command.model}, answer)
        elif isinstance(command, Stop):
            answer(None)  # first: afterwards nobody is left to do it
            self._pipeline.stop()
        else:
            _no_function(command)

    # --- scans --------------------------------------------------------------------------------

    def submit(
        self,
        path: str | Path,
        options: dict[str, object] | None = None,
        members: Sequence[str] | None = None,
        **about: Any,
    ) -> Job:
        """Take a copy of the scan or folder at ``path``; the job goes on by itself.

        ``members`` are the files of a folder that count, relative to it; none means all.
        ``about`` may hold ``door``, ``by``, ``name``, ``out``, ``expect`` and
        ``labels`` of :class:`~..core.incoming.Intent`. Raises ``input.missing``,
        ``input.link`` and ``options.*``, and ``engine.*`` where the engines are known and
        none could do this; everything else ends in the job.
        """
        checked = specs.parse_options(options or {}, "options")
        if refused := refusal(self._context.host_steps, checked):
            raise refused
        place = Path(os.path.abspath(path))
        beside = scan_options_path(str(place)) if place.is_file() else None
        if beside:
            about["file_options"] = read_options(beside)
        if about.get("expect", "scan") == "scan":
            self._flow.options_gate.check_at_the_door({**about.get("file_options", {}), **checked})
        if members:
            intent = incoming.plan_members(place, members, options=checked, **about)
        else:
            intent = incoming.plan(place, companions=incoming.data_files(place), options=checked, **about)
        job = self._flow.stager.submit(intent)
        self._context.bus.publish(JobAdded(job.id))
        return job

    def adopt(self, job_id: str) -> Job:
        """Take what another process has staged under ``state/incoming/<job_id>``."""
        return self._flow.stager.adopt(job_id)

    def add_model(self, command: AddModel, answer: Callable[[Outcome], None]) -> None:
        """Have a child check and keep a model that was uploaded; ``answer`` follows."""
        fields = {
            "name": command.model,
            "title": command.title,
            "modality": command.modality,
            "patterns": [line.strip() for line in command.channels.splitlines() if line.strip()],
            "folds": command.folds.split(),
            "checkpoint": command.checkpoint,
            "configuration": command.configuration,
            "trainer": command.trainer,
            "trust": command.trust,
            "replace": command.replace,
            "by": command.added_by,
        }
        self._flow.own_models.add(command.upload, fields, answer)

    # --- one job ------------------------------------------------------------------------------

    def cancel(self, job_id: str) -> Job:
        """Stop a job that has not ended; its input goes to ``failed/``."""
        job = self._store.jobs.get(job_id)
        if job.ended or job.state == states.PUBLISHING:
            raise PipelineError("request.wrong_state", f"job {job.id} is {job.state} already")
        if self._flow.scheduler.cancel(job) or self._flow.cluster.cancel(job):
            return self._store.jobs.get(job.id)
        if job.state == states.RECEIVING or self._flow.multi_case.has(job.id):
            job.cancel = 1  # its bytes are on the way; it ends, with its parts, when they are here
            self._store.jobs.save(job)
            return job
        self._flow.intake.cancel(job.id)
        self._flow.finisher.cancel(job)
        return job

    def retry(self, job_id: str, then: Callable[[PipelineError | None], None] | None = None) -> None:
        """Run an ended job again with its own input; ``then`` hears how that began."""
        job = self._store.jobs.get(job_id)
        if not job.ended:
            raise PipelineError("request.wrong_state", f"job {job.id} is {job.state}; it has not ended")

        def fetched(error: PipelineError | None) -> None:
            if error is None:
                self._begin_again(job.id)
            if then is not None:
                then(error)

        self._flow.disposal.fetch_back(job, fetched)

    def _begin_again(self, job_id: str) -> None:
        job = self._store.jobs.get(job_id)
        job.error, job.progress, job.eta_s, job.cancel = None, 0.0, None, 0
        job.vanished, job.deaths, job.not_before = 0, 0, 0.0
        kept = {"priority": job.staged["priority"]} if "priority" in job.staged else {}
        job.staged = kept  # its old result stays until the new one replaces it
        self._context.enter(job, states.INSPECTING)
        self._flow.inspection.inspect(job)

    def set_priority(self, job_id: str, priority: int) -> Job:
        """0 (whenever) to 100 (next), which :class:`~..core.commands.Priority` checks."""
        job = self._store.jobs.get(job_id)
        if job.ended:
            raise PipelineError("request.wrong_state", f"job {job.id} has ended")
        holders = (self._flow.scheduler, self._flow.cluster)
        if not any(one.reprioritise(job.id, priority) for one in holders):
            job.priority = priority
            job.options["priority"] = priority
            job.staged["priority"] = priority  # also for a retry, which resolves the options again
            self._store.jobs.save(job)
        self._context.bus.publish(JobChanged(job.id, job.state, job.progress, job.message))
        return self._store.jobs.get(job.id)

    def place(self, job_id: str, before: str | None) -> Job:
        """Put a queued job in front of the queued job ``before``, or last (None)."""
        return reorder.place(self._context, job_id, before)

    def purge(self, job_id: str) -> None:
        """Remove every trace of one ended case; see :meth:`.ending.retention.Retention.purge`."""
        job = self._store.jobs.get(job_id)
        if not job.ended:
            raise PipelineError("request.wrong_state", f"job {job.id} is {job.state}; cancel it first")
        self._flow.retention.purge(job)
        self._store.scrub()

    def review(self, job_id: str, mark: str, remark: str = "", by: str = "") -> Job:
        """Keep what ``by`` thinks of an ended job; see :class:`~..core.commands.Review`."""
        review.check(mark, remark)
        job = self._store.jobs.get(job_id)
        if not job.ended:
            raise PipelineError("request.wrong_state", f"job {job.id} is {job.state}; it has not ended")
        job.review = review.review_of(mark, remark, by, self._context.clock.now(), job.outputs)
        self._store.jobs.save(job)
        self._context.bus.publish(JobChanged(job.id, job.state, job.progress, job.message))
        return job

    # --- the queue ----------------------------------------------------------------------------

    def pause(self) -> None:
        """Begin no new case; what runs goes on to its end."""
        self._flow.conditions.pause(REQUEST, "somebody asked for it")

    def resume(self) -> None:
        """Go on after :meth:`pause`, or look at once whether the surroundings are well again."""
        self._flow.scheduler.gpu_watch.give_up()
        self._flow.conditions.resume()
        self._flow.conditions.check()
        if self._flow.conditions.paused is None:
            self._flow.go_on()


def _no_function(command: NoReturn) -> NoReturn:
    """Here the type checker finds a command of the table that :meth:`Commands.perform` leaves out."""
    raise AssertionError(f"no function does {command!r}")
