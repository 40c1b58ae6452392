"""What is kept of a DICOM series beyond its pixels, and where: the objects that go back are made of it.

One zip file for each case: ``series.json`` is a :class:`SourceSeries`, ``header.dcm`` the patient, study and
series of its first instance. It names the patient and is as private as the scan.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Optional

from ..files import retried
from ..home import Home
from ..incoming import folder_of

FILE = "headers.zip"  # beside the staged volume
SERIES = "series.json"
HEADER = "header.dcm"


@dataclass(frozen=True)
class SourceSlice:
    """One slice. ``frame`` counts from 1 within an enhanced object and is 0 for an object of one slice.

    ``position`` is what the header says of the first pixel's centre, ``place`` where that pixel lies on the
    case's grid; both in LPS mm. They differ where positions were rounded.
    """

    sop_uid: str
    sop_class: str
    frame: int
    position: List[float]
    place: List[float]


@dataclass(frozen=True)
class SourceSeries:
    """The slices of one case in the order of their positions.

    ``content`` is the hash of the case. ``spacing`` is that between rows and between columns in mm,
    ``orientation`` the directions along a row and down a column as the headers say (PS3.3 C.7.6.2),
    ``straight`` the same on the case's grid.
    """

    content: str
    study_uid: str
    series_uid: str
    series_number: Optional[int]
    frame_of_reference: str
    modality: str
    rows: int
    columns: int
    spacing: List[float]
    orientation: List[float]
    straight: List[float]
    thickness: float
    slices: List[SourceSlice] = field(default_factory=list)


def kept_headers(home: Home, job_id: str) -> Path:
    """Where a job's headers are kept from its inspection until it is purged."""
    return home.pacs_headers / f"{job_id}.zip"


def find_headers(home: Home, job_id: str) -> Path | None:
    """The headers of a job; ``None`` where its source was no DICOM series, or one without UIDs."""
    kept = kept_headers(home, job_id)
    if kept.is_file():
        return kept
    # A power cut may have taken back the move from beside the volume.
    for folder in (folder_of(home, job_id), home.spent / job_id):
        for left in sorted(folder.glob(f"work/*/{FILE}")):
            return left
    return None


def keep_beside(home: Home, job_id: str, volume: Path) -> None:
    """Move the headers that lie beside a staged ``volume``, if any, to where they are kept."""
    beside = volume.parent / FILE
    if beside.is_file():
        kept = kept_headers(home, job_id)
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        retried(lambda: os.replace(beside, kept))
