"""The one pipeline of a Slicer process; panel, console and servers are views of it."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from ..core.errors import PipelineError
from ..core.events import Event, JobChanged
from ..core.files import remove_tree
from ..core.home import Home, default_root
from ..core.job import Job
from ..core.lock import HomeLock
from ..core.settings import Settings, read_settings_file, resolve
from ..core.states import RECEIVING
from ..runtime import qt
from ..runtime.api import AutoSeg, Progress
from ..runtime.logs import EventLog, log_to, stop_logging
from .host import Host
from .settings_file import change_settings

if TYPE_CHECKING:
    from .servers import Servers

log = logging.getLogger(__name__)

STOPPED, STARTING, RUNNING, STOPPING = "stopped", "starting", "running", "stopping"
_LOOK_MS = 100

_shared: Session | None = None
_chosen: Path | None = None
_disconnect: Callable[[], None] | None = None


def shared() -> Session:
    """The session of this Slicer, made at the first call; it ends when Slicer quits."""
    global _shared, _disconnect
    if _shared is None:
        from .slicer_host import SlicerHost

        host = SlicerHost()
        _shared = Session(host, _chosen)
        # Without a main window too, and whether or not the module's panel was ever built.
        _disconnect = host.on_quit(stop)
    return _shared


def stop() -> None:
    """End the pipeline: running cases go back to its queue. Again is fine."""
    global _shared, _disconnect
    ended, _shared = _shared, None
    if _disconnect is not None:
        _disconnect()
        _disconnect = None
    if ended is not None:
        ended.close()


def use_home(home: Path | None) -> None:
    """Where the session's home is to be, ``None`` for :func:`default_home`; before its first call.

    Raises ``request.invalid`` while a session runs in another home: stop it first.
    """
    global _chosen
    if _shared is not None and _shared.state != STOPPED:
        raise PipelineError("request.invalid", "the pipeline of this Slicer is running; stop it first")
    _chosen = home
    if _shared is not None:
        _shared.move_home(home)


def chosen_home() -> Path | None:
    """What :func:`use_home` was told last."""
    return _chosen


def default_home() -> Path:
    """Slicer's own home beside the headless one, so that both can run at the same time."""
    return default_root().with_name("AutoSegPipeline-Slicer")


@dataclass
class Resume:
    """What a session did, for the one that follows it after a reload."""

    home: Path | None = None
    inbox: Path | None = None
    results: Path | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    running: bool = False
    watching: bool = False
    served: tuple[str, int | None, dict[str, Any]] | None = None


