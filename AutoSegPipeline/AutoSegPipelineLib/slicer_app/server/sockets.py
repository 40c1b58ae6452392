"""A socket that only this machine can reach, and the clients that came through it."""

from __future__ import annotations

import socket
from typing import Any

from ...core.errors import PipelineError
from ...core.ports import claim, is_busy
from ...runtime import qt
from .connection import Connection, Site

HOST = "127.0.0.1"
_CLIENTS = 64
_BACKLOG = 32
_TICK_SECONDS = 2.0


def bind(listener: socket.socket, port: int) -> None:
    """Bind ``listener`` to ``port`` of the loopback, 0 for any that is free.

    Raises ``web.port_busy`` where another program has it, and ``web.cannot_bind``.
    """
    claim(listener)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        if not is_busy(error):
            raise PipelineError(
                "web.cannot_bind", f"port {port} of {HOST} is not available: {error.strerror or error}"
            ) from error
        raise PipelineError(
            "web.port_busy", f"port {port} is in use by another program", "Choose another port."
        ) from error


class Clients:
    """Accepts clients of a listening socket on the Qt loop."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._site: Site | None = None
        self._connections: set[Connection] = set()
        self._notifier: Any = None
        self._timer: Any = None

    def start(self, site: Site) -> None:
        """Listen; clients are served by ``site``."""
        self._site = site
        self._listener.setblocking(False)
        self._listener.listen(_BACKLOG)
        self._notifier = qt.make_notifier(self._listener.fileno(), False, self._accept)
        self._timer = qt.make_timer(int(_TICK_SECONDS * 1000), self._tick)

    def stop(self) -> None:
        """Close everything; uploads that are incomplete are dropped. Again is fine."""
        if self._notifier is not None:
            self._notifier.setEnabled(False)
            qt.release(self._notifier)
            self._notifier = None
            self._timer.stop()
            self._timer = None
        for connection in list(self._connections):
            connection.close()
        self._listener.close()

    def _accept(self) -> None:
        if self._notifier is None or self._site is None:
            return
        try:
            client, _address = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        if len(self._connections) >= _CLIENTS:
            client.close()
            return
        self._connections.add(Connection(client, self._site, self._connections.discard))

    def _tick(self) -> None:
        for connection in list(self._connections):
            connection.tick(_TICK_SECONDS)
