"""The web servers of a Slicer: the embedded one, the full one, and the handler on a stock one."""

from __future__ import annotations

from typing import Any, Callable

from ..core.errors import PipelineError
from ..runtime.api import AutoSeg
from ..web.accounts.accounts import accounts_exist as has_accounts
from .server.embedded import PORT, EmbeddedServer
from .server.host import PipelineHost
from .server.stock_handler import PREFIX, make_handler

EMBEDDED, FULL = "embedded", "full"
KINDS = (EMBEDDED, FULL)
_ACCOUNTS = "there are accounts, which this server cannot ask for: use the full web server"


class Servers:
    """At most one server at a time.

    ``open_autoseg`` gives the pipeline, started where it was not; ``running`` the one that runs, if any.
    """

    def __init__(
        self, open_autoseg: Callable[[], AutoSeg], running: Callable[[], AutoSeg | None] | None = None
    ) -> None:
        self._open_autoseg = open_autoseg
        self._running = running or open_autoseg
        self._embedded: EmbeddedServer | None = None
        self._stock: tuple[object, Any, PipelineHost] | None = None  # handler, Slicer's logic, its pipeline

    @property
    def kind(self) -> str:
        """``embedded``, ``full``, or empty while none is running."""
        if self._embedded is not None:
            return EMBEDDED
        autoseg = self._running()
        # It may also have come with the pipeline, by the setting ``web``.
        return FULL if autoseg is not None and autoseg.pipeline.web.wanted else ""

    @property
    def url(self) -> str:
        """Where a browser finds it; empty while it is not (yet) there."""
        if self._embedded is not None:
            return self._embedded.url
        return str(self._note().get("url") or "")

    @property
    def problem(self) -> str:
        """Why the full server is not there, as it said."""
        error = self._note().get("error")
        return str(error["message"]) if isinstance(error, dict) else str(error or "")

    def _note(self) -> dict[str, object]:
        autoseg = self._running()
        return {} if autoseg is None else dict(autoseg.pipeline.store.meta.get("web") or {})

    def start(self, kind: str = EMBEDDED, port: int | None = None, **settings: Any) -> str:
        """Start a server, and stop another one; its address, empty while the full one is starting.

        ``port`` 0 takes any that is free. ``settings`` are of the full server (``host``, ``tls_cert`` ...).
        Raises ``web.port_busy``; ``request.invalid`` for an unknown kind, and for the embedded
        server while accounts exist.
        """
        if kind not in KINDS:
            raise PipelineError("request.invalid", f"there is no web server {kind!r}: {' or '.join(KINDS)}")
        self.stop()
        autoseg = self._open_autoseg()
        if kind == FULL:
            given = {"port": PORT if port is None else port, **settings}
            autoseg.pipeline.web.start(autoseg.settings.changed(**given))
            return self.url
        if settings:
            raise PipelineError("request.invalid", f"the embedded web server has no {', '.join(settings)}")
        if accounts_exist(autoseg):
            raise PipelineError("request.invalid", _ACCOUNTS)
        server = EmbeddedServer(autoseg, PORT if port is None else port)
        server.start()
        self._embedded = server
        return self.url

    def stop(self) -> None:
        """Close the port; again is fine."""
        embedded, self._embedded = self._embedded, None
        if embedded is not None:
            embedded.stop()
        autoseg = self._running()
        if autoseg is not None and autoseg.pipeline.web.wanted:
            autoseg.pipeline.web.stop()

    # --- the user's own stock web server ---------------------------------------------------------

    @property
    def is_registered(self) -> bool:
        """Whether the stock web server has our handler."""
        return self._stock is not None and self._stock[0] in self._stock[1].requestHandlers

    def register_with_stock(self) -> str:
        """Put our handler under ``/autoseg/`` of Slicer's own Web Server module; the prefix.

        Its panel drops every handler but its own when it starts the server: register again afterwards.
        Raises ``request.invalid`` while accounts exist.
        """
        import slicer
        from WebServerLib import BaseRequestHandler

        autoseg = self._open_autoseg()
        if accounts_exist(autoseg):
            raise PipelineError("request.invalid", _ACCOUNTS)
        self.unregister_from_stock()
        host = PipelineHost(autoseg)
        handler = make_handler(BaseRequestHandler, host, lambda: _ACCOUNTS if accounts_exist(autoseg) else "")
        logic = slicer.util.getModuleLogic("WebServer")
        logic.requestHandlers.append(handler)
        if logic.server is not None and handler not in logic.server.requestHandlers:
            # It was started without any handler and so has a list of its own.
            logic.server.requestHandlers.append(handler)
        self._stock = (handler, logic, host)
        return PREFIX + "/"

    def unregister_from_stock(self) -> None:
        """Take our handler out again; again is fine."""
        if self._stock is None:
            return
        handler, logic, host = self._stock
        self._stock = None
        host.close()
        for owner in (logic, logic.server):
            if owner is not None and handler in owner.requestHandlers:
                owner.requestHandlers.remove(handler)


def accounts_exist(autoseg: AutoSeg) -> bool:
    """Whether anybody has an account in this home."""
    return has_accounts(autoseg.home)
