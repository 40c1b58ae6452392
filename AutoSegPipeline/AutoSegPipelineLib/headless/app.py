"""The composition root: one pipeline on one event loop, its display and its signals."""

from __future__ import annotations

import logging
import os
from typing import Any, Callable, Protocol

from .. import __version__
from ..core.events import Event
from ..core.home import Home
from ..core.settings import Settings
from ..runtime import qt
from ..runtime.logs import LIBRARY, EventLog, log_to, stop_logging
from ..runtime.wiring import make_pipeline
from .display import Display, Lines, LivePicture, Silence
from .narrator import Narrator
from .output import finish_streams
from .signals import Signals

log = logging.getLogger(__name__)

_REFRESH_MS = 250


class Task(Protocol):
    """What a host does besides keeping the pipeline alive."""

    def begin(self, host: Host) -> None:
        """The pipeline has started."""

    def hear(self, event: Event) -> None:
        """Something happened."""

    def interrupted(self, host: Host) -> None:
        """The first Ctrl+C: bring it to an end and call ``host.stop``."""

    def abandoned(self, host: Host) -> None:
        """The second Ctrl+C: the process ends now; undo what must not stay."""


class Serving:
    """A task without an end of its own."""

    def begin(self, host: Host) -> None:
        return

    def hear(self, event: Event) -> None:
        return

    def interrupted(self, host: Host) -> None:
        """Stop; what runs goes back to the queue."""
        host.stop(0)

    def abandoned(self, host: Host) -> None:
        return


class Host:
    """Runs one pipeline until somebody stops it."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        display: Display,
        what: str,
        verbose: bool = False,
        greet: Callable[[], None] = lambda: None,
    ) -> None:
        """``greet`` is called once the home is ours and before anything is shown."""
        self.home = home
        self.settings = settings
        self._what = what
        self._verbose = verbose
        self._greet = greet
        self._code = 0
        self._heard = 0
        self._fault: Exception | None = None
        self._stopping = False
        self._timers: list[Any] = []
        self._application = qt.application()
        self.pipeline = make_pipeline(
            home, settings, what=what, web=settings["web"] and what in ("serve", "demo")
        )
        self._make_display = display
        self._task: Task = Serving()

    def run(self, task: Task) -> int:
        """Start, serve, stop; the exit code.

        Raises ``environment.*`` where the home cannot be used, among them
        ``environment.locked`` when another pipeline has it.
        """
        self._task = task
        self.home.create()
        logs = log_to(self.home.logs, self.settings["log_mb"], self.settings["log_files"])
        try:
            return self._run_logged()
        finally:
            stop_logging(logs)

    def _run_logged(self) -> int:
        self.pipeline.bus.subscribe(EventLog().hear)
        self.pipeline.start()
        # Not before: until the home is ours its log is another pipeline's.
        log.info("AutoSegPipeline %s begins to %s %s", __version__, self._what, self.home.root)
        self.narrator = Narrator(
            lambda: self.pipeline.store, self.home.results, files_to_come=self._files_to_come
        )
        self.pipeline.bus.subscribe(self.narrator.hear)
        self.pipeline.bus.subscribe(self._task.hear)
        self._mirror = _Mirror(self.narrator, self._verbose)
        self._display: Lines | LivePicture | Silence = self._make_display(self.narrator)
        self._greet()
        signals = Signals(self._signal)
        self._display.start()
        self._timers.append(qt.make_timer(_REFRESH_MS, self._refresh))
        try:
            self.later(lambda: self._task.begin(self))
            qt.run_loop(self._application)
        finally:
            self._stop_timers()
            self._show(self._display.close)
            signals.close()
            stop_logging(self._mirror)
        log.info("ends with %s", self._code)
        if self._fault is not None:
            raise self._fault
        return self._code

    @property
    def log_has_errors(self) -> bool:
        """Whether something went into the log that a person should look at."""
        return self._mirror.errors > 0

    def later(self, action: Callable[[], None]) -> None:
        """``action`` on the next turn of the event loop."""
        qt.single_shot(0, lambda: self._guarded(action))

    def every(self, seconds: float, action: Callable[[], None]) -> None:
        """``action`` again and again until the end."""
        self._timers.append(qt.make_timer(int(seconds * 1000), lambda: self._guarded(action)))

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # Qt would print it and go on; run() raises it when all has stopped
            log.exception("the host failed")
            self._fault = self._fault or error
            self.stop(1)

    def stop(self, code: int) -> None:
        """Stop the pipeline and leave with ``code``; what runs goes back to the queue."""
        if self._stopping:
            return
        self._stopping = True
        self._code = code
        self.pipeline.stop(self._leave)

    def _leave(self) -> None:
        # The store is closed: nothing may look into it any more.
        self._stop_timers()
        self._application.quit()

    def _stop_timers(self) -> None:
        for timer in self._timers:
            timer.stop()

    def _files_to_come(self) -> int:
        return self.pipeline.flow.watched_inbox.waiting

    def _signal(self, name: str) -> None:
        if name == "SIGHUP" and self._heard:
            return  # a closed window sends it twice, by the kernel and by the shell; nobody is impatient
        self._heard += 1
        log.warning("%s", name)
        if self._heard == 1:
            self.narrator.say("stopping; Ctrl+C once more stops at once")
            self._refresh()
            self._guarded(lambda: self._task.interrupted(self))
            return
        # Nothing is lost: the store is durable and the children end with their standard input.
        self._show(self._display.close)
        self.pipeline.stop()  # the second call kills the children
        self._task.abandoned(self)
        logging.shutdown()
        os._exit(130)

    def _refresh(self) -> None:
        if self.pipeline.stopped:  # `autoseg stop` asked for it, or it could not start
            self._fault = self._fault or self.pipeline.failure
            self._leave()
            return
        self._show(self._display.refresh)

    def _show(self, action: Callable[[], None]) -> None:
        """Draw; a terminal that is gone (a closed window or pipe) does not end the pipeline."""
        try:
            action()
        except (OSError, ValueError):
            log.warning("nobody reads the display any more")
            finish_streams()  # that nobody does is no failure of the pipeline at its end
            self._display = Silence(self.narrator)


class _Mirror(logging.Handler):
    """The log's errors, with --verbose all of it, among the lines of the display."""

    def __init__(self, narrator: Narrator, verbose: bool) -> None:
        super().__init__(logging.INFO if verbose else logging.ERROR)
        self._narrator = narrator
        self.errors = 0
        logging.getLogger(LIBRARY).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        bad = record.levelno >= logging.ERROR
        self.errors += bad
        text = f"{record.levelname.lower()}: {record.getMessage()}"
        self._narrator.say(text, "red" if bad else "dim", error=bad)