class Session:
    """Starts a pipeline on the application's event loop and hands paths and volume nodes to it.

    ``guards`` are asked before the pipeline is stopped: each answers with the reason why it
    may not be now, or with nothing.
    """

    def __init__(self, host: Host, home: Path | None = None) -> None:
        self.host = host
        self.guards: list[Callable[[], str]] = []
        self.fault: PipelineError | None = None  # why the last start or addition did not work
        self._autoseg: AutoSeg | None = None
        self._given: dict[str, Any] = {}  # settings of startWatching(...), for as long as it runs
        self._stopping: AutoSeg | None = None
        self._exported: dict[str, Path] = {}
        self._to_add: deque[Path] = deque()
        self._listeners: list[Callable[[], None]] = []
        self._logs: logging.Handler | None = None
        self._timer: Any = None
        self._telling: Any = None
        self._servers: Servers | None = None
        self._served: tuple[str, int | None, dict[str, Any]] | None = None
        self._private = home is not None  # a home of a test or script: nothing is remembered
        self._locked: dict[str, Any] = {}
        self._locked_until = 0.0
        self._places(home)

    def _places(self, home: Path | None) -> None:
        def kept(key: str) -> Path | None:
            found = "" if self._private else self.host.recall(key)
            return Path(found) if found else None

        self._root = home or kept("home") or default_home()
        self._inbox, self._results = kept("inbox"), kept("results")

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
        return Home.at(self._root, self._inbox, self._results)

    def move_home(self, home: Path | None) -> None:
        """Use another home from now on; ``None`` is the remembered one. Only while stopped."""
        self._require_stopped()
        self._private = home is not None
        self._places(home)
        self.changed()

    def set_folders(
        self,
        inbox: str | Path | None = None,
        results: str | Path | None = None,
        home: str | Path | None = None,
    ) -> None:
        """Watch and write elsewhere, remembered; ``""`` is the home's own. Only while stopped."""
        self._require_stopped()
        before = (self._root, self._inbox, self._results)
        if home is not None:
            self._root = Path(home).expanduser() if str(home) else default_home()
        if inbox is not None:
            self._inbox = Path(inbox).expanduser() if str(inbox) else None
        if results is not None:
            self._results = Path(results).expanduser() if str(results) else None
        try:
            self.home.check()
        except PipelineError:
            self._root, self._inbox, self._results = before
            raise
        if not self._private:
            for key, path in (("home", self._root), ("inbox", self._inbox), ("results", self._results)):
                default = key == "home" and path == default_home()
                self.host.remember(key, "" if path is None or default else str(path))
        self.changed()

    def _require_stopped(self) -> None:
        if self.state != STOPPED:
            raise PipelineError(
                "request.wrong_state", "the pipeline of this Slicer is running; stop it first"
            )

    def settings(self) -> Settings:
        """What holds: settings of the last start, ``AUTOSEG_*``, ``settings.json``, defaults."""
        path = self.home.settings_file
        given = {"watch": self.watching, **self._given}
        return resolve(given, os.environ, read_settings_file(path), str(path))

    def change(self, **values: Any) -> Settings:
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
    def holder(self) -> dict[str, Any]:
        """Who else has this home now (``what``, ``pid``, ``host``); empty when nobody has."""
        if self.state != STOPPED:
            return {}
        lock = HomeLock(self.home.lock)
        return (lock.holder() or {"what": "another program"}) if lock.is_held() else {}

    @property
    def locked(self) -> dict[str, Any]:
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
        inside = self.host.inside(self)
        autoseg = AutoSeg(
            where.root, inbox=where.inbox, results=where.results, what=self.host.what,
            watch=watch, **({} if inside is None else {"inside": inside}), **settings,
        )  # fmt: skip
        autoseg.pipeline.start()
        self._autoseg, self._given, self.fault = autoseg, settings, None
        made = autoseg.settings
        self._logs = log_to(where.logs, made["log_mb"], made["log_files"])
        autoseg.pipeline.bus.subscribe(EventLog().hear)
        autoseg.pipeline.bus.subscribe(self._on_event)
        log.info("begins in %s", self.host.what)
        self._timer = qt.make_timer(_LOOK_MS, self._look)
        if not self.host.has_window and self._telling is None:
            from .telling import Telling

            self._telling = Telling(self)
        self.changed()

    def start_watching(
        self,
        inbox: str | Path | None = None,
        results: str | Path | None = None,
        home: str | Path | None = None,
        **settings: Any,
    ) -> None:
        """Watch the inbox from now on; ``settings`` hold until the pipeline stops.

        With other folders or settings a running pipeline is started anew.
        """
        elsewhere = any(place is not None for place in (inbox, results, home))
        if self.state in (STARTING, RUNNING) and not (elsewhere or settings):
            if not self.watching and self._autoseg is not None:
                self._autoseg.pipeline.watch(True)
                self.changed()
            return
        if self.state != STOPPED:
            self.stop()
        if elsewhere:
            self._here(inbox, results, home)
        self.start(watch=True, **settings)

    def _here(self, inbox: Any, results: Any, home: Any) -> None:
        """Folders of this call only: what the panel remembers stays."""
        private, self._private = self._private, True
        try:
            self.set_folders(inbox, results, home)
        finally:
            self._private = private

    def stop_watching(self) -> None:
        """Take no new files; what is queued goes on."""
        if self._autoseg is not None and self.watching:
            self._autoseg.pipeline.watch(False)
            self.changed()

    def check_may_stop(self) -> None:
        """Raise ``request.wrong_state`` while something may not be stopped."""
        for guard in self.guards:
            reason = guard()
            if reason:
                raise PipelineError("request.wrong_state", reason)

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
        if self._telling is not None:
            self._telling.close()
            self._telling = None
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

    # --- jobs -----------------------------------------------------------------------------------

    @property
    def autoseg(self) -> AutoSeg:
        """The running pipeline; starts it and waits until it is ready."""
        self.start()
        autoseg = self._autoseg
        assert autoseg is not None
        pipeline = autoseg.pipeline
        autoseg._run_until(lambda: pipeline.ready or pipeline.stopped)
        if pipeline.failure is not None:
            raise pipeline.failure
        return autoseg

    @property
    def store(self) -> Any:
        """The running pipeline's store, or None."""
        return self._autoseg.pipeline.store if self._autoseg and self.state in (STARTING, RUNNING) else None

    def add(self, paths: list[str]) -> None:
        """Queue files and folders one by one from the event loop; a failure stands in ``fault``."""
        self.start()
        self._to_add.extend(Path(path) for path in paths)
        self.changed()

    def _add_one(self) -> None:
        path = self._to_add.popleft()
        try:
            assert self._autoseg is not None
            self._autoseg.submit(path)
        except PipelineError as error:
            self.fault = error
            log.error("%s", error.code)
            self.changed()

    def submit(self, source: Any, *, name: str = "", **options: Any) -> Job:
        """Take a path or a volume node of the scene; neither is changed.

        Raises ``input.missing`` for a path that is not there, and
        ``request.invalid`` for a node that is no scalar volume.
        """
        if isinstance(source, (str, os.PathLike)):
            return self.autoseg.submit(Path(os.fspath(source)), name=name, **options)
        if not self.host.is_volume(source):
            raise PipelineError("request.invalid", f"{source!r} is neither a path nor a scalar volume node")
        folder = Path(tempfile.mkdtemp(prefix="autoseg-", dir=self.host.temporary_folder()))
        try:
            job = self.autoseg.submit(self.host.export_volume(source, folder), name=name, **options)
        except BaseException:
            remove_tree(folder)
            raise
        self._exported[job.id] = folder
        return job

    def _on_event(self, event: Event) -> None:
        """Once the pipeline has its own copy, the export goes."""
        if isinstance(event, JobChanged) and event.state != RECEIVING:
            folder = self._exported.pop(event.job_id, None)
            if folder is not None:
                remove_tree(folder)

    def cancel(self, job: Job | str) -> Job:
        """Stop a job that has not ended."""
        return self.autoseg.cancel(job)

    def retry(self, job: Job | str) -> None:
        """Run an ended job again; returns at once, what it meets stands in ``fault``."""

        def heard(error: PipelineError | None) -> None:
            if error is not None:
                self.fault = error
                self.changed()

        self.autoseg.pipeline.retry(self.autoseg.job(job).id, heard)

    def purge(self, job: Job | str) -> None:
        """Remove every trace of one ended case."""
        self.autoseg.purge(job)

    def place(self, job_id: str, before: str | None) -> Job:
        """Give a queued job the turn before another, or the last one (None)."""
        return self.autoseg.pipeline.place(job_id, before)

    def wait(self, job: Job | str, timeout: float | None = None, progress: Progress | None = None) -> Job:
        """Serve the application's events until the job has ended."""
        return self.autoseg.wait(job, timeout, progress)

    # --- web servers ------------------------------------------------------------------------------

    @property
    def servers(self) -> Servers:
        """The web servers of this session, see :mod:`.servers`."""
        if self._servers is None:
            from .servers import Servers

            self._servers = Servers(lambda: self.autoseg)
        return self._servers

    @property
    def server_kind(self) -> str:
        """``embedded``, ``full``, or empty while none is running."""
        return self._servers.kind if self._servers is not None and self.state == RUNNING else ""

    @property
    def server_url(self) -> str:
        """Where a browser finds the server; empty while it is not (yet) there."""
        return self._servers.url if self._servers is not None and self.state == RUNNING else ""

    @property
    def server_problem(self) -> str:
        """Why there is no server although one was asked for."""
        return self._servers.problem if self._servers is not None and self.state == RUNNING else ""

    def start_server(self, kind: str = "embedded", port: int | None = None, **settings: Any) -> str:
        """Start a web server and, where it does not run, the pipeline; the address, once it has one.

        Raises ``request.invalid`` for a busy port and while accounts forbid it.
        """
        url = self.servers.start(kind, port, **settings)
        self._served = (kind, port, settings)
        self.changed()
        return url

    def stop_server(self) -> None:
        """Close the port; again is fine."""
        if self._servers is not None:
            self._served = None
            self._servers.stop()
            self.changed()

    # --- reload -----------------------------------------------------------------------------------

    def resume_later(self) -> Resume:
        """What :meth:`resume` needs to go on as now."""
        return Resume(
            self._root, self._inbox, self._results, dict(self._given),
            self.state in (STARTING, RUNNING), self.watching,
            self._served,
        )  # fmt: skip

    def resume(self, before: Resume) -> None:
        """Go on as the session that :meth:`resume_later` describes."""
        if before.home is not None:
            self._root, self._inbox, self._results = before.home, before.inbox, before.results
        if before.running:
            self.start(watch=before.watching, **before.settings)
        if before.served is not None:
            kind, port, settings = before.served
            self.start_server(kind, port, **settings)
        self.changed()
