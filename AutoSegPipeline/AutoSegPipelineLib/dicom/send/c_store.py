"""C-STORE: what a peer negotiates, and the transfer of files as they are on the disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Sequence

from ...core.errors import PipelineError
from ...core.pacs.config import Peer
from ...core.pacs.object_order import COMPRESSIONS
from ...core.pacs.sends import SentObject
from ..connect import Wanted, association
from ..receive.offered import EXPLICIT_LITTLE, IMPLICIT_LITTLE, VERIFICATION

if TYPE_CHECKING:
    from pynetdicom.association import Association

LABELMAP_SEG = "1.2.840.10008.5.1.4.1.1.66.7"
_PLAIN = [EXPLICIT_LITTLE, IMPLICIT_LITTLE]
STORE_SECONDS = 300.0  # a large object may take a peer as long


def negotiated(name: str, peer: Peer) -> tuple[str, ...]:
    """The keys of :data:`COMPRESSIONS` in which the peer takes label maps, by preference; often none."""
    proposed = [(LABELMAP_SEG, [syntax]) for syntax in COMPRESSIONS.values()]
    with association(name, peer, _wanted(proposed)) as found:
        taken = {
            str(context.transfer_syntax[0])
            for context in found.accepted_contexts
            if context.abstract_syntax == LABELMAP_SEG
        }
    return tuple(word for word, syntax in COMPRESSIONS.items() if syntax in taken)


def store(name: str, peer: Peer, folder: Path, objects: Sequence[SentObject]) -> None:
    """Send every object; returns when the peer has acknowledged them all.

    Raises as :func:`..connect.association`, and :class:`NotTaken`.
    """
    kinds = {(one.sop_class, one.transfer_syntax): _syntaxes(one) for one in objects}
    proposed = [(sop_class, syntaxes) for (sop_class, _), syntaxes in kinds.items()]
    with association(name, peer, _wanted(proposed)) as found:
        for one in objects:
            if not _is_accepted(found, one):
                why = f"it does not negotiate SOP class {one.sop_class} in {one.transfer_syntax}"
                raise NotTaken(name, one, why)
        for one in objects:
            _store(name, found, folder / one.file, one)


class NotTaken(PipelineError):
    """The peer answered that it does not store ``object``."""

    def __init__(self, name: str, object: SentObject, why: str) -> None:
        super().__init__("pacs.not_taken", f"{name} did not take the {object.kind}: {why}")
        self.object = object


def _wanted(proposed: Sequence[tuple[str, list[str]]]) -> Wanted:
    """Each in a context of its own; beside them what every peer takes, so that an association comes about."""
    from pynetdicom import build_context

    contexts = [build_context(VERIFICATION, _PLAIN)]
    contexts += [build_context(sop_class, syntaxes) for sop_class, syntaxes in proposed]
    return Wanted(contexts, answer_seconds=STORE_SECONDS)


def _syntaxes(one: SentObject) -> list[str]:
    return _PLAIN if one.transfer_syntax in _PLAIN else [one.transfer_syntax]


def _is_accepted(found: Association, one: SentObject) -> bool:
    return any(
        context.abstract_syntax == one.sop_class and context.transfer_syntax[0] in _syntaxes(one)
        for context in found.accepted_contexts
    )


def _store(name: str, found: Association, path: Path, one: SentObject) -> None:
    from pydicom import dcmread
    from pynetdicom import _config

    _config.STORE_SEND_CHUNKED_DATASET = True  # a path goes as it lies on the disk, not decoded
    exact = any(
        context.abstract_syntax == one.sop_class and context.transfer_syntax[0] == one.transfer_syntax
        for context in found.accepted_contexts
    )
    if not found.is_established:
        raise PipelineError("pacs.peer_failed", f"{name} broke off the association")
    try:
        answer = found.send_c_store(path if exact else dcmread(path))
    except (RuntimeError, OSError) as error:  # the connection ended before the object was sent
        if isinstance(error, FileNotFoundError):
            raise
        raise PipelineError("pacs.peer_failed", f"{name} broke off: {error}") from None
    status = getattr(answer, "Status", None)
    if status is None:
        raise PipelineError("pacs.peer_failed", f"{name} has not acknowledged the {one.kind}")
    if status != 0 and status >> 12 != 0xB:  # B000 to BFFF: stored, with a remark
        raise NotTaken(name, one, _words(int(status)))


def _words(status: int) -> str:
    """The status as PS3.4 B.2.3 calls it; the peer's comment may name a patient and is left out."""
    named = {0x0122: "SOP class not supported", 0x0124: "not authorized", 0x0117: "invalid object instance"}
    high = {0xA7: "out of resources", 0xA9: "data set does not match the SOP class"}
    word = named.get(status) or high.get(status >> 8) or ("cannot understand" if status >> 12 == 0xC else "")
    return f"status {status:04X}{', ' if word else ''}{word}"
