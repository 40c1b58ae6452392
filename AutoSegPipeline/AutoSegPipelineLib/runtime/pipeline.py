"""The pipeline of one home: starts, stops and drives the flow of cases from the Qt loop."""

from __future__ import annotations

import logging
import os
import sqlite3
from typing import Any, Callable, Iterator

from ..core.clock import Clock, SystemClock, rfc3339
from ..core.events import EventBus, PipelinePaused, PipelineResumed
from ..core.files import free_bytes
from ..core.home import Home
from ..core.lock import HomeLock
from ..core.rules import read_rules
from ..core.settings import Settings
from ..core.store import Store
from ..intake.received.handover import Handover
from . import qt
from .commands import Commands
from .context import Context, disk_is_full
from .flow import Flow
from .processes.child import ChildLike, OnEnd, OnHung, OnLog, OnMessage, Spawn, Spawns
from .processes.child_host import ChildHost
from .processes.child_kinds import WEB, ChildKind
from .processes.host_steps import HostSteps
from .processes.web_host import WebHost
from .request_answerer import RequestAnswerer

log = logging.getLogger(__name__)

_TICK_MS = 200
_SLICE_SECONDS = 0.01  # several parts have their turn in one round of the loop
_CONDITIONS_TICKS = 10  # every 2 s
_RETENTION_TICKS = 300  # every minute
_GRACE_SECONDS = 8.0


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
        web: bool = False,
        host_steps: HostSteps | None = None,
    ) -> None:
        """``spawns`` makes each kind of child process; a kind with a ``setting`` is kept running by it.

        ``web``: serve the page from the start; else :attr:`web` is asked to.
        """
        self.home = home
        self.settings = settings
        self.host_steps = host_steps
        self.bus = EventBus()
        self._spawns = {kind: self._safe_spawn(spawn) for kind, spawn in spawns.items()}
        self._what = what
        self._clock = clock or SystemClock()
        self._lock = HomeLock(home.lock)
        self._doors: list[Handover] = []
        self._timers: list[Any] = []
        self._chores: list[Iterator[None]] = []
        self._ticks = 0
        self._data_version = -1
        self._running = False
        self._stopping: Callable[[], None] | None = None
        self._stop_by = 0.0
        self._suspended = False
        self.ready = False
        self.stopped = False
        self.failure: Exception | None = None  # what made the start impossible
        self._serves_web = web
        self.web = WebHost(home, self._spawns.get(WEB), self._clock, self._noter(WEB), self.bus.publish)
        self._kept = {
            kind: ChildHost(kind, home, spawn, self._clock, self._noter(kind))
            for kind, spawn in self._spawns.items()
            if kind.setting
        }
        self.store: Store
        self.flow: Flow
        self.commands: Commands
        self._request_answerer: RequestAnswerer

    # --- start ----------------------------------------------------------------------------

    def start(self) -> None:
        """Take the home, recover what the last start left, then watch and work."""
        self.home.create()
        self._lock.acquire(self._what)
        try:
            self._build()
        except BaseException:
            self._lock.release()
            raise
        self._running = True
        self.store.meta.set("pipeline", self.about())
        self._timers = [
            qt.make_timer(_TICK_MS, self._safe(self._tick)),
            qt.make_timer(0, self._safe(self._work), start=False),
        ]
        self._begin(counted=True)
        if self._serves_web:
            self.web.start(self.settings)
        self._keep_children()

    def about(self) -> dict[str, Any]:
        """What the store's note ``pipeline`` tells other processes."""
        return {
            "what": self._what,
            "pid": os.getpid(),
            "started": rfc3339(self._clock.now()),
            "watch": self.settings["watch"],
            "inbox": str(self.home.inbox),
            "results": str(self.home.results),
        }

    def _build(self) -> None:
        read_rules(self.home.rules_file)  # wrong rules are reported at the start, not case by case
        self.store = Store(self.home.store, self._clock)
        context = Context(self.home, self.settings, self.store, self._clock, self.bus, self.host_steps)
        self.flow = Flow(context, self._spawns, self, self._doors)
        self.commands = Commands(self.flow, self)
        self._request_answerer = RequestAnswerer(self.store, self.commands)

    def _safe_spawn(self, spawn: Spawn) -> Spawn:
        """``spawn``, whose child's words and end may find the disk full."""

        def safe(
            on_message: OnMessage, on_log: OnLog, on_end: OnEnd, on_hung: OnHung | None = None
        ) -> ChildLike:
            more = {} if on_hung is None else {"on_hung": self._safe(on_hung)}
            return spawn(self._safe(on_message), self._safe(on_log), self._safe(on_end), **more)

        return safe

    def _noter(self, kind: ChildKind) -> Callable[[dict[str, object] | None], None]:
        """Writes the store's note of that kind, by which other processes see how its child is."""

        def write(note: dict[str, object] | None) -> None:
            if not self._suspended:  # the store is being closed and opened again
                self.store.meta.set(kind.name, note)

        return write

    def _keep_children(self) -> None:
        """Begin and end what runs by a setting, as the settings now say."""
        for kind, host in self._kept.items():
            if self.settings[kind.setting]:
                host.start(self.settings)
            elif host.wanted:
                host.stop()

    def _begin(self, counted: bool) -> None:
        self.flow.conditions.make_reserve()
        self.flow.conditions.check()
        self._chores.append(self._startup(counted))
        self.wake()

    def _startup(self, counted: bool) -> Iterator[None]:
        yield from self.flow.recovery(counted)
        self.ready = True
        self.flow.received.resume()
        self.flow.scheduler.dispatch()

    # --- while it runs --------------------------------------------------------------------------

    def watch(self, on: bool) -> None:
        """Begin or stop to take what lies in the inbox; the queue goes on either way."""
        self.use(self.settings.changed(watch=on))
        if self.ready:  # else the start that is under way heeds the setting
            self.flow.watch(on)
        self.store.meta.set("pipeline", self.about())

    def use(self, settings: Settings) -> None:
        """New defaults of cases and what is looked up each time (inputs, workers, retention).

        What processes and the watcher were started with holds until the next start. A child that
        runs by a setting begins or ends with it.
        """
        self.settings = settings
        self.flow.context.settings = settings
        if self._running and self._stopping is None:
            self._keep_children()

    def add_door(self, door: Handover) -> None:
        """Take at each start what ``door``, which lives in this process, has left; before :meth:`start`."""
        self._doors.append(door)

    # --- a disk too full even for states ------------------------------------------------------

    def _safe(self, slot: Callable[..., None]) -> Callable[..., None]:
        """``slot``; where even the reserve did not help it to write, the pipeline waits for free disk."""

        def run(*arguments: object) -> None:
            try:
                slot(*arguments)
            except (OSError, sqlite3.OperationalError) as error:
                if not disk_is_full(error):
                    raise
                self._suspend()

        return run

    def _suspend(self) -> None:
        """Drop everything, as a crash would; what lies on the disk is enough to go on from."""
        if self._suspended or not self._running:
            return
        log.error("states cannot be written; the pipeline waits for free disk")
        self._suspended, self.ready = True, False
        self.flow.abandon()
        self._chores.clear()
        self.bus.publish(PipelinePaused("environment.disk_full", "states cannot be written"))

    def _try_to_go_on(self) -> None:
        least = self.settings["disk_min_free_mb"] << 20
        if not self.flow.ended or free_bytes(self.home.state) < least:
            return
        self.store.close()
        self._build()
        self._suspended = False
        log.info("disk is free again")
        self.bus.publish(PipelineResumed())
        self._begin(counted=False)

    # --- the loop -------------------------------------------------------------------------

    def _tick(self) -> None:
        self._ticks += 1
        every_two_seconds = self._ticks % _CONDITIONS_TICKS == 0
        if self._stopping is not None:
            self._end_when_all_have()
        elif self._suspended:
            if every_two_seconds:
                self._try_to_go_on()
        elif self.ready:
            self._serve(every_two_seconds)
        self.wake()

    def _serve(self, every_two_seconds: bool) -> None:
        version = self.store.data_version()
        if version != self._data_version or every_two_seconds:
            self._data_version = version
            self._request_answerer.look()
            if self._stopping is not None:
                return
        if every_two_seconds:
            self.flow.look_around()
        if self._ticks % _RETENTION_TICKS == 1:
            self._chores.append(self.flow.retention.steps())
        self.flow.scheduler.dispatch()

    def wake(self) -> None:
        """Run the zero timer while there is something to do in slices."""
        if self._timers and self._has_work():
            self._timers[1].start()

    def _has_work(self) -> bool:
        if self._stopping is not None or self._suspended:
            return False
        return bool(self._chores) or self.flow.has_work

    def _work(self) -> None:
        """One slice, short enough that nobody sees the loop being held."""
        if not self._has_work():
            self._timers[1].stop()
            return
        until = self._clock.monotonic() + _SLICE_SECONDS
        try:
            self.flow.work(until)
            while self._chores and self._clock.monotonic() < until:
                self._chore()
        except BaseException:
            # A fault that comes back must not come back at once for ever; the next tick wakes it.
            self._timers[1].stop()
            raise

    def _chore(self) -> None:
        try:
            next(self._chores[0])
        except StopIteration:
            self._chores.pop(0)
        except Exception as error:
            if disk_is_full(error):
                raise
            log.exception("a chore failed")
            self._chores.pop(0)
            if not self.ready:
                # Half recovered is not a state to take new cases in.
                self.failure = error
                self.stop()

    # --- stop -----------------------------------------------------------------------------

    def stop(self, then: Callable[[], None] | None = None) -> None:
        """End cleanly: running cases go back to the queue. A second call ends at once."""
        if not self._running:
            if then:
                then()
            return
        if self._stopping is not None:
            self._kill_children()
            return
        self._stopping = then or (lambda: None)
        self._stop_by = self._clock.monotonic() + _GRACE_SECONDS
        for host in self._hosts:
            host.stop()
        if not self._suspended:
            self.flow.stop()
        self._timers[0].setInterval(20)
        self._end_when_all_have()

    @property
    def _hosts(self) -> list[ChildHost]:
        return [self.web, *self._kept.values()]

    def _kill_children(self) -> None:
        self.flow.kill()
        for host in self._hosts:
            host.kill()

    def _end_when_all_have(self) -> None:
        if not (self.flow.ended and all(host.ended for host in self._hosts)):
            if self._clock.monotonic() >= self._stop_by:
                self._stop_by += _GRACE_SECONDS
                self._kill_children()
            return
        then, self._stopping = self._stopping, None
        self._running = False
        for timer in self._timers:
            timer.stop()
        self._timers = []
        if not self._suspended:
            self.store.meta.set("pipeline", None)
        self.flow.close()
        self.store.close()
        self._lock.release()
        self.stopped = True
        if then:
            then()
