"""The pipeline of one home: puts the parts together and drives them from the Qt loop."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator

from ..core import incoming, specs, states
from ..core.clock import Clock, SystemClock, rfc3339
from ..core.errors import PipelineError
from ..core.events import EventBus, JobAdded, JobChanged
from ..core.files import remove_tree
from ..core.home import Home
from ..core.incoming import Intent
from ..core.job import Job
from ..core.lock import HomeLock
from ..core.settings import Settings
from ..core.steps import reached
from ..core.store import Store
from . import qt
from .arriving import Arriving
from .asking import Asking
from .cases import Cases
from .context import REQUEST, Conditions, Context
from .disposal import Disposal
from .doors import Doors
from .inspection import Inspection
from .intake_client import IntakeClient, Spawn
from .job_logs import JobLogs
from .publisher import Publisher, WaitForResults
from .recovery import Recovery
from .retention import Retention
from .scheduler import VANISHED_LIMIT, Scheduler
from .watcher import InboxWatcher

log = logging.getLogger(__name__)

_TICK_MS = 200
_SLICE_SECONDS = 0.02
_CONDITIONS_TICKS = 10  # every 2 s
_RETENTION_TICKS = 300  # every minute
_GRACE_SECONDS = 8.0


@dataclass(frozen=True)
class Spawns:
    """How child processes are made; tests hand in fakes."""

    worker: Spawn
    intake: Spawn


class Pipeline:
    """Watches, stages, schedules, publishes, cleans up. The only writer of jobs' states.

    Raises ``environment.*`` from :meth:`start` when the home cannot be used,
    among them ``environment.locked`` when another pipeline has it.
    """

    def __init__(
        self,
        home: Home,
        settings: Settings,
        spawns: Spawns,
        *,
        what: str = "serve",
        clock: Clock | None = None,
    ) -> None:
        self.home = home
        self.settings = settings
        self.bus = EventBus()
        self._spawns = spawns
        self._what = what
        self._clock = clock or SystemClock()
        self._lock = HomeLock(home.lock)
        self._timers: list[Any] = []
        self._chores: list[Iterator[None]] = []
        self._publishing: list[str] = []
        self._ticks = 0
        self._data_version = -1
        self._running = False
        self._stopping: Callable[[], None] | None = None
        self._stop_by = 0.0
        self.ready = False
        self.stopped = False
        self.failure: Exception | None = None  # what made the start impossible

    # --- start ----------------------------------------------------------------------------

    def start(self) -> None:
        """Take the home, recover what the last start left, then watch and work."""
        os.umask(0o077)
        self.home.create()
        self._lock.acquire(self._what)
        try:
            self.store = Store(self.home.store, self._clock)
            self._build()
        except BaseException:
            self._lock.release()
            raise
        self._running = True
        self.store.meta.set("pipeline", self._about())
        self.conditions.make_reserve()
        self.conditions.check()
        self._chores.append(self._startup())
        self._timers = [qt.make_timer(_TICK_MS, self._tick), qt.make_timer(0, self._work, start=False)]
        self._wake()

    def _about(self) -> dict[str, Any]:
        return {
            "what": self._what,
            "pid": os.getpid(),
            "started": rfc3339(self._clock.now()),
            "watch": self.settings["watch"],
            "inbox": str(self.home.inbox),
            "results": str(self.home.results),
        }

    def _build(self) -> None:
        context = Context(self.home, self.settings, self.store, self._clock, self.bus)
        self.context = context
        self.conditions = Conditions(context)
        spill = self.home.work / "intake"
        self.intake = IntakeClient(self._spawns.intake, spill, self._intake_broken)
        self.examiner = IntakeClient(self._spawns.intake, spill, self._intake_broken)
        self.publisher = Publisher(context)
        self.disposal = Disposal(context, self.intake)
        self.cases = Cases(context)
        self.logs = JobLogs(context)
        self.scheduler = Scheduler(
            context, self.conditions, self.publisher, self.cases, self._spawns.worker,
            self.logs.write, self._finish, self._ended,
        )  # fmt: skip
        self.inspection = Inspection(
            context, self.conditions, self.intake, self.publisher, self.disposal, self.scheduler.dispatch
        )
        self.doors = Doors(context, self.conditions, self.intake, self._accepted, self._taken, self._put_back)
        self.arriving = Arriving(context, self.disposal, self._take, self.inspection.series_key)
        self.retention = Retention(context, self.publisher, self.disposal, self.cases)
        self.asking = Asking(context, self)
        self.watcher: InboxWatcher | None = None
        self.bus.subscribe(self.logs.on_event)

    def _startup(self) -> Iterator[None]:
        recovery = Recovery(self.context, self.doors, self.inspection, self.disposal, self._finish)
        yield from recovery.steps()
        if self.settings["watch"]:
            self.watcher = self._make_watcher()
            self.watcher.start()
        self.scheduler.warm_up()
        self.ready = True
        self.scheduler.dispatch()

    def _make_watcher(self) -> InboxWatcher:
        def examine(paths: list[str], answer: Callable[[list[dict[str, Any]]], None]) -> None:
            def answered(result: dict[str, Any] | None, error: PipelineError | None) -> None:
                answer([] if result is None else list(result["files"]))

            self.examiner.ask("examine", {"paths": paths}, answered)

        return InboxWatcher(
            self.home.inbox,
            examine,
            self.settings,
            self._clock,
            self.store.ledger.find,
            self.arriving.arrived,
            self.arriving.refused,
        )

    # --- the loop -------------------------------------------------------------------------

    def _tick(self) -> None:
        self._ticks += 1
        if self._stopping is not None:
            self._wait_for_the_end()
            return
        version = self.store.data_version()
        if self.ready and (version != self._data_version or self._ticks % _CONDITIONS_TICKS == 0):
            self._data_version = version
            self.asking.look()
            if self._stopping is not None:
                return
        if self._ticks % _CONDITIONS_TICKS == 0:
            self._look_around()
        if self._ticks % _RETENTION_TICKS == 1 and self.ready:
            self._chores.append(self.retention.steps())
        if self.ready:
            self.scheduler.dispatch()
        self._wake()

    def _look_around(self) -> None:
        before = self.conditions.paused
        self.conditions.check()
        for job_id in list(self._publishing):
            job = self.store.jobs.find(job_id)
            self._publishing.remove(job_id)
            if job is not None and job.state == states.PUBLISHING:
                self._finish(job)
        self.arriving.again()
        if before is not None and self.conditions.paused is None:
            self._resumed()

    def _resumed(self) -> None:
        self.doors.resume()
        for job in self.store.jobs.list([states.INSPECTING]):
            if not self.intake.has(job.id):
                self.inspection.inspect(job)
        self.scheduler.dispatch()

    def _wake(self) -> None:
        """Run the zero timer while there is something to do in slices."""
        if self._has_work() and self._timers:
            self._timers[1].start()

    def _has_work(self) -> bool:
        # Begin nothing new on a full disk; what waits stays in the inbox.
        return bool(self._chores) or (bool(self.doors.waiting) and self.conditions.paused is None)

    def _work(self) -> None:
        """One slice, short enough that nobody sees the loop being held."""
        until = self._clock.monotonic() + _SLICE_SECONDS
        if self._stopping is not None or not self._has_work():
            self._timers[1].stop()
            return
        if self.doors.waiting and self.ready:
            self.doors.take_some(until)
        while self._chores and self._clock.monotonic() < until:
            try:
                next(self._chores[0])
            except StopIteration:
                self._chores.pop(0)
            except Exception as error:
                log.exception("a chore failed")
                self._chores.pop(0)
                if not self.ready:
                    # Half recovered is not a state to take new cases in.
                    self.failure = error
                    self.stop()
                    return

    # --- what the parts tell each other -----------------------------------------------------

    def _take(self, intent: Intent) -> None:
        self.doors.waiting.append(intent)
        self._wake()

    def _taken(self, paths: list[str]) -> None:
        """What lies under these names from now on is another file, or stands in the ledger."""
        if self.watcher is not None:
            self.watcher.taken(paths)

    def _put_back(self, paths: list[str]) -> None:
        if self.watcher is not None:
            self.watcher.put_back(paths)

    def _accepted(self, job: Job) -> None:
        if job.cancel:
            self._cancel_now(job)
        else:
            self.inspection.inspect(job)

    def _ended(self, job: Job) -> None:
        remove_tree(self.publisher.staging(job))
        self.disposal.dispose(job)
        self.scheduler.dispatch()

    def _finish(self, job: Job) -> None:
        """Publish; a folder that is away makes it wait, missing outputs make it run again."""
        reached("row publishing")
        try:
            self.publisher.publish(job, job.staged.get("earlier", []))
        except WaitForResults as waits:
            job.message = f"Waits for the results folder: {waits.reason}"
            self.store.jobs.save(job)
            self.context.tell(job)
            self._publishing.append(job.id)
            self.conditions.check()
            return
        except PipelineError as error:
            self._publish_failed(job, error)
            return
        self.cases.keep(job)
        job.staged.pop("earlier", None)
        job.error = None
        self.conditions.durably(lambda: self.context.enter(job, states.DONE))
        reached("row done")
        self._ended(job)

    def _publish_failed(self, job: Job, error: PipelineError) -> None:
        job.vanished += 1
        job.outputs = []
        if job.vanished >= VANISHED_LIMIT:
            job.error = error.to_dict()
            self.context.enter(job, states.FAILED, error.message)
            self._ended(job)
        else:
            self.context.enter(job, states.QUEUED, error.message)

    def _intake_broken(self, error: PipelineError) -> None:
        log.error("%s", error)

    # --- what people and doors ask -----------------------------------------------------------

    def submit(self, path: str | Path, options: dict[str, Any] | None = None, **about: Any) -> Job:
        """Take a copy of the scan or folder at ``path``; the job goes on by itself.

        ``about`` may hold ``door``, ``by``, ``name``, ``out``, ``expect`` and
        ``labels`` of :class:`~..core.incoming.Intent`. Raises ``input.missing``,
        ``input.link`` and ``options.*``; everything else ends in the job.
        """
        checked = specs.parse_options(options or {}, "options")
        place = Path(os.path.abspath(path))
        intent = incoming.plan(place, companions=incoming.data_files(place), options=checked, **about)
        job = self.doors.submit(intent)
        self.bus.publish(JobAdded(job.id))
        return job

    def adopt(self, job_id: str) -> Job:
        """Take what another process has staged under ``state/incoming/<job_id>``."""
        return self.doors.adopt(job_id)

    def cancel(self, job_id: str) -> Job:
        """Stop a job that has not ended; its input goes to ``failed/``."""
        job = self.store.jobs.get(job_id)
        if job.ended or job.state == states.PUBLISHING:
            raise PipelineError("request.wrong_state", f"job {job.id} is {job.state} already")
        if self.scheduler.cancel(job):
            return self.store.jobs.get(job.id)
        if job.state == states.RECEIVING:
            job.cancel = 1  # its bytes are on the way; it ends when they are here
            self.store.jobs.save(job)
            return job
        self.intake.cancel(job.id)
        self._cancel_now(job)
        return job

    def _cancel_now(self, job: Job) -> None:
        job.error = PipelineError("job.cancelled", "It was cancelled.").to_dict()
        self.context.enter(job, states.CANCELLED, "It was cancelled.")
        self._ended(job)

    def retry(self, job_id: str, then: Callable[[PipelineError | None], None] | None = None) -> None:
        """Run an ended job again with its own input; ``then`` hears how that began."""
        job = self.store.jobs.get(job_id)
        if not job.ended:
            raise PipelineError("request.wrong_state", f"job {job.id} is {job.state}; it has not ended")

        def fetched(error: PipelineError | None) -> None:
            if error is None:
                self._again(job.id)
            if then is not None:
                then(error)

        self.disposal.fetch_back(job, fetched)

    def _again(self, job_id: str) -> None:
        job = self.store.jobs.get(job_id)
        job.error, job.progress, job.eta_s, job.cancel = None, 0.0, None, 0
        job.vanished, job.deaths, job.not_before = 0, 0, 0.0
        job.staged = {"earlier": job.outputs}
        self.context.enter(job, states.INSPECTING)
        self.inspection.inspect(job)

    def set_priority(self, job_id: str, priority: int) -> Job:
        """0 (whenever) to 100 (next)."""
        value = specs.BY_NAME["priority"].parse(priority, "priority")
        job = self.store.jobs.get(job_id)
        if job.ended:
            raise PipelineError("request.wrong_state", f"job {job.id} has ended")
        if not self.scheduler.reprioritise(job.id, value):
            job.priority = value
            job.options["priority"] = value
            self.store.jobs.save(job)
        self.bus.publish(JobChanged(job.id, job.state, job.progress, job.message))
        return self.store.jobs.get(job.id)

    def purge(self, job_id: str) -> None:
        """Remove every trace of one ended case; see :meth:`.retention.Retention.purge`."""
        job = self.store.jobs.get(job_id)
        if not job.ended:
            raise PipelineError("request.wrong_state", f"job {job.id} is {job.state}; cancel it first")
        self.retention.purge(job)

    def pause(self) -> None:
        """Begin no new case; what runs goes on to its end."""
        self.conditions.pause(REQUEST, "somebody asked for it")

    def resume(self) -> None:
        """Go on after :meth:`pause`, or look at once whether the surroundings are well again."""
        self.conditions.resume()
        self.conditions.check()
        if self.conditions.paused is None:
            self._resumed()

    # --- stop -----------------------------------------------------------------------------

    def stop(self, then: Callable[[], None] | None = None) -> None:
        """End cleanly: running cases go back to the queue. A second call ends at once."""
        if not self._running:
            if then:
                then()
            return
        if self._stopping is not None:
            self._kill()
            return
        self._stopping = then or (lambda: None)
        self._stop_by = self._clock.monotonic() + _GRACE_SECONDS
        if self.watcher is not None:
            self.watcher.stop()
        self.scheduler.stop()
        self.intake.stop()
        self.examiner.stop()
        self._timers[0].setInterval(20)
        self._wait_for_the_end()

    def _kill(self) -> None:
        for part in (self.scheduler, self.intake, self.examiner):
            part.stop(at_once=True)

    def _wait_for_the_end(self) -> None:
        if not (self.scheduler.ended and self.intake.ended and self.examiner.ended):
            if self._clock.monotonic() >= self._stop_by:
                self._stop_by += _GRACE_SECONDS
                self._kill()
            return
        then, self._stopping = self._stopping, None
        self._running = False
        for timer in self._timers:
            timer.stop()
        self._timers = []
        self.store.meta.set("pipeline", None)
        self.logs.close()
        self.store.close()
        self._lock.release()
        self.stopped = True
        if then:
            then()
