"""Whether two DICOM data sets are about the same patient and study; no DICOM library is needed."""

from __future__ import annotations

from typing import Mapping

# What must be equal in a source and in everything that is made of it.
IDENTITY = (
    "PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex",
    "StudyInstanceUID", "AccessionNumber", "StudyID", "StudyDate", "StudyTime",
)  # fmt: skip


def identity_of(dataset: object) -> dict[str, str]:
    """The elements of :data:`IDENTITY` as text; ``""`` for one that is missing or empty."""
    found = {}
    for keyword in IDENTITY:
        value = getattr(dataset, keyword, None)
        found[keyword] = "" if value is None else str(value).strip().rstrip("^")
    return found


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """The keywords in which two answers of :func:`identity_of` differ; their values are nobody's business."""
    return [keyword for keyword in IDENTITY if one.get(keyword, "") != other.get(keyword, "")]
