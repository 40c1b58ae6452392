"""Slices without a series UID: whether they were late for an earlier scan or are another. Pure."""

from __future__ import annotations

from typing import Sequence

from ...core.job import Job
from ...core.messages.examined_files import DicomHeader, ExaminedFile
from ...formats.geometry import cross, dot, length

# What an inspection says of a series of which slices are missing.
_INCOMPLETE = ("input.too_thin", "dicom.missing_slices", "dicom.late_slices")


def unnamed_places(examined: Sequence[ExaminedFile]) -> list[list[float]] | None:
    """Positions (LPS mm) of an arrival's slices; ``None`` where the headers name their series."""
    found = [row.dicom or DicomHeader() for row in examined]
    if not found or any(one.series_stated for one in found):
        return None
    return [one.place for one in found if one.place]


def were_late(places: Sequence[Sequence[float]], last: Job) -> bool:
    """Whether slices at ``places`` complete ``last``; those that lie where it has slices are another scan.

    A folder without UIDs gets one scan after the other, and nothing but their places tells them apart.
    """
    if last.shape is None or "affine" not in last.staged:
        return (last.error or {}).get("code") in _INCOMPLETE
    affine, many = last.staged["affine"], last.shape[2]
    columns = [[row[axis] for row in affine[:3]] for axis in range(4)]
    normal = cross(columns[0], columns[1])
    step = dot(columns[2], normal)
    if not length(normal) or not step:
        return False
    along = (dot([p - o for p, o in zip(place, columns[3])], normal) / step for place in places)
    within = sum(1 for k in along if -0.5 < k < many - 0.5)
    missing = (last.staged.get("facts") or {}).get("missing_slices") or 0
    return within <= max(missing, len(places) // 2)
