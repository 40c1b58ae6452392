"""What the web child has beyond other children: its page's address, and a port that it comes back to."""

from __future__ import annotations

import logging
from typing import Callable, ClassVar, Mapping

from ...core.clock import Clock
from ...core.errors import PipelineError
from ...core.events import Event, WebFailed, WebServing
from ...core.home import Home
from ...core.messages.child_messages import Message
from ...core.messages.web_messages import Serving
from ...core.settings import Settings
from .child import Exit, Spawn
from .child_host import ChildHost
from .child_kinds import WEB

log = logging.getLogger(__name__)


class WebHost(ChildHost):
    """The web page of one pipeline; ``publish`` tells everybody where it is or why there is none.

    The note in the store: ``{"url", "port", "pid", "error"}``.
    """

    passing = ("web.died", "web.internal", "web.unavailable", "environment.")
    absent: ClassVar[Mapping[str, object]] = {"url": "", "port": 0, "pid": 0}

    def __init__(
        self,
        home: Home,
        spawn: Spawn | None,
        clock: Clock,
        note: Callable[[dict[str, object] | None], None],
        publish: Callable[[Event], None],
    ) -> None:
        super().__init__(WEB, home, spawn, clock, note)
        self._title = "the web page"
        self._publish = publish
        self._kept_port = 0  # of the page that died: whoever reads it comes back there
        self.url = ""
        self.port = 0

    def stop(self) -> None:
        """End the page; the next one takes any port again."""
        self._kept_port = 0
        super().stop()

    def _on_begin(self, settings: Settings) -> dict[str, object]:
        values = super()._on_begin(settings)
        if not values["port"] and self._kept_port:
            values["port"] = self._kept_port
        return values

    def _on_message(self, message: Message) -> None:
        if isinstance(message, Serving):  # hello alone is no page yet
            self.url, self.port = message.url, message.port
            self._kept_port = self.port
            self._works({"url": self.url, "port": self.port, "pid": self.pid, "error": None})
            log.info("the web page is at %s", self.url)
            self._publish(WebServing(self.url))

    def _on_not_started(self, reason: str) -> PipelineError:
        return PipelineError("web.packages_missing", reason)

    def _on_death(self, ended: Exit) -> PipelineError:
        return PipelineError("web.died", f"the web child ended ({ended.how})")

    def _on_error(self, error: PipelineError) -> bool:
        """Another program took the kept port meanwhile; any other will do where nobody chose one."""
        chosen = self._settings is not None and self._settings["port"]
        if error.code != "web.port_busy" or not self._kept_port or chosen:
            return False
        self._kept_port = 0
        return True

    def _ended(self, ended: Exit) -> None:
        self.url, self.port = "", 0
        if not self._wanted:
            self._kept_port = 0
        super()._ended(ended)

    def _give_up(self, error: PipelineError) -> None:
        super()._give_up(error)
        self._publish(WebFailed(error.code, error.message, error.hint))
