"""Gives queued cases to warm workers and writes what becomes of them.

Every message of a worker carries the attempt it belongs to; what an earlier
attempt says is ignored.
"""

from __future__ import annotations

import logging

from ...core import eta, states
from ...core.errors import PipelineError, from_dict
from ...core.job import Job
from ...core.messages.child_messages import Describe, Done, Failed, Heartbeat, Log, Progress, Stage
from ...core.messages.reader import ProtocolError, plain
from ...core.messages.worker_messages import RunCase
from ...core.protocol import Envelope
from ..conditions import GPU_GONE, Conditions
from ..context import Context, disk_is_full
from ..ending.publisher import Publisher
from ..job_logs import JobLogs
from ..processes.child import Exit, Spawn
from .case_ends import CaseEnds
from .case_message import CaseMessages
from .engine_catalogue import EngineCatalogue
from .forecast import Forecast
from .gpu_watch import GpuWatch
from .result_cache import ResultCache
from .worker_slot import WorkerSlot

log = logging.getLogger(__name__)

_SAVE_EVERY = 1.0  # seconds between two writes of the progress: enough for whoever reads the store


class Scheduler:
    """Owns the workers. What they are done with goes to ``case_ends``."""

    def __init__(
        self, context: Context, conditions: Conditions, publisher: Publisher, case_messages: CaseMessages,
        result_cache: ResultCache, spawn: Spawn, logs: JobLogs, catalogue: EngineCatalogue,
        forecast: Forecast, case_ends: CaseEnds,
    ) -> None:  # fmt: skip
        self._context = context
        self._conditions = conditions
        self._publisher = publisher
        self._case_messages = case_messages
        self._result_cache = result_cache
        self._spawn = spawn
        self._logs = logs
        self._case_ends = case_ends
        self.worker_slots: list[WorkerSlot] = []
        self.catalogue = catalogue
        self.gpu_watch = GpuWatch(context, conditions, catalogue, self._ask_fresh)
        self._forecast = forecast
        self._stopped = False

    # --- giving ---------------------------------------------------------------------------

    def dispatch(self) -> None:
        """Start as many queued cases as there are free workers."""
        while not self._stopped and self._conditions.paused is None:
            busy = sum(1 for slot in self.worker_slots if slot.job is not None)
            if busy >= self._context.settings["workers"]:
                return
            job = self._context.store.jobs.next_queued(self._context.clock.now())
            if job is None:
                return
            if job.cancel:
                self._case_ends.cancelled(job)
                continue
            try:
                self._begin(job, self._free_slot())
            except OSError as error:
                self._no_room(job, error)
                return

    def _no_room(self, job: Job, error: OSError) -> None:
        """The attempt has not begun: the case stays queued and the pipeline waits."""
        for slot in self.worker_slots:
            if slot.job is job:
                slot.job = None
        if disk_is_full(error):
            self._conditions.disk_was_full()
        else:
            self._conditions.pause("environment.results_unreachable", f"{error.filename}: {error.strerror}")

    def warm_up(self) -> None:
        """Start a worker so that it knows its engines before the first case comes."""
        if not self._stopped:
            self._free_slot()

    def describe_again(self) -> None:
        """Ask a worker that rests, when the last answer is old: somebody may have mended something."""
        if self._stopped or self.catalogue.must_wait:
            return
        if self.catalogue.stale and not self.worker_slots:
            self._free_slot()
        resting = [slot for slot in self.worker_slots if slot.job is None and not slot.leaving]
        if resting and not (self.catalogue.pending or self.catalogue.fresh):
            self._ask(resting[0])

    def _ask(self, slot: WorkerSlot) -> None:
        slot.describing = True
        self.catalogue.asked()
        slot.child.send(Envelope(Describe(), "describe"))

    def _ask_fresh(self) -> None:
        """Ask a worker that is new; those that rest end."""
        if self._stopped:
            return
        for resting in self.worker_slots:
            if resting.job is None and not resting.leaving:
                self._replace(resting)
        slot = self._free_slot()
        if not slot.describing:
            self._ask(slot)

    def _free_slot(self) -> WorkerSlot:
        for slot in self.worker_slots:
            if slot.job is None and not slot.leaving:
                return slot
        slot = WorkerSlot(child=None)  # type: ignore[arg-type]
        slot.child = self._spawn(
            lambda message: self._on_message(slot, message),
            lambda text: self._on_log(slot, text),
            lambda end: self._on_end(slot, end),
            on_hung=lambda seconds: self._on_hung(slot),
        )
        self.worker_slots.append(slot)
        slot.child.start()
        if self.catalogue.wanted:
            self._ask(slot)
        return slot

    def _begin(self, job: Job, slot: WorkerSlot) -> None:
        job.attempt += 1
        job.progress, job.eta_s, job.message, job.where = 0.0, None, "", ""
        self._result_cache.work(job).mkdir(mode=0o700, parents=True, exist_ok=True)
        out = self._publisher.prepare(job)
        order = self._case_messages.order(job, out, self.catalogue.had_gpus)
        slot.predicted = self._forecast.predict(job)
        slot.job, slot.started, slot.hung = job, self._context.clock.monotonic(), False
        job.eta_s = slot.predicted
        self._conditions.durably(lambda: self._context.enter(job, states.PREPARING))
        slot.child.send(Envelope(RunCase(plain(order)), job.id, job.attempt, order.work))

    # --- hearing --------------------------------------------------------------------------

    def _on_log(self, slot: WorkerSlot, text: str) -> None:
        self._logs.write(slot.job.id if slot.job else "", "worker", text)

    def _on_message(self, slot: WorkerSlot, envelope: Envelope) -> None:
        message = envelope.message
        if isinstance(message, (Done, Failed, Heartbeat)):
            slot.measured(message)
        if envelope.job == "describe":
            self.catalogue.take(message)
            slot.describing = slot.describing and self.catalogue.pending
            return
        job = slot.job
        if job is None or envelope.key != (job.id, job.attempt):
            if isinstance(message, Log):
                self._on_log(slot, message.text)
        elif isinstance(message, Stage):
            self._case_ends.stage(job, message.state, message.message)
        elif isinstance(message, Progress):
            self._on_progress(slot, job, message)
        elif isinstance(message, Log):
            self._logs.write(job.id, message.level, message.text)
        elif isinstance(message, Done):
            self._on_done(slot, job, message)
        elif isinstance(message, Failed):
            self._on_failed(slot, job, message)

    def _on_progress(self, slot: WorkerSlot, job: Job, message: Progress) -> None:
        job.progress = min(max(message.fraction, job.progress), 1.0)
        job.message = message.message or job.message
        now = self._context.clock.monotonic()
        job.eta_s = eta.remaining(slot.predicted, now - slot.started, job.progress)
        if now - slot.saved >= _SAVE_EVERY:
            slot.saved = now
            self._conditions.durably(lambda: self._context.store.jobs.save(job, durable=False))
        self._context.publish_change(job)

    def _on_done(self, slot: WorkerSlot, job: Job, message: Done) -> None:
        try:
            seconds = self._context.clock.monotonic() - slot.started
            self._case_ends.done(job, message.result, seconds, self._forecast)
        except ProtocolError as error:
            return self._on_failed(slot, job, Failed(error.to_dict()))
        self._free(slot)

    def _on_failed(self, slot: WorkerSlot, job: Job, message: Failed) -> None:
        error = from_dict(message.error)
        self._logs.write(job.id, "error", str(error))
        self._free(slot)
        if job.cancel or error.code == "job.cancelled":
            self._case_ends.cancelled(job)
        elif error.code == GPU_GONE:
            self._replace(slot)
            end = self.gpu_watch.lost(job, error)
            if end is not None:
                self._case_ends.end(job, states.FAILED, end)
            else:
                self._case_ends.back(job, f"Waits: {error.message}")
        elif error.is_environment:
            self._conditions.pause(error.code, error.message)
            self._case_ends.back(job, f"Waits: {error.message}")
        else:
            self._case_ends.failed(job, error, message.used or {})

    def _on_hung(self, slot: WorkerSlot) -> None:
        if slot.job is None:
            return
        self._logs.write(slot.job.id, "error", "no progress for too long; the worker is ended")
        slot.hung = True
        slot.child.kill()

    def _on_end(self, slot: WorkerSlot, end: Exit) -> None:
        if slot in self.worker_slots:
            self.worker_slots.remove(slot)
        job, slot.job = slot.job, None
        if slot.describing and not (slot.leaving or self._stopped):
            self.catalogue.lost(end.how)
        if job is None or self._stopped:
            return
        if job.cancel:
            return self._case_ends.cancelled(job)
        code = "worker.hung" if slot.hung else "worker.vanished"
        said = f"the worker ended {job.vanished + 1} times over this case ({end.how})"
        if end.failed_to_start or not end.began:
            code, said = "worker.not_started", f"the worker cannot start ({end.how})"
        error = PipelineError(code, said, log_tail=end.stderr_tail)
        self._logs.write(job.id, "error", f"{error}\n{end.stderr_tail}".rstrip())
        self._case_ends.vanished(job, error, "The worker ended; tried again.")

    # --- ends -----------------------------------------------------------------------------

    def _free(self, slot: WorkerSlot) -> None:
        """The case is over; a worker that served long or grew is replaced by a fresh one."""
        grown = slot.case_is_over() > self._context.settings["recycle_growth_mb"]
        if grown or slot.cases >= self._context.settings["recycle_cases"]:
            self._replace(slot)

    def _replace(self, slot: WorkerSlot) -> None:
        slot.leaving = True
        slot.child.quit()

    def cancel(self, job: Job) -> bool:
        """Ask the worker that has ``job`` to stop; False where none has it."""
        for slot in self.worker_slots:
            if slot.job is not None and slot.job.id == job.id:
                slot.job.cancel = 1
                self._context.store.jobs.save(slot.job)
                slot.child.cancel(job.id, slot.job.attempt)
                return True
        return False

    def reprioritise(self, job_id: str, priority: int) -> bool:
        """Note a new priority of a running case, whose row is ours; False where it does not run."""
        for slot in self.worker_slots:
            if slot.job is not None and slot.job.id == job_id:
                slot.job.priority = priority
                self._context.store.jobs.save(slot.job)
                return True
        return False

    def stop(self) -> None:
        """Running cases go back to the queue, uncounted; then the workers end."""
        self._stopped = True
        for slot in self.worker_slots:
            job, slot.job = slot.job, None
            if job is not None:
                self._case_ends.back(job, "The pipeline was stopped; it goes on at the next start.")
            slot.child.quit()

    def abandon(self) -> None:
        """End the workers and write nothing, as if this process had died."""
        self._stopped = True
        for slot in self.worker_slots:
            slot.job = None
        self.kill()

    def kill(self) -> None:
        """End the workers at once."""
        for slot in list(self.worker_slots):
            slot.child.kill()

    @property
    def ended(self) -> bool:
        """Whether no worker is left."""
        return not self.worker_slots
