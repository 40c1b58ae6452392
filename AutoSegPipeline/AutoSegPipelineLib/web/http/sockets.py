"""The sockets that the page listens on, with errors that say what to do."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
from pathlib import Path

from ...core.errors import PipelineError
from ...core.ports import claim, is_busy
from ..config import WebConfig

_BACKLOG = 512


def listen(config: WebConfig) -> list[socket.socket]:
    """Bound and listening sockets of ``config.host``, all on one port.

    Raises ``web.port_busy`` and ``web.cannot_bind``.
    """
    host = config.host.strip("[]")
    try:
        found = socket.getaddrinfo(
            host or None, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise PipelineError("web.cannot_bind", f"{config.host} is no address: {error.strerror}") from error
    port, sockets = config.port, []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            if family not in (socket.AF_INET, socket.AF_INET6):
                continue
            one = _bound(family, (address[0], port, *address[2:]), config)
            if one is not None:
                sockets.append(one)
                port = port or int(one.getsockname()[1])
    except BaseException:
        for one in sockets:
            one.close()
        raise
    if not sockets:
        raise PipelineError("web.cannot_bind", f"{config.host} is no address of this machine")
    return sockets


def _bound(family: int, address: tuple[object, ...], config: WebConfig) -> socket.socket | None:
    """One listening socket; None where the machine lacks the family (a name may stand for both)."""
    try:
        # With the protocol named asyncio switches Nagle off: else each answer waits 40 ms for an ACK.
        one = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError:
        return None
    try:
        claim(one)
        if family == socket.AF_INET6:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
        one.listen(_BACKLOG)
        one.setblocking(False)
        return one
    except OSError as error:
        one.close()
        if family == socket.AF_INET6 and error.errno == errno.EADDRNOTAVAIL and ":" not in config.host:
            return None  # "localhost" may name ::1 where IPv6 is switched off
        if is_busy(error):
            raise PipelineError(
                "web.port_busy", f"another program listens on port {address[1]} of {address[0]}"
            ) from error
        raise PipelineError(
            "web.cannot_bind",
            f"port {address[1]} of {address[0]} is not available: {error.strerror or error}",
        ) from error


def check_certificate(config: WebConfig) -> None:
    """Raise ``web.certificate`` unless certificate and key are there and belong together."""
    if not config.tls_cert and not config.tls_key:
        return
    if not config.tls_cert:
        raise PipelineError("web.certificate", "there is a key (tls_key) but no certificate (tls_cert)")
    for name in filter(None, (config.tls_cert, config.tls_key)):
        try:
            with open(Path(name), "rb") as stream:
                stream.read(1)
        except OSError as error:
            raise PipelineError("web.certificate", f"{name} cannot be read: {error.strerror}") from error
    try:
        trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trial.load_cert_chain(config.tls_cert, config.tls_key or None, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise PipelineError(
            "web.certificate", f"{config.tls_cert} and its key cannot be used: {error}"
        ) from error


def _no_password() -> str:
    raise ValueError("the key is protected by a password")
