"""Fetch one series into a folder: C-GET or WADO-RS; C-MOVE lets the peer send it to our receiver.

One association fetches one series, and one instance is in memory at a time. Some archives keep all
of a C-GET in memory until its association ends, which this bounds on their side, too.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from ...core.errors import PipelineError
from ...core.files import is_disk_full, remove_tree, retried
from ...core.pacs.config import Peer
from ...core.pacs.query import FoundSeries, is_uid
from ...formats.dicom_seg.write import write_dicom
from ..connect import PENDING, SUCCESS, Wanted, association, failed
from ..receive.commands import NOT_UNDERSTOOD, OUT_OF_RESOURCES
from ..receive.offered import IMAGES, TRANSFER_SYNTAXES
from ..web_peer import web_client
from .identifiers import dataset_of

if TYPE_CHECKING:
    from pynetdicom.events import Event

log = logging.getLogger(__name__)

MOVE_SECONDS = 300.0  # between two answers; an archive may have to wait for a tape
Progress = Callable[[int], None]


class Cancelled(Exception):
    """Somebody does not want it any more, or the process is to end."""


class SeriesFiles:
    """Files of one series in ``folder``; an instance that comes again replaces itself.

    ``progress`` hears how many there are; ``stopped`` is asked before each.
    """

    def __init__(self, folder: Path, progress: Progress, stopped: Callable[[], bool]) -> None:
        self.folder = folder
        self.error: PipelineError | None = None
        self._progress = progress
        self._stopped = stopped
        self._lock = threading.Lock()
        self._names: set[str] = set()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def count(self) -> int:
        """How many instances have come."""
        return len(self._names)

    @property
    def stopped(self) -> bool:
        """Whether nobody wants more."""
        return self._stopped()

    def store(self, event: Event) -> int:
        """Answer a C-STORE of a C-GET: the bytes as they came, behind a file meta header."""
        if self._stopped():
            return OUT_OF_RESOURCES
        uid = getattr(event.request, "AffectedSOPInstanceUID", "")
        return self._keep(uid, lambda path: path.write_bytes(event.encoded_dataset()))

    def add(self, uid: str, write: Callable[[Path], object]) -> None:
        """An instance that came over DICOMweb. Raises what :attr:`error` would hold."""
        if self._stopped():
            raise Cancelled
        if self._keep(uid, write) != SUCCESS:
            assert self.error is not None
            raise self.error

    def _keep(self, uid: object, write: Callable[[Path], object]) -> int:
        text = str(uid or "")
        if not is_uid(text):
            self.error = PipelineError("pacs.peer_failed", "an instance has no valid UID")
            return NOT_UNDERSTOOD
        name = f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.dcm"
        part = self.folder / f"{name}.part"
        try:
            write(part)
            os.replace(part, self.folder / name)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink()
            code = "environment.disk_full" if is_disk_full(error) else "pipeline.internal"
            self.error = PipelineError(code, f"an instance cannot be kept: {error.strerror}")
            return OUT_OF_RESOURCES
        with self._lock:
            self._names.add(name)
            count = len(self._names)
        self._progress(count)
        return SUCCESS


def fetch_series(name: str, peer: Peer, study: str, series: FoundSeries, files: SeriesFiles) -> None:
    """Fetch a series, complete or not at all.

    Raises as :func:`..connect.association`, ``pacs.peer_failed``, ``pacs.incomplete`` where fewer
    instances came than the peer has, ``environment.disk_full``, and :class:`Cancelled`.
    """
    if peer.use == "web":
        _wado(name, peer, study, series.uid, files)
    else:
        _c_get(name, peer, study, series.uid, files)
    if files.count == 0 or (series.instances is not None and files.count < series.instances):
        wanted = "some" if series.instances is None else str(series.instances)
        raise PipelineError("pacs.incomplete", f"{name} sent {files.count} of {wanted} instances of a series")


def fetch_into(
    folder: Path, name: str, peer: Peer, study: str, series: FoundSeries,
    progress: Progress = lambda count: None, stopped: Callable[[], bool] = lambda: False,
) -> None:  # fmt: skip
    """Fetch a series into ``folder``, which exists only when it is complete; one that does is left as it is.

    Raises as :func:`fetch_series`.
    """
    if folder.exists():
        return
    part = folder.with_name(folder.name + ".part")
    remove_tree(part)
    fetch_series(name, peer, study, series, SeriesFiles(part, progress, stopped))
    retried(lambda: os.rename(part, folder))


def move_study(
    name: str, peer: Peer, study: str, series: list[str], destination: str, progress: Progress
) -> None:
    """Let the peer send a study, or some of its series, to the AE title ``destination``."""
    from pynetdicom import build_context
    from pynetdicom.sop_class import (  # type: ignore[attr-defined]
        StudyRootQueryRetrieveInformationModelMove as MODEL,
    )

    with association(name, peer, Wanted([build_context(MODEL)], answer_seconds=MOVE_SECONDS)) as link:
        sent = 0
        for uid in series or [""]:
            level = "SERIES" if uid else "STUDY"
            values = {"StudyInstanceUID": study, **({"SeriesInstanceUID": uid} if uid else {})}
            before = sent
            for status, _ in link.send_c_move(dataset_of(level, values), destination, MODEL):
                sent = before + _checked(name, "C-MOVE", status)
                progress(sent)
        if not sent:
            raise PipelineError("pacs.incomplete", f"{name} sent nothing to {destination}")


def _c_get(name: str, peer: Peer, study: str, series: str, files: SeriesFiles) -> None:
    from pynetdicom import build_context
    from pynetdicom.sop_class import (  # type: ignore[attr-defined]
        StudyRootQueryRetrieveInformationModelGet as MODEL,
    )

    # What the receiver takes, too. Each encoding has a presentation context of its own, so that the peer
    # sends an instance as it is stored; an association has at most 128.
    contexts = [build_context(MODEL)]
    contexts += [build_context(one, syntax) for one in IMAGES for syntax in sorted(TRANSFER_SYNTAXES)]
    wanted = Wanted(contexts, files.store, tuple(IMAGES))
    values = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
    try:
        with association(name, peer, wanted) as link:
            for status, _ in link.send_c_get(dataset_of("SERIES", values), MODEL):
                if files.error is not None:
                    raise files.error
                _checked(name, "C-GET", status)
    except PipelineError as error:
        if files.stopped:
            raise Cancelled from error
        raise files.error or error from None


def _checked(name: str, what: str, status: object) -> int:
    """How many instances have been sent; raises for a status that says that not all will be."""
    code = getattr(status, "Status", None)
    if code in PENDING or code == SUCCESS:
        return int(getattr(status, "NumberOfCompletedSuboperations", 0) or 0)
    lost = int(getattr(status, "NumberOfFailedSuboperations", 0) or 0)
    if code == 0xB000 and not lost:
        return int(getattr(status, "NumberOfCompletedSuboperations", 0) or 0)
    if lost:
        raise PipelineError("pacs.incomplete", f"{name} could not send {lost} instances in {what}")
    raise failed(name, what, code)


def _wado(name: str, peer: Peer, study: str, series: str, files: SeriesFiles) -> None:
    """As they are stored there, compressed or not."""
    with web_client(name, peer) as client:
        for one in client.iter_series(study, series, media_types=(("application/dicom", "*"),)):
            files.add(
                str(one.get("SOPInstanceUID", "")),
                lambda path, one=one: write_dicom(path, one),  # type: ignore[misc]
            )
