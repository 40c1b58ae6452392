"""The socket on which the receiver listens, with or without TLS."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
from typing import Callable, Optional

from ...core.errors import PipelineError
from ...core.pacs.config import Receiver

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 30.0
_LOOK_SECONDS = 0.5
_WAITING = 64
Connected = Callable[[socket.socket, str, Optional[ssl.SSLContext]], None]


class Listener:
    """``connected`` gets each connection, with the address and how to secure it."""

    def __init__(self, connected: Connected) -> None:
        self._connected = connected
        self._place: tuple[object, ...] = ()
        self._socket: socket.socket | None = None

    def listen(self, config: Receiver) -> None:
        """Listen as ``config`` says, if that is not so already. Raises ``pacs.cannot_listen``."""
        place = _place(config)
        if self._socket is not None and place == self._place:
            return
        tls = _tls(config)
        self.close()
        found = _bound(config)
        self._socket, self._place = found, place
        threading.Thread(target=self._accept, args=(found, tls), name="accept", daemon=True).start()
        log.info("%s listens on %s, port %d", config.title, config.host, found.getsockname()[1])

    def close(self) -> None:
        """Listen no more; again is fine."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @staticmethod
    def secured(connection: socket.socket, tls: ssl.SSLContext | None) -> socket.socket:
        """``connection`` after the handshake. Raises OSError."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(HANDSHAKE_SECONDS)
        return connection if tls is None else tls.wrap_socket(connection, server_side=True)

    def _accept(self, listening: socket.socket, tls: ssl.SSLContext | None) -> None:
        while self._socket is listening:
            try:
                connection, address = listening.accept()
            except socket.timeout:
                continue
            except OSError as error:
                if self._socket is listening:
                    log.error("no connection could be accepted: %s", error)
                    threading.Event().wait(_LOOK_SECONDS)  # too many open files, say
                continue
            self._connected(connection, str(address[0]), tls)


def _place(config: Receiver) -> tuple[object, ...]:
    files = config.tls_cert, config.tls_key, config.tls_ca
    return config.host, config.port, *((one, _changed_at(one)) for one in files if one)


def _changed_at(path: str) -> int:
    """A certificate that is renewed is used from then on."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _bound(config: Receiver) -> socket.socket:
    try:
        family = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0][0]
        found = socket.socket(family, socket.SOCK_STREAM)
        try:
            # On Windows the option would let two programs share the port.
            if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
                found.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((config.host, config.port))
            found.listen(_WAITING)
            found.settimeout(_LOOK_SECONDS)
        except OSError:
            found.close()
            raise
    except OSError as error:
        raise PipelineError(
            "pacs.cannot_listen", f"the receiver cannot listen on {config.host}, port {config.port}: {error}"
        ) from error
    return found


def _tls(config: Receiver) -> ssl.SSLContext | None:
    """None without a certificate of our own. With ``tls_ca`` a peer has to show one that it signed."""
    if not config.tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.tls_cert, config.tls_key)
        if config.tls_ca:
            context.load_verify_locations(config.tls_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as error:
        raise PipelineError(
            "pacs.cannot_listen", f"the receiver's certificates cannot be used: {error}"
        ) from error
    return context
