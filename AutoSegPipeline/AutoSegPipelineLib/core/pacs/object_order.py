"""What the child that makes DICOM objects of a result is asked for, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Sequence

from .. import states
from ..errors import PipelineError
from ..home import Home
from ..job import Job
from .source_series import find_headers
from .uids import object_uid

SEG, REPORT, STL, CAPTURE = "seg", "report", "stl", "capture"
KINDS = (SEG, REPORT, STL, CAPTURE)
USUAL_KINDS = (SEG, REPORT)
BINARY, LABELMAP = "binary", "labelmap"
ENCODINGS = (BINARY, LABELMAP)
# Of label maps, with their transfer syntax, by preference: every reader of compressed DICOM knows RLE.
COMPRESSIONS = {"rle": "1.2.840.10008.1.2.5", "jpegls": "1.2.840.10008.1.2.4.80", "": "1.2.840.10008.1.2.1"}
MANUFACTURER = "AutoSegPipeline"  # and content creator of every object
# The result file that each kind is made of; a segmentation is needed for all of them.
_MADE_OF = {SEG: "seg", REPORT: "statistics", STL: "stl", CAPTURE: "picture"}


@dataclass(frozen=True)
class ObjectOrder:
    """Paths of what the objects are made of, and what is wanted of them.

    ``headers`` is the file of :mod:`.source_series`. ``uids`` gives each of ``kinds`` the UID from which
    those of its series and instances follow. ``encoding`` and ``compression`` are the segmentation's;
    one of single bits (``binary``) is never compressed.
    """

    headers: str
    segmentation: str
    manifest: str
    out: str
    kinds: List[str]
    uids: Dict[str, str]
    statistics: str = ""
    picture: str = ""
    stl: str = ""
    encoding: str = LABELMAP
    compression: str = "rle"


@dataclass(frozen=True)
class BuiltFile:
    """One object. ``series`` and ``sop_instance`` are UIDs."""

    kind: str
    path: str
    sop_class: str
    sop_instance: str
    series: str
    transfer_syntax: str


@dataclass(frozen=True)
class BuiltObjects:
    """All objects of an order, the patient and study that they name (as the source does), and
    the names of structures that no slice of the source shows."""

    files: List[BuiltFile]
    patient: Dict[str, str]
    left_out: List[str] = field(default_factory=list)


def order_for(
    home: Home,
    secret: str,
    job: Job,
    out: Path,
    kinds: Sequence[str] = USUAL_KINDS,
    encoding: str = LABELMAP,
    compression: str = "rle",
) -> ObjectOrder:
    """The order for a job that is done; the objects go to the folder ``out``.

    Raises :class:`PipelineError`: ``pacs.no_source_headers``, ``pacs.missing_result``.
    """
    name = job.name or job.id
    if job.state != states.DONE:
        raise PipelineError("pacs.missing_result", f"{name} is {job.state}, so it has no result.")
    headers = find_headers(home, job.id)
    if headers is None:
        raise PipelineError("pacs.no_source_headers", f"No DICOM headers are kept of {name}.")
    folder = job.folder(home.results)
    # Of the two files of statistics the table is no use here.
    files = {str(one["kind"]): folder / str(one["name"]) for one in job.outputs if one["name"][-4:] != ".csv"}
    for needed in dict.fromkeys(["seg", "manifest", *(_MADE_OF[kind] for kind in kinds)]):
        if needed not in files or not files[needed].is_file():
            raise PipelineError("pacs.missing_result", f"{name} has no result file of the kind {needed}.")
    return ObjectOrder(
        headers=str(headers), segmentation=str(files["seg"]), manifest=str(files["manifest"]), out=str(out),
        kinds=list(kinds), uids=_uids(secret, job, encoding),
        statistics=str(files["statistics"]) if REPORT in kinds else "",
        picture=str(files["picture"]) if CAPTURE in kinds else "",
        stl=str(files["stl"]) if STL in kinds else "",
        encoding=encoding, compression=compression,
    )  # fmt: skip


def _uids(secret: str, job: Job, encoding: str) -> dict[str, str]:
    """The same for the same result: what is made again is the same object.

    A segmentation of another encoding, or of a job that was processed again with another outcome, is
    another instance, and so is a report about it.
    """
    result = "".join(str(one["sha256"]) for one in job.outputs if one["kind"] == SEG)
    return {kind: object_uid(secret, job.id, job.version, f"{kind} {encoding} {result}") for kind in KINDS}
