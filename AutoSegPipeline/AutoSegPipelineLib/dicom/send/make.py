"""Has the objects of a send made, with UIDs that are the same each time."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Sequence

from ...core.errors import PipelineError
from ...core.files import fsync_file, fsync_folder, remove_tree
from ...core.job import Job
from ...core.pacs.config import Peer
from ...core.pacs.object_builder import build_objects
from ...core.pacs.object_order import CAPTURE, STL, ObjectOrder, order_for
from ...core.pacs.sends import Send, SentObject
from ...core.pacs.uids import home_secret
from ..context import Context
from ..privacy.deidentify import deidentify_file
from ..privacy.folders import table_of
from .same_patient import check_patient

log = logging.getLogger(__name__)

_DEIDENTIFIED = "deidentified"


def are_made(peer: Peer, folder: Path, objects: Sequence[SentObject]) -> bool:
    """Whether ``objects`` lie in ``folder`` as ``peer`` is to have them."""
    return bool(objects) and all(
        (folder / one.file).is_file() and one.file.startswith(_DEIDENTIFIED) == peer.deidentify
        for one in objects
    )


def make_objects(context: Context, send: Send, peer: Peer, job: Job, folder: Path) -> list[SentObject]:
    """The objects of ``send``, complete and durable in ``folder``.

    Raises as :func:`build_objects`, :func:`check_patient` and :func:`deidentify_file` do.
    """
    remove_tree(folder)
    built = build_objects(_order(context, send, peer, job, folder))
    objects = [
        SentObject(
            one.kind, Path(one.path).name, one.sop_class, one.sop_instance, one.series, one.transfer_syntax
        )
        for one in built.files
    ]
    if peer.deidentify:
        check_patient(context.home, job, folder, objects)
        return _deidentified(context, folder, objects)
    for one in objects:
        fsync_file(folder / one.file)
    fsync_folder(folder)
    return objects


def _order(context: Context, send: Send, peer: Peer, job: Job, folder: Path) -> ObjectOrder:
    store = context.store()
    try:
        secret = home_secret(store)
    finally:
        store.close()
    kinds = []
    for kind in peer.objects:
        try:
            order_for(context.home, secret, job, folder, [kind])
        except PipelineError as error:
            # What was not among the job's formats holds up nothing else.
            if error.code != "pacs.missing_result" or kind not in (STL, CAPTURE):
                raise
            log.warning("the %s of %s is not sent: %s", kind, job.id, error.message)
        else:
            kinds.append(kind)
    return order_for(context.home, secret, job, folder, kinds, send.encoding, send.compression)


def _deidentified(context: Context, folder: Path, objects: Sequence[SentObject]) -> list[SentObject]:
    """The same without the patient's identity; nothing else stays in ``folder``."""
    table = table_of(context.home, context.config().privacy)
    found = []
    try:
        for one in objects:
            changed = deidentify_file(folder / one.file, folder / _DEIDENTIFIED, table)
            (folder / one.file).unlink()
            file = changed.path.relative_to(folder).as_posix()
            found.append(
                dataclasses.replace(one, file=file, sop_instance=changed.sop_instance, series=changed.series)
            )
    finally:
        table.close()
    return found
