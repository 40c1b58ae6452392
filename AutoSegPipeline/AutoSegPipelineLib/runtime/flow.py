"""The way of a case through the parts of one pipeline."""

from __future__ import annotations

import logging
from typing import Any, Callable, Iterator

from ..core import states
from ..core.errors import PipelineError
from ..core.job import Job
from .checkpoint import Checkpoint
from .context import Conditions, Context
from .ending.finisher import Finisher
from .ending.input_disposal import InputDisposal
from .ending.publisher import Publisher
from .ending.retention import Retention
from .inbox.batches import InboxBatches
from .inbox.intents import InboxIntents
from .inbox.watcher import InboxWatcher
from .job_logs import JobLogs
from .processes.intake_client import IntakeClient, Spawn
from .queue.case_message import CaseMessages
from .queue.scheduler import Scheduler
from .recovery import Recovery
from .staging.inspection import Inspection
from .staging.options_gate import OptionsGate
from .staging.stager import Stager

log = logging.getLogger(__name__)


class Flow:
    """Builds every part and hands each job from one to the next.

    ``wake()`` is called when :meth:`work` has something to do. A flow is
    dropped and built anew where the disk was too full for states.
    """

    def __init__(
        self, context: Context, spawn_worker: Spawn, spawn_intake: Spawn, wake: Callable[[], None]
    ) -> None:
        self.context = context
        self.store = context.store
        self.conditions = Conditions(context)
        spill = context.home.work / "intake"
        self.intake = IntakeClient(spawn_intake, spill, _intake_broken)
        self.examiner = IntakeClient(spawn_intake, spill, _intake_broken)
        self.checkpoint = Checkpoint(context.home.store, self.examiner)
        self.publisher = Publisher(context)
        self.disposal = InputDisposal(context, self.intake)
        self.cases = CaseMessages(context)
        self.logs = JobLogs(context)
        self.scheduler = Scheduler(
            context, self.conditions, self.publisher, self.cases, spawn_worker,
            self.logs.write, lambda job: self.finishing.finish_soon(job),
            lambda job: self.finishing.ended_soon(job),
        )  # fmt: skip
        self.finishing = Finisher(
            context, self.conditions, self.publisher, self.cases, self.disposal,
            self.scheduler.dispatch, wake,
        )  # fmt: skip
        self.gate = OptionsGate(self.scheduler.description, self.scheduler.describe_again)
        self.inspection = Inspection(
            context, self.conditions, self.intake, self.publisher, self.disposal,
            self.gate, self.scheduler.dispatch, wake,
        )  # fmt: skip
        self.doors = Stager(
            context, self.conditions, self.intake, self._accepted, self._taken, self._put_back
        )
        self.inbox = InboxBatches(context, self.conditions, self.doors, self.examiner, wake)
        self.arriving = InboxIntents(context, self.disposal, self.inbox.take, self.inspection.series_key)
        self.retention = Retention(context, self.publisher, self.disposal, self.cases)
        self.watcher: InboxWatcher | None = None
        self._unsubscribe = context.bus.subscribe(self.logs.on_event)

    # --- begin and end ------------------------------------------------------------------------

    def recovery(self, counted: bool) -> Iterator[None]:
        """Bring everything on the disk to a known place, in small steps; then watch and work."""
        recovery = Recovery(self.context, self.doors, self.inspection, self.disposal, self.finishing.finish)
        yield from recovery.steps(counted)
        self.watch(self.context.settings["watch"])
        self.scheduler.gpu_watch.give_up()  # of an earlier start; this one looks for itself
        self.scheduler.warm_up()

    def watch(self, on: bool) -> None:
        """Begin or end watching the inbox."""
        if on and self.watcher is None:
            self.watcher = self._make_watcher()
            self.watcher.start()
        elif not on and self.watcher is not None:
            self.watcher.stop()
            self.watcher = None

    def _make_watcher(self) -> InboxWatcher:
        def examine(paths: list[str], answer: Callable[[list[dict[str, Any]]], None]) -> None:
            def answered(result: dict[str, Any] | None, error: PipelineError | None) -> None:
                answer([] if result is None else list(result["files"]))

            self.examiner.ask("examine", {"paths": paths}, answered)

        return InboxWatcher(
            self.context.home.inbox,
            examine,
            self.context.settings,
            self.context.clock,
            self.store.ledger.find,
            self.arriving.arrived,
            self.arriving.refused,
        )

    def stop(self) -> None:
        """Running cases go back to the queue; every child is told to end."""
        self.disposal.sync()
        self.finishing.all_steps()
        self._stop_watching()
        self.scheduler.stop()
        self.intake.stop()
        self.examiner.stop()

    def drop(self) -> None:
        """End everything and write nothing, as if this process had died."""
        self._unsubscribe()
        self._stop_watching()
        self.scheduler.drop()
        self.intake.stop(at_once=True)
        self.examiner.stop(at_once=True)
        self.finishing.drop()
        self.logs.close()

    def kill(self) -> None:
        """End the children at once."""
        self.scheduler.kill()
        self.intake.stop(at_once=True)
        self.examiner.stop(at_once=True)

    @property
    def ended(self) -> bool:
        """Whether no child is left."""
        return self.scheduler.ended and self.intake.ended and self.examiner.ended

    def close(self) -> None:
        """After the last child."""
        self._unsubscribe()
        self.logs.close()

    def _stop_watching(self) -> None:
        if self.watcher is not None:
            self.watcher.stop()

    def look_around(self) -> None:
        """Every two seconds: is the world well, can what waits for it go on?"""
        before = self.conditions.paused
        self.conditions.check()
        self.scheduler.gpu_watch.look()
        self.finishing.again()
        self.arriving.again()
        self.inspection.pump()
        self.checkpoint.look()
        self.disposal.sync()
        if before is not None and self.conditions.paused is None:
            self.go_on()

    @property
    def has_work(self) -> bool:
        """Whether :meth:`work` would do something. On a full disk nothing is taken."""
        inbox = self.inbox.has_work and self.conditions.may_take
        return self.finishing.has_work or self._may_answer or inbox

    @property
    def _may_answer(self) -> bool:
        answers = self.inspection.answers.has_work or self.inspection.splitting.has_work
        return answers and self.gate.is_open

    def work(self, until: float) -> None:
        """A slice of what comes in great numbers, until the monotonic time ``until``."""
        if self.finishing.has_work:
            self.finishing.step()
        elif self._may_answer and self.inspection.answers.has_work:
            self.inspection.answers.settle_some(until)
        elif self._may_answer:
            self.inspection.splitting.settle_some(until)
        elif self.inbox.has_work and self.conditions.may_take:
            self.inbox.take_some(until)

    def go_on(self) -> None:
        """After a pause: what waited for the disk, then the queue."""
        self.doors.resume()
        for job in self.store.jobs.list([states.INSPECTING]):
            if not self.inspection.has(job.id):
                self.inspection.inspect(job)
        self.scheduler.dispatch()

    # --- what the parts tell each other -----------------------------------------------------

    def _taken(self, paths: list[str]) -> None:
        """What lies under these names from now on is another file, or stands in the ledger."""
        if self.watcher is not None:
            self.watcher.taken(paths)

    def _put_back(self, paths: list[str]) -> None:
        if self.watcher is not None:
            self.watcher.put_back(paths)

    def _accepted(self, job: Job) -> None:
        if job.cancel:
            self.finishing.cancel(job)
        else:
            self.inspection.inspect(job)


def _intake_broken(error: PipelineError) -> None:
    log.error("%s", error)
