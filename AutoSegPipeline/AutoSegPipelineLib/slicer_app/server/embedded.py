"""The site on Slicer's own WebServer classes: loopback only, our handler alone."""

from __future__ import annotations

import logging
from typing import Any

from ...core.errors import PipelineError
from ...runtime.api import AutoSeg
from .host import PipelineHost
from .site import Site
from .sockets import HOST, Clients, bind

log = logging.getLogger(__name__)
PORT = 8080


def slicer_classes() -> tuple[object, object]:
    """Slicer's ``SlicerHTTPServer`` and ``WebServerLogic``.

    Raises ``request.invalid`` in a Slicer that was built without the module.
    """
    try:
        from WebServer import SlicerHTTPServer, WebServerLogic
    except ImportError as error:
        raise PipelineError("request.invalid", "this Slicer has no Web Server module") from error
    return SlicerHTTPServer, WebServerLogic


def _server_class(base: Any) -> object:
    class LoopbackServer(base):
        """Slicer's server with a socket of our own making and clients that never block Slicer.

        What it overrides is the same in every Slicer from 5.6 on: binding, accepting, start and stop.
        """

        def server_bind(self) -> None:
            # Not HTTPServer's, which looks the host's name up and may wait for a name server.
            bind(self.socket, int(self.server_address[1]))
            self.server_address: Any = self.socket.getsockname()
            self.server_name, self.server_port = "localhost", int(self.server_address[1])

        def server_activate(self) -> None:
            self.clients = Clients(self.socket)

        def serve(self, site: Site) -> None:
            self.clients.start(site)

        def start(self) -> None:
            """Slicer's would make a notifier of its own; ours is made in :meth:`serve`."""

        def stop(self) -> None:
            self.clients.stop()

    return LoopbackServer


def _logic_class(base: Any, server: Any) -> Any:
    class LoopbackLogic(base):
        """Slicer's logic, which would listen on all interfaces and on a port of its own choice."""

        loopback_port = PORT

        def start(self) -> None:
            self.stop()
            self.server = server(server_address=(HOST, self.loopback_port))
            self.port = self.server.server_port
            self.serverStarted = True

    return LoopbackLogic


class EmbeddedServer:
    """Started by :meth:`start`, ended by :meth:`stop`; ``port`` is where it listens."""

    def __init__(self, autoseg: AutoSeg, port: int = PORT) -> None:
        self._autoseg = autoseg
        self.port = port
        self._logic: Any = None
        self._host: PipelineHost | None = None

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        """Listen on this machine's loopback. Raises ``web.port_busy``."""
        server_base, logic_base = slicer_classes()
        logic = _logic_class(logic_base, _server_class(server_base))(port=self.port, requestHandlers=[])
        logic.loopback_port = self.port  # Slicer's takes 0 for its default
        logic.start()
        self._logic, self.port = logic, logic.port
        self._host = PipelineHost(self._autoseg)
        logic.server.serve(Site(self._host, self.port))
        log.info("the embedded web server listens at %s", self.url)

    def stop(self) -> None:
        """Close the port and every connection; again is fine."""
        if self._logic is not None:
            self._logic.stop()
            self._logic = None
        if self._host is not None:
            self._host.close()
            self._host = None
