"""A pipeline in a Slicer process; panel, console and servers are views of it."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any, Callable, Protocol

from ..core.commands import Watch
from ..core.errors import PipelineError
from ..core.files import remove_tree
from ..core.home import Home
from ..core.lock import HomeLock
from ..core.settings import Settings, settings_of
from ..runtime import qt
from ..runtime.api import AutoSeg
from ..runtime.logs import EventLog, log_to, stop_logging
from .host import Host
from .server.host import door_of
from .session_work import RUNNING, STARTING, STOPPED, STOPPING, Resume, SessionWork
from .settings_file import change_settings
from .slicer_folders import Places

log = logging.getLogger(__name__)

_LOOK_MS = 100


class Narrator(Protocol):
    """What says elsewhere what happens while there is no panel."""

    def close(self) -> None: ...


class Session(SessionWork):
    """Starts a pipeline on the application's event loop and hands paths and volume nodes to it.

    ``guards`` are asked before the pipeline is stopped: each answers with the reason why it
    may not be now, or with nothing. ``narrate(session)`` begins to say what happens where no window
    shows it.
    """

    is_remote = False  # whether its pipeline runs on another machine

    def __init__(
        self,
        host: Host,
        home: Path | None = None,
        narrate: Callable[[Session], Narrator] | None = None,
    ) -> None:
        super().__init__()
        self.host = host
        self.guards: list[Callable[[], str]] = []
        self.fault: PipelineError | None = None  # why the last start or addition did not work
        self._autoseg: AutoSeg | None = None
        self._given: dict[str, object] = {}  # settings of startWatching(...), for as long as it runs
        self._stopping: AutoSeg | None = None
        self._listeners: list[Callable[[], None]] = []
        self._logs: logging.Handler | None = None
        self._timer: Any = None
        self._narrate = narrate
        self._narrator: Narrator | None = None
        self._locked: dict[str, Any] = {}
        self._locked_until = 0.0
        self.places = Places(host, home)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """``listener()`` after each change of what this session is; the answer takes it back."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def changed(self) -> None:
        """Tell the listeners."""
        for listener in list(self._listeners):
            qt.guarded(listener)()

    # --- where and how ------------------------------------------------------------------------

    @property
    def home(self) -> Home:
        """The folders, made or not."""
        return self.places.home

    def move_home(self, home: Path | None) -> None:
        """Use another home from now on; ``None`` is the remembered one. Only while stopped."""
        self._require_stopped()
        self.places.move(home)
        self.changed()

    def set_folders(self, **folders: str | Path | None) -> None:
        """Watch and write elsewhere (``inbox``, ``results``, ``home``), remembered. Only while stopped."""
        self._require_stopped()
        self.places.set(**folders)  # type: ignore[arg-type]
        self.changed()

    def _require_stopped(self) -> None:
        if self.state != STOPPED:
            raise PipelineError("request.wrong_state", "the pipeline is running; stop it first")

    def settings(self) -> Settings:
        """What holds: settings of the last start, ``AUTOSEG_*``, ``settings.json``, defaults."""
        return settings_of(self.home, {"watch": self.watching, **self._given}, os.environ)

    def change(self, **values: object) -> Settings:
        """Write settings or options into ``settings.json`` (None takes one out), heeded at once.

        Raises ``options.*`` and ``request.unknown_setting``; then nothing is written.
        """
        change_settings(self.home.settings_file, values)
        for name in values:
            self._given.pop(name, None)
        settings = self.settings()
        if self._autoseg is not None and self.state in (STARTING, RUNNING):
            self._autoseg.settings = settings
            self._autoseg.pipeline.use(settings)
        self.changed()
        return settings

    # --- life -----------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """``stopped``, ``starting``, ``running`` or ``stopping``."""
        if self._autoseg is None:
            return STOPPED
        pipeline = self._autoseg.pipeline
        if self._stopping is not None:
            return STOPPING
        if pipeline.stopped:
            return STOPPED
        return RUNNING if pipeline.ready else STARTING

    @property
    def watching(self) -> bool:
        """Whether new files of the inbox are taken."""
        alive = self.state in (STARTING, RUNNING)
        return bool(alive and self._autoseg is not None and self._autoseg.pipeline.settings["watch"])

    @property
    def holder(self) -> dict[str, object]:
        """Who else has this home now (``what``, ``pid``, ``host``); empty when nobody has."""
        if self.state != STOPPED:
            return {}
        lock = HomeLock(self.home.lock)
        return (lock.holder() or {"what": "another program"}) if lock.is_held() else {}

    @property
    def locked(self) -> dict[str, object]:
        """:attr:`holder`, looked up at most once a second."""
        now = time.monotonic()
        if now >= self._locked_until:
            self._locked_until, self._locked = now + 1.0, self.holder
        return {} if self.state != STOPPED else self._locked

    def start(self, watch: bool = False, **settings: Any) -> None:
        """Take the home and begin; returns at once, the rest happens on the event loop.

        Raises ``environment.*``, among them ``environment.locked``.
        """
        if self.state == STOPPING:
            self.stop()
        if self.state != STOPPED:
            return
        self._forget()
        where = self.home
        self.host.prepare()
        host_steps = self.host.inside(self)
        autoseg = AutoSeg(
            where.root, inbox=where.inbox, results=where.results, what=self.host.what,
            watch=watch, host_steps=host_steps, **settings,
        )  # fmt: skip
        autoseg.pipeline.add_door(door_of(autoseg))
        autoseg.pipeline.start()
        self._autoseg, self._given, self.fault = autoseg, settings, None
        resolved = autoseg.settings
        self._logs = log_to(where.logs, resolved["log_mb"], resolved["log_files"])
        autoseg.pipeline.bus.subscribe(EventLog().hear)
        autoseg.pipeline.bus.subscribe(self._on_event)
        log.info("begins in %s", self.host.what)
        self._timer = qt.make_timer(_LOOK_MS, self._look)
        if self._narrate is not None and not self.host.has_window and self._narrator is None:
            self._narrator = self._narrate(self)
        self.changed()

    def start_watching(
        self,
        inbox: str | Path | None = None,
        results: str | Path | None = None,
        home: str | Path | None = None,
        **settings: object,
    ) -> None:
        """Watch the inbox from now on; ``settings`` hold until the pipeline stops.

        With other folders or settings a running pipeline is started again.
        """
        elsewhere = any(place is not None for place in (inbox, results, home))
        if self.state in (STARTING, RUNNING) and not (elsewhere or settings):
            if not self.watching and self._autoseg is not None:
                self._autoseg.pipeline.commands.perform(Watch(True), self._answered)
                self.changed()
            return
        if self.state != STOPPED:
            self.stop()
        if elsewhere:
            self.places.set(inbox, results, home, remember=False)
        self.start(watch=True, **settings)

    def stop_watching(self) -> None:
        """Take no new files; what is queued goes on."""
        if self._autoseg is not None and self.watching:
            self._autoseg.pipeline.commands.perform(Watch(False), self._answered)
            self.changed()

    def load(self, job_id: str, with_scan: bool) -> None:
        """Show the segmentation of an ended job in the scene. Raises :class:`PipelineError`."""
        self.host.load_result(self, job_id, with_scan)

    def with_log(self, job_id: str, then: Callable[[Path], None]) -> None:
        """Call ``then`` with the file of a job's log."""
        then(self.home.job_log(job_id))

    def check_may_stop(self) -> None:
        """Raise ``request.wrong_state`` while something may not be stopped."""
        for guard in self.guards:
            reason = guard()
            if reason:
                raise PipelineError("request.wrong_state", reason, "Then try again.")

    def stop(self, wait: bool = True) -> None:
        """End the pipeline and its processes; running cases go back to its queue.

        With ``wait`` it returns when every child process is gone, else at once.
        """
        autoseg = self._autoseg
        if autoseg is None or autoseg.pipeline.stopped:
            self._forget()
            return
        if self._stopping is None:
            self.stop_server()
            self._stopping = autoseg
            self._to_add.clear()
            autoseg.pipeline.stop(self._stopped)
        if wait:
            autoseg._run_until(lambda: autoseg.pipeline.stopped)

    def _stopped(self) -> None:
        if self._stopping is not None:
            self._forget()
            self.changed()

    def _forget(self) -> None:
        self._stopping = self._autoseg = None
        self._given = {}
        if self._narrator is not None:
            self._narrator.close()
            self._narrator = None
        if self._timer is not None:
            self._timer.stop()
            qt.release(self._timer)
            self._timer = None
        if self._logs is not None:
            stop_logging(self._logs)
            self._logs = None
        for folder in self._exported.values():
            remove_tree(folder)
        self._exported.clear()

    def close(self) -> None:
        """The end: servers, pipeline, listeners."""
        self.stop()
        self._listeners.clear()

    def _look(self) -> None:
        """Ten times a second while it runs: has it ended by itself, is there something to add?"""
        autoseg = self._autoseg
        if autoseg is None:
            return
        if autoseg.pipeline.stopped:
            failure = autoseg.pipeline.failure
            if isinstance(failure, PipelineError):
                self.fault = failure
            elif failure is not None:
                self.fault = PipelineError("environment.home_unwritable", f"the start failed: {failure}")
            if self._servers is not None and self._servers.kind == "embedded":
                self._servers.stop()
            self._servers = self._served = None
            self._forget()
            self.changed()
        elif autoseg.pipeline.ready and self._to_add:
            self._add_one()

    # --- reload -----------------------------------------------------------------------------------

    def resume_later(self) -> Resume:
        """What :meth:`resume` needs to go on as now."""
        return Resume(
            self.places.root, self.places.inbox, self.places.results, dict(self._given),
            self.state in (STARTING, RUNNING), self.watching,
            self._served,
        )  # fmt: skip

    def resume(self, before: Resume) -> None:
        """Go on as the session that :meth:`resume_later` describes."""
        if before.home is not None:
            self.places.root, self.places.inbox = before.home, before.inbox
            self.places.results = before.results
        if before.running:
            self.start(watch=before.watching, **before.settings)
        if before.served is not None:
            kind, port, settings = before.served
            self.start_server(kind, port, **settings)
        self.changed()
