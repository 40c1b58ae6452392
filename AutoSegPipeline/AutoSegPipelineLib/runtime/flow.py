"""The way of a case through the parts of one pipeline."""

from __future__ import annotations

import logging
from typing import Iterator

from ..core import states
from ..core.engines import MODELS_DIR
from ..core.errors import PipelineError
from ..intake.received.handover import Handover
from .checkpoint import Checkpoint
from .cluster.choice import Choice
from .cluster.cluster import Cluster
from .cluster.cluster_forecast import ClusterForecast
from .conditions import Conditions
from .context import Context
from .ending.end_queue import EndQueue
from .ending.finisher import Finisher
from .ending.input_disposal import InputDisposal
from .ending.publisher import Publisher
from .ending.retention import Retention
from .example import ExampleScan
from .inbox.batches import InboxBatches
from .inbox.intents import InboxIntents
from .inbox.watched_inbox import WatchedInbox
from .job_logs import JobLogs
from .loop import Loop
from .own_models import OwnModels
from .pacs_alarms import PacsAlarms
from .processes.child import Spawns
from .processes.child_kinds import CLUSTER, EXAMPLE, INTAKE, MODELS, WORKER
from .processes.intake_client import IntakeClient
from .queue.case_ends import CaseEnds
from .queue.case_message import CaseMessages
from .queue.engine_catalogue import EngineCatalogue
from .queue.forecast import Forecast
from .queue.result_cache import ResultCache
from .queue.scheduler import Scheduler
from .recovery import Recovery
from .staging.case_outcome import CaseOutcome
from .staging.case_rows import CaseRows
from .staging.inspection import Inspection
from .staging.multi_case import MultiCase
from .staging.options_gate import OptionsGate
from .staging.received_inputs import ReceivedInputs
from .staging.series_keys import SeriesKeys
from .staging.stager import Stager

log = logging.getLogger(__name__)


