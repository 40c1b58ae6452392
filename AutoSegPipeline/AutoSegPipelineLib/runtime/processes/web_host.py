"""Keeps the web child alive and tells everybody where its page is."""

from __future__ import annotations

import logging
from typing import Any, Callable

from ...core.clock import Clock
from ...core.errors import PipelineError, from_dict
from ...core.events import Event, WebFailed, WebServing
from ...core.home import Home
from ...core.messages.child_messages import Failed, Hello, Log
from ...core.messages.web_messages import HomeFolders, Serve, Serving
from ...core.protocol import Envelope
from ...core.settings import Settings
from .. import qt
from .child import ChildLike, Exit
from .child_kinds import WEB
from .intake_client import Spawn

log = logging.getLogger(__name__)

META = "web"  # the note in the store: {"url", "port", "pid", "error"}
# Starting again may help; with everything else that a child says a person has to change something.
_PASSING = ("web.died", "web.internal", "web.unavailable", "environment.")
_QUIT_SECONDS = 4.0


class WebHost:
    """At most one web child: started, started again with back-off, ended.

    ``note`` writes the store's note, ``tell`` publishes an event; both may find the
    disk full, which must not stop the page.
    """

    def __init__(
        self,
        home: Home,
        spawn: Spawn | None,
        clock: Clock,
        note: Callable[[dict[str, object] | None], None],
        tell: Callable[[Event], None],
    ) -> None:
        self._home = home
        self._spawn = spawn
        self._clock = clock
        self._note = note
        self._tell = tell
        self._settings: Settings | None = None
        self._child: ChildLike | None = None
        self._wanted = False
        self._kept_port = 0  # of the page that died: whoever reads it comes back there
        self._wait = WEB.restart.first_wait
        self._served_at: float | None = None
        self._said: PipelineError | None = None  # of the child at hand
        self._error: PipelineError | None = None  # after which nobody tries again
        self._again: Any = None
        self.url = ""
        self.port = 0
        self.pid = 0

    @property
    def ended(self) -> bool:
        """Whether no web child is there."""
        return self._child is None

    @property
    def wanted(self) -> bool:
        """Whether there is to be a page, which may be on its way or in trouble."""
        return self._wanted

    @property
    def error(self) -> PipelineError | None:
        """Why there is no page now."""
        return self._error

    def start(self, settings: Settings) -> None:
        """Begin to serve by ``settings``; again while it serves is nothing."""
        if self._wanted and self._error is None:
            return
        self._settings, self._wanted, self._error = settings, True, None
        self._wait = WEB.restart.first_wait
        if self._child is None:
            self._begin()

    def stop(self) -> None:
        """End the page; :attr:`ended` tells when it is gone."""
        self._wanted, self._error, self._kept_port = False, None, 0
        if self._again is not None:
            self._again.stop()
        if self._child is not None:
            self._child.quit(_QUIT_SECONDS)
        self._note(None)

    def kill(self) -> None:
        """End it at once."""
        self._wanted = False
        if self._child is not None:
            self._child.kill()

    def _begin(self) -> None:
        if not self._wanted or self._child is not None or self._settings is None:
            return
        self._said, self._error, self._served_at = None, None, None
        if self._spawn is None:
            self._failed(PipelineError("web.packages_missing", "this host has no process for the page"))
            return
        home = self._home
        values = dict(self._settings.values)
        if not values["port"] and self._kept_port:
            values["port"] = self._kept_port
        self._child = self._spawn(self._heard, self._logged, self._ended)
        self._child.start()
        folders = HomeFolders(str(home.root), str(home.inbox), str(home.results), str(home.state))
        self._child.send(Envelope(Serve(folders, values)))

    def _heard(self, envelope: Envelope) -> None:
        message = envelope.message
        if isinstance(message, Hello):
            self.pid = message.pid
        elif isinstance(message, Serving):
            self.url, self.port = message.url, message.port
            self._kept_port = self.port
            self._served_at = self._clock.monotonic()
            self._note({"url": self.url, "port": self.port, "pid": self.pid, "error": None})
            log.info("the web page is at %s", self.url)
            self._tell(WebServing(self.url))
        elif isinstance(message, Failed):
            self._said = from_dict(message.error)
        elif isinstance(message, Log):
            level = logging.getLevelName(message.level.upper())
            log.log(level if isinstance(level, int) else logging.INFO, "web: %s", message.text)

    def _logged(self, line: str) -> None:
        log.warning("web: %s", line)

    def _ended(self, ended: Exit) -> None:
        self._child = None
        self.url, self.port, self.pid = "", 0, 0
        if not self._wanted:
            self._note(None)
            self._kept_port = 0
            return
        if ended.asked:
            self._begin()  # asked for while the one before it was ending
            return
        error = self._said
        if ended.failed_to_start:
            error = PipelineError("web.packages_missing", ended.note)
        if error is not None and error.code == "web.port_busy" and self._kept_port and self._any_port():
            self._kept_port = 0  # somebody took it meanwhile; any other will do
            self._begin()
        elif error is not None and (not error.code.startswith(_PASSING)):
            self._failed(error)
        else:
            self._come_back(error or PipelineError("web.died", _last_words(ended)))

    def _any_port(self) -> bool:
        return self._settings is not None and not self._settings["port"]

    def _come_back(self, error: PipelineError) -> None:
        if (
            self._served_at is not None
            and self._clock.monotonic() - self._served_at > WEB.restart.well_seconds
        ):
            self._wait = WEB.restart.first_wait
        log.error("the web page is started again in %.1f s: %s", self._wait, error.message)
        self._note({"url": "", "port": 0, "pid": 0, "error": error.to_dict()})
        self._again = qt.make_alarm(self._begin)
        self._again.start(int(self._wait * 1000))
        self._wait = min(self._wait * 2, WEB.restart.longest_wait)

    def _failed(self, error: PipelineError) -> None:
        self._error = error
        log.error("there is no web page: %s", error)
        self._note({"url": "", "port": 0, "pid": 0, "error": error.to_dict()})
        self._tell(WebFailed(error.code, error.message, error.hint))


def _last_words(ended: Exit) -> str:
    return f"the web child ended ({ended.how})"
