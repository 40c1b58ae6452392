"""Slicer's terminology entry: the coded meaning of a segment as one line of text.

``context~category~type~type modifier~anatomic context~region~region modifier``,
each concept written ``scheme^value^meaning`` (vtkSlicerTerminologiesModuleLogic
of 3D Slicer). Slicer's tags end at ``|``, so the separators cannot stand in a meaning.
"""

from __future__ import annotations

import re

from ..core.segmentation import Code, Segment

TYPES = "Segmentation category and type - 3D Slicer General Anatomy list"
REGIONS = "Anatomic codes - DICOM master list"
_SEPARATORS = re.compile(r"[~^|\r\n]")


def _concept(code: Code | None) -> str:
    if code is None:
        return "^^"
    return "^".join(_SEPARATORS.sub("/", part) for part in (code.scheme, code.value, code.meaning))


def terminology_entry(segment: Segment) -> str:
    """The entry of a segment; empty when nothing about it is coded."""
    if segment.code is None and segment.category is None:
        return ""
    parts = (segment.category, segment.code, segment.modifier)
    types = "~".join(_concept(code) for code in parts)
    return f"{TYPES}~{types}~{REGIONS}~{_concept(segment.region)}~{_concept(segment.region_modifier)}"


def parse_entry(entry: str) -> dict[str, Code | None]:
    """``category``, ``code``, ``modifier``, ``region`` and ``region_modifier``; what is absent is None."""
    parts = entry.split("~")
    places = {"category": 1, "code": 2, "modifier": 3, "region": 5, "region_modifier": 6}
    return {key: _code(parts[place]) if place < len(parts) else None for key, place in places.items()}


def _code(text: str) -> Code | None:
    parts = text.split("^")
    if len(parts) != 3 or not parts[1]:
        return None
    return Code(*parts)