class Flow:
    """Builds every part, each after those that it calls, and gives each its slices of the loop.

    A flow is abandoned and built again where the disk was too full for states.
    """

    def __init__(self, context: Context, spawns: Spawns, loop: Loop, doors: list[Handover]) -> None:
        self.context = context
        self.store = context.store
        spill = context.home.work / "intake"
        self.conditions = Conditions(context)
        self.intake = IntakeClient(spawns[INTAKE], spill, _intake_broken)
        self.examiner = IntakeClient(spawns[INTAKE], spill, _intake_broken)
        self.checkpoint = Checkpoint(context.home.store, self.examiner)
        self.logs = JobLogs(context)
        place = str(context.settings[MODELS_DIR.name])
        self.pacs_alarms = PacsAlarms(context)
        self.own_models = OwnModels(context.home, place, spawns.get(MODELS), self.logs)
        # From the queue to the results.
        self.publisher = Publisher(context)
        self.disposal = InputDisposal(context, self.intake)
        self.result_cache = ResultCache(context)
        self.case_messages = CaseMessages(context, self.result_cache)
        self.ends = EndQueue(loop)
        self.catalogue = EngineCatalogue(context)
        self.forecast = Forecast(context, self.catalogue)
        self.case_ends = CaseEnds(context, self.conditions, self.result_cache, self.catalogue, self.ends)
        self.scheduler = Scheduler(
            context, self.conditions, self.publisher, self.case_messages, self.result_cache,
            spawns[WORKER], self.logs, self.catalogue, self.forecast, self.case_ends,
        )  # fmt: skip
        on_cluster = ClusterForecast(context, self.forecast)
        self.cluster = Cluster(
            context, self.conditions, self.publisher, self.case_messages,
            Choice(context, self.result_cache, on_cluster), on_cluster, self.case_ends, self.logs,
            spawns.get(CLUSTER), loop,
        )  # fmt: skip
        self.finisher = Finisher(
            context, self.conditions, self.publisher, self.result_cache, self.disposal,
            self.scheduler, self.ends,
        )  # fmt: skip
        self.retention = Retention(context, self.publisher, self.disposal, self.result_cache)
        # From the staged bytes to the queue.
        self.options_gate = OptionsGate(self.scheduler.catalogue, self.scheduler)
        self.series_keys = SeriesKeys(context)
        self.case_outcome = CaseOutcome(
            context, self.publisher, self.disposal, self.options_gate, self.series_keys, self.scheduler
        )
        self.case_rows = CaseRows(context, self.case_outcome)
        self.multi_case = MultiCase(context, self.conditions, self.intake, self.case_outcome, loop)
        self.inspection = Inspection(
            context, self.conditions, self.intake, self.options_gate, self.series_keys, self.case_outcome,
            self.case_rows, self.multi_case, loop,
        )  # fmt: skip
        # From the inbox and the other doors to the staged bytes.
        self.watched_inbox = WatchedInbox(context, self.examiner)
        self.stager = Stager(
            context, self.conditions, self.intake, self.inspection, self.finisher, self.watched_inbox
        )
        self.example = ExampleScan(context, spawns.get(EXAMPLE), self.logs, self.stager, self.catalogue)
        self.received = ReceivedInputs(self.conditions, self.intake, self.stager, doors)
        self.inbox_batches = InboxBatches(
            context, self.conditions, self.stager, self.watched_inbox, self.examiner, loop
        )
        self.inbox_intents = InboxIntents(context, self.disposal, self.inbox_batches, self.series_keys)
        self._unsubscribe = context.bus.subscribe(self.logs.on_event)

    # --- begin and end ------------------------------------------------------------------------

    def recovery(self, counted: bool) -> Iterator[None]:
        """Bring everything on the disk to a known place, in small steps; then watch and work."""
        recovery = Recovery(
            self.context, self.stager, self.inspection, self.disposal, self.finisher, self.cluster
        )
        yield from recovery.steps(counted)
        self.watch(self.context.settings["watch"])
        self.scheduler.gpu_watch.give_up()  # of an earlier start; this one looks for itself
        self.scheduler.warm_up()

    def watch(self, on: bool) -> None:
        """Begin or end watching the inbox."""
        if on:
            self.watched_inbox.start(self.inbox_intents)
        else:
            self.watched_inbox.stop()

    def stop(self) -> None:
        """Running cases go back to the queue; every child is asked to end."""
        self.disposal.sync()
        self.finisher.all_steps()
        self.watched_inbox.stop()
        self.scheduler.stop()
        self.cluster.stop()
        self.intake.stop()
        self.examiner.stop()
        self.own_models.stop()
        self.example.stop()
        self.received.end(PipelineError("request.wrong_state", "the pipeline was stopped"))

    def abandon(self) -> None:
        """End everything and write nothing, as if this process had died."""
        self._unsubscribe()
        self.watched_inbox.stop()
        self.scheduler.abandon()
        self.cluster.abandon()
        self.intake.stop(at_once=True)
        self.examiner.stop(at_once=True)
        self.own_models.stop(at_once=True)
        self.example.stop(at_once=True)
        self.received.end(PipelineError("environment.disk_full", "the disk is too full even for states"))
        self.finisher.abandon()
        self.pacs_alarms.close()
        self.logs.close()

    def kill(self) -> None:
        """End the children at once."""
        self.scheduler.kill()
        self.cluster.kill()
        self.intake.stop(at_once=True)
        self.examiner.stop(at_once=True)
        self.own_models.stop(at_once=True)
        self.example.stop(at_once=True)

    @property
    def ended(self) -> bool:
        """Whether no child is left."""
        parts = (
            self.scheduler, self.cluster, self.intake, self.examiner, self.own_models, self.example,
        )  # fmt: skip
        return all(part.ended for part in parts)

    def close(self) -> None:
        """After the last child."""
        self._unsubscribe()
        self.pacs_alarms.close()
        self.logs.close()

    # --- slices of the loop -------------------------------------------------------------------

    def look_around(self) -> None:
        """Every two seconds: is the world well, can what waits for it go on?"""
        before = self.conditions.paused
        self.conditions.check()
        self.scheduler.gpu_watch.look()
        self.scheduler.catalogue.look()
        if self.scheduler.catalogue.stale:
            self.scheduler.describe_again()
        self.finisher.again()
        self.inbox_intents.again()
        self.inspection.pump()
        self.own_models.look()
        self.example.look()
        self.pacs_alarms.look()
        self.cluster.look()
        self.checkpoint.look()
        self.disposal.sync()
        if before is not None and self.conditions.paused is None:
            self.go_on()

    @property
    def has_work(self) -> bool:
        """Whether :meth:`work` would do something. On a full disk nothing is taken."""
        return self.finisher.has_work or self.cluster.has_work or self._may_write_cases or self._may_take

    @property
    def _may_write_cases(self) -> bool:
        return (self.case_rows.has_work or self.multi_case.has_work) and self.options_gate.is_open

    @property
    def _may_take(self) -> bool:
        return self.inbox_batches.has_work and self.conditions.may_take

    def work(self, until: float) -> None:
        """A slice of what comes in great numbers, until the monotonic time ``until``."""
        if self.finisher.has_work:
            self.finisher.step()
        elif self.cluster.has_work:
            self.cluster.step()
        elif self._may_write_cases and self.case_rows.has_work:
            self.case_rows.settle_some(until)
        elif self._may_write_cases:
            self.multi_case.settle_some(until)
        elif self._may_take:
            self.inbox_batches.take_some(until)

    def go_on(self) -> None:
        """After a pause: what waited for the disk, then the queue."""
        self.stager.resume()
        self.received.resume()
        for job in self.store.jobs.list([states.INSPECTING]):
            if not self.inspection.has(job.id):
                self.inspection.inspect(job)
        self.scheduler.dispatch()


def _intake_broken(error: PipelineError) -> None:
    log.error("%s", error)
