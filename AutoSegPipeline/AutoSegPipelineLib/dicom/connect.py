"""Associations with a peer of ``dicom.json`` that we ask for; every wait in them ends."""

from __future__ import annotations

import contextlib
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterator, Sequence

from ..core.errors import PipelineError
from ..core.pacs.config import Peer

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.events import Event, EventHandlerType
    from pynetdicom.presentation import PresentationContext

CONNECT_SECONDS = 10.0
NEGOTIATE_SECONDS = 20.0
ANSWER_SECONDS = 60.0  # between two messages of the peer, and until it has read a piece of ours
_PARTIAL_CHAIN = 0x80000  # ssl.VERIFY_X509_PARTIAL_CHAIN; Python 3.9 has no name for it
SUCCESS, PENDING, CANCELLED = 0x0000, (0xFF00, 0xFF01), 0xFE00
Handler = Callable[["Event"], int]


@dataclass(frozen=True)
class Wanted:
    """``contexts`` to propose; ``stores`` answers the C-STORE requests of a C-GET for ``store_classes``."""

    contexts: Sequence[PresentationContext]
    stores: Handler | None = None
    store_classes: Sequence[str] = field(default_factory=tuple)
    answer_seconds: float = ANSWER_SECONDS


@dataclass(frozen=True)
class Ourselves(Peer):
    """Our own receiver: known by its very certificate (``tls_ca``), whatever name that has."""


@contextlib.contextmanager
def association(name: str, peer: Peer, wanted: Wanted) -> Iterator[Association]:
    """An open association, released at the end and aborted after an error.

    Raises ``pacs.peer_away`` where nobody answers and ``pacs.peer_refuses`` where the peer does not want
    us; ``pacs.configuration`` for certificates that cannot be read.
    """
    from pynetdicom import AE, build_role, evt

    ae = AE(ae_title=peer.our_title)
    ae.connection_timeout = CONNECT_SECONDS
    ae.acse_timeout = NEGOTIATE_SECONDS
    ae.dimse_timeout = wanted.answer_seconds
    ae.network_timeout = wanted.answer_seconds
    began = time.monotonic()

    def bound(event: Event) -> None:
        # Otherwise writing waits for ever for a peer that has stopped reading, and with it whoever aborts.
        connection = event.assoc.dul.socket
        if connection is not None and connection.socket is not None:
            connection.socket.settimeout(wanted.answer_seconds)

    handlers: list[EventHandlerType] = [(evt.EVT_CONN_OPEN, bound)]
    if wanted.stores:
        handlers.append((evt.EVT_C_STORE, wanted.stores))
    try:
        link = ae.associate(
            peer.host, peer.port, list(wanted.contexts), ae_title=peer.title, tls_args=_tls(name, peer),
            ext_neg=[build_role(uid, scp_role=True) for uid in wanted.store_classes],  # PS3.7 D.3.3.4
            evt_handlers=handlers,
        )  # fmt: skip
    except (OSError, RuntimeError) as error:
        raise PipelineError("pacs.peer_away", f"{name}: {error}") from error
    if not link.is_established:
        raise _refused(name, peer, link, time.monotonic() - began)
    try:
        yield link
    except BaseException:
        link.abort()
        raise
    if link.is_established:
        link.release()


def failed(name: str, what: str, status: int | None) -> PipelineError:
    """The error of a status that is no success; None: the peer fell silent or closed the connection."""
    if status is None:
        return PipelineError("pacs.peer_failed", f"{name} did not answer {what}, or closed the connection")
    if status == 0xA801:
        return PipelineError("pacs.peer_refuses", f"{name} does not know the destination of {what}")
    if status in (0x0122, 0xA900):
        return PipelineError("pacs.peer_failed", f"{name} cannot do {what} (status {status:04X})")
    return PipelineError("pacs.peer_failed", f"{name} answered {what} with status {status:04X}")


def _tls(name: str, peer: Peer) -> tuple[ssl.SSLContext, str] | None:
    if not peer.tls:
        return None
    context = tls_context(name, peer.tls_ca, peer.tls_cert, peer.tls_key)
    context.check_hostname = not isinstance(peer, Ourselves)
    return context, peer.host


def tls_context(name: str, ca: str, cert: str, key: str) -> ssl.SSLContext:
    """Checks the peer's certificate and its name; shows ours where there is one.

    ``ca`` may also be the peer's own certificate, whoever signed it, as in Python 3.13 and newer.
    """
    try:
        context = ssl.create_default_context(cafile=ca or None)
        context.verify_flags |= _PARTIAL_CHAIN
        if cert:
            context.load_cert_chain(cert, key or None)
    except (OSError, ssl.SSLError) as error:
        which = ", ".join(str(Path(path)) for path in (ca, cert, key) if path)
        raise PipelineError("pacs.configuration", f"{name}: {which} cannot be used: {error}") from error
    return context


def _refused(name: str, peer: Peer, link: Association, seconds: float) -> PipelineError:
    answer = link.acceptor.primitive
    if link.is_rejected and answer is not None:
        why = answer.reason_str or "no reason"
        return PipelineError(
            "pacs.peer_refuses",
            f"{name} rejects {peer.our_title} calling {peer.title}: {why[:1].lower()}{why[1:]}",
        )
    if answer is not None and getattr(answer, "result", None) == 0:
        return PipelineError("pacs.peer_refuses", f"{name} offers none of the services that are needed")
    return PipelineError(
        "pacs.peer_away",
        f"{name} does not answer at {peer.host}, port {peer.port} ({seconds:.0f} s)",
    )
