"""Associations with a peer of ``dicom.json``: bounded in time, with its titles and TLS."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, Iterator, Sequence

from ..core.errors import PipelineError
from ..core.pacs.config import Peer

if TYPE_CHECKING:
    from pynetdicom.association import Association

CONNECT_SECONDS = 15.0
ACSE_SECONDS = 30.0
DIMSE_SECONDS = 300.0
MOST_CONTEXTS = 128  # PS3.8, 9.3.2.2
_EXPLICIT, _IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"


def tls_context(peer: Peer) -> ssl.SSLContext:
    """Checks the peer's certificate against ``tls_ca``, or against the system's authorities without it.

    Raises ``pacs.configuration`` where a file of it cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=peer.tls_ca or None)
        if peer.tls_cert:
            context.load_cert_chain(peer.tls_cert, peer.tls_key or None)
    except (OSError, ssl.SSLError) as error:
        raise PipelineError(
            "pacs.configuration", f"the TLS files of {peer.title} cannot be used: {error}"
        ) from None
    return context


@contextlib.contextmanager
def association(
    name: str, peer: Peer, contexts: Sequence[tuple[str, Sequence[str]]]
) -> Iterator[Association]:
    """An association that proposes each (SOP class, transfer syntaxes) in a context of its own.

    ``name`` is the peer's in ``dicom.json``. Raises ``pacs.unreachable``, ``pacs.configuration``.
    """
    from pynetdicom import AE

    entity = AE(ae_title=peer.our_title)
    entity.connection_timeout = CONNECT_SECONDS
    entity.acse_timeout = ACSE_SECONDS
    entity.dimse_timeout = entity.network_timeout = DIMSE_SECONDS
    entity.maximum_pdu_size = 0  # as large as the peer takes
    for sop_class, syntaxes in contexts[:MOST_CONTEXTS]:
        entity.add_requested_context(sop_class, list(syntaxes) or [_EXPLICIT, _IMPLICIT])
    found = entity.associate(
        peer.host, peer.port, ae_title=peer.title,
        tls_args=(tls_context(peer), peer.host) if peer.tls else None,
    )  # fmt: skip
    try:
        if not found.is_established and not found.rejected_contexts:
            raise PipelineError(
                "pacs.unreachable", f"{name} {_why(found)} ({peer.title} at {peer.host}:{peer.port})"
            )
        yield found
    finally:
        if found.is_established:
            found.release()
        elif found.is_alive():
            found.abort()


def _why(found: Association) -> str:
    if found.is_rejected:
        answer = found.acceptor.primitive
        reason = getattr(answer, "reason_str", "") if answer is not None else ""
        return f"refused the association{': ' if reason else ''}{reason}"
    return "did not answer"
