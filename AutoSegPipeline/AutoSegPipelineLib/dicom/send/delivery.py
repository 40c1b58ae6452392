"""One try of one send: encoding, objects, comparison of the patient, transfer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ...core import states
from ...core.errors import PipelineError
from ...core.job import Job
from ...core.pacs.config import AUTO, Peer
from ...core.pacs.object_order import BINARY, LABELMAP, SEG
from ...core.pacs.sends import Send, SentObject
from ...core.pacs.store import PacsStore
from ..context import Context
from ..privacy.folders import table_of
from . import c_store, stow
from .make import are_made, make_objects
from .outbox import folder_of
from .same_patient import check_patient, check_pseudonym
from .writable import label_map_compressions


class NotReady(Exception):
    """The job is not done at the moment."""


def deliver(context: Context, pacs: PacsStore, send: Send) -> None:
    """Returns when the peer has acknowledged every object of ``send``.

    Raises :class:`PipelineError` where that did not work, :class:`NotReady` while the job is processed again.
    """
    peer = context.config().peer(send.peer)
    job = _job(context, pacs, send)
    send = _with_encoding(pacs, send, peer)
    try:
        _once(context, pacs, send, peer, job)
    except c_store.NotTaken as error:
        if not _may_be_binary(send, peer, error):
            raise
        pacs.sends.encode(send.id, BINARY, "")
        _once(
            context, pacs, dataclasses.replace(send, encoding=BINARY, compression="", objects=[]), peer, job
        )


def _once(context: Context, pacs: PacsStore, send: Send, peer: Peer, job: Job) -> None:
    folder = folder_of(context.home, send.id)
    objects = send.objects
    if not are_made(peer, folder, objects):
        objects = make_objects(context, send, peer, job, folder)
        pacs.sends.built(send, objects)
    _check(context, peer, job, folder, objects)
    _transfer(send.peer, peer, folder, objects)


def _check(context: Context, peer: Peer, job: Job, folder: Path, objects: list[SentObject]) -> None:
    if not peer.deidentify:
        check_patient(context.home, job, folder, objects)
        return
    table = table_of(context.home, context.config().privacy)
    try:
        check_pseudonym(context.home, job, folder, objects, table)
    finally:
        table.close()


def _transfer(name: str, peer: Peer, folder: Path, objects: list[SentObject]) -> None:
    if peer.use == "web":
        stow.store(name, peer, folder, objects)
    else:
        c_store.store(name, peer, folder, objects)


def _job(context: Context, pacs: PacsStore, send: Send) -> Job:
    store = context.store()
    try:
        job = store.jobs.find(send.job)
    finally:
        store.close()
    if job is None:
        raise PipelineError("request.unknown_job", f"there is no job {send.job} any more")
    if job.state != states.DONE:
        if job.state in states.ENDS:
            raise PipelineError("pacs.missing_result", f"the job is {job.state}, so it has no result")
        raise NotReady
    if job.times[states.DONE] != send.done:  # processed again: its new result goes, asked for or not
        pacs.sends.want(job.id, send.peer, job.times[states.DONE])
        raise NotReady
    return job


def _with_encoding(pacs: PacsStore, send: Send, peer: Peer) -> Send:
    """``send`` with its encoding decided; one that the peer has once acknowledged is never changed, so that
    what is sent again replaces what is there."""
    setting, possible = peer.seg, label_map_compressions()
    if send.encoding and send.acknowledged:
        return send
    can_be_made = send.encoding == BINARY or send.compression in possible
    if send.encoding and can_be_made and setting in (AUTO, send.encoding):
        return send
    encoding, compression = BINARY, ""
    if setting != BINARY:
        taken = _taken(send.peer, peer, possible)
        if taken:
            encoding, compression = LABELMAP, taken[0]
        elif setting == LABELMAP:
            raise _no_label_map(send.peer, possible)
    pacs.sends.encode(send.id, encoding, compression)
    return dataclasses.replace(send, encoding=encoding, compression=compression, objects=[])


def _taken(name: str, peer: Peer, possible: tuple[str, ...]) -> tuple[str, ...]:
    """Those of ``possible`` in which label maps may go to ``peer``; the web has no negotiation."""
    if not possible or peer.use == "web" or SEG not in peer.objects:
        return possible
    taken = c_store.negotiated(name, peer)
    return tuple(one for one in possible if one in taken)


def _no_label_map(name: str, possible: tuple[str, ...]) -> PipelineError:
    if possible:
        return PipelineError("pacs.not_taken", f"{name} negotiates no label maps, and its seg is labelmap")
    return PipelineError(
        "pacs.packages_missing", f"seg of {name} is labelmap, which needs highdicom 0.24 and Python 3.10",
        "Use 3D Slicer 5.10 or newer, or set `seg` to binary.",
    )  # fmt: skip


def _may_be_binary(send: Send, peer: Peer, error: c_store.NotTaken) -> bool:
    """Whether a label map was refused that may go as BINARY instead."""
    return (
        peer.seg == AUTO and send.encoding == LABELMAP and not send.acknowledged
        and error.object.sop_class == c_store.LABELMAP_SEG
    )  # fmt: skip
