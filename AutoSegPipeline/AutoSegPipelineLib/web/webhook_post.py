"""One POST to an address of the settings: no redirects, no proxies, never longer than it may take."""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass
from typing import Mapping, Optional
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Target:
    """Where to."""

    tls: bool
    host: str
    port: int
    path: str


def target_of(url: str) -> Optional[Target]:
    """The parts of ``url``; None where it is no address of HTTP or HTTPS."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        return None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not (path.isascii() and path.isprintable() and " " not in path):
        return None
    tls = parts.scheme == "https"
    return Target(tls, parts.hostname, port or (443 if tls else 80), path)


class Post:
    """Sent once, from a thread; :meth:`cut` ends it from another."""

    SECONDS = 20.0  # altogether
    _IDLE = 10.0

    def __init__(self, target: Target, headers: Mapping[str, str], body: bytes) -> None:
        self._target = target
        self._headers = dict(headers)
        self._body = body
        self._cut = False
        self._connection: Optional[http.client.HTTPConnection] = None

    def send(self) -> tuple[Optional[int], str]:
        """The status of the answer, or None and what went wrong."""
        target = self._target
        connection: http.client.HTTPConnection
        if target.tls:
            trust = ssl.create_default_context()
            connection = http.client.HTTPSConnection(
                target.host, target.port, timeout=self._IDLE, context=trust
            )
        else:
            connection = http.client.HTTPConnection(target.host, target.port, timeout=self._IDLE)
        self._connection = connection
        try:
            if self._cut:
                return None, "ended"
            connection.request("POST", target.path, self._body, self._headers)
            return int(connection.getresponse().status), ""
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            # AttributeError: http.client, when it was cut between two steps.
            return None, f"{type(error).__name__}: {error}"[:300]
        finally:
            connection.close()

    def cut(self) -> None:
        """End it now."""
        self._cut = True
        connection = self._connection
        sock = connection.sock if connection is not None else None
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended by itself
