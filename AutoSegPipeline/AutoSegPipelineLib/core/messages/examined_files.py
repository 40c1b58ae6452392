"""What the intake child says of files that have just arrived."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional

COMPLETE, INCOMPLETE, LOCKED, GONE = "complete", "incomplete", "locked", "gone"


@dataclass(frozen=True)
class DicomHeader:
    """What the header of one DICOM file says; ``patient_key`` is a hash.

    Where it names no series, ``series_stated`` is False and ``place`` its position (LPS mm).
    """

    series_uid: str = ""
    study_uid: str = ""
    sop_uid: str = ""
    patient_key: str = ""
    modality: str = ""
    sop_class: str = ""
    number: Optional[int] = None
    image: bool = True
    instance: Optional[int] = None
    frames: int = 1
    series_stated: bool = True
    place: Optional[List[float]] = None


@dataclass
class ExaminedFile:
    """One file as it was when it was looked at.

    ``companions`` are the paths of data files that its header names, ``missing`` the names of those
    that are not there. ``error`` (code, message, hint) says what is wrong with it.
    """

    path: str
    size: int = 0
    mtime_ns: int = 0
    state: str = COMPLETE
    format: str = "unknown"
    companions: List[str] = field(default_factory=list)
    missing: List[str] = field(default_factory=list)
    error: Optional[Dict[str, str]] = None
    dicom: Optional[DicomHeader] = None


@dataclass(frozen=True)
class Examined:
    """One row for each path that was asked for, in that order."""

    files: List[ExaminedFile]
