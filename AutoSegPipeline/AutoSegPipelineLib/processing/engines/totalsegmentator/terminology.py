"""Names, colours, codes and groups of the package's structures.

The codes come from a dictionary, never from memory: first the package's own table
(``resources/totalsegmentator_snomed_mapping.csv``), then by exact meaning the SNOMED
CT concepts of DICOM (PS3.16, as pydicom carries them). Where neither knows a structure
it gets a code of this project's private scheme.
"""

from __future__ import annotations

import csv
import importlib.util
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ....core.segmentation import Code, Colour, Segment
from ...anatomy import guess_group, likely_colour, readable_title
from ..structures import ANATOMICAL, LEFT, RIGHT, SCHEME
from .catalogue import PACKAGE

_TABLE = ("resources", "totalsegmentator_snomed_mapping.csv")


@dataclass(frozen=True)
class Meaning:
    """What is known of a structure by its name."""

    title: str
    group: str
    colour: Colour
    category: Code
    code: Code
    modifier: Code | None = None
    region: Code | None = None


def title_of(name: str) -> str:
    """``kidney_left`` -> ``Left kidney``."""
    return readable_title(name)


@lru_cache(maxsize=1024)
def meaning_of(name: str) -> Meaning:
    """The meaning of the class ``name``."""
    row = _package_table().get(name)
    title, group = title_of(name), guess_group(name)
    if row is not None:
        return Meaning(title, group, *row)
    number = zlib.crc32(name.encode()) & 0xFFFF
    return Meaning(title, group, likely_colour(name, number), ANATOMICAL, _private(name, title))


def segment_of(name: str, layer: int, value: int, priority: int, unique: str) -> Segment:
    """The segment of the class ``name``; ``unique`` is its machine name in this segmentation."""
    known = meaning_of(name)
    return Segment(
        layer, value, unique, known.title, known.colour, known.group, priority, 1.0,
        known.category, known.code, known.modifier, known.region,
    )  # fmt: skip


def _private(name: str, title: str) -> Code:
    """A code of at most 16 characters, as DICOM allows, that no other name has."""
    value = name.upper()
    if len(value) > 16:
        value = f"{value[:7]}_{zlib.crc32(name.encode()):08X}"
    return Code(SCHEME, value, title)


@lru_cache(maxsize=1)
def _package_table() -> dict[str, tuple[Colour, Code, Code, Code | None, Code | None]]:
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations if spec else None) or ():
        path = Path(folder, *_TABLE)
        if path.is_file():
            with path.open(encoding="utf-8-sig", newline="") as stream:
                return {row["Structure"]: _row(row) for row in csv.DictReader(stream)}
    return {}


def _row(row: dict[str, str]) -> tuple[Colour, Code, Code, Code | None, Code | None]:
    red, green, blue = (int(part) / 255.0 for part in row["DicomRGBColor"].split(","))
    category = _code(row, "SegmentedPropertyCategoryCodeSequence") or ANATOMICAL
    kind = _code(row, "SegmentedPropertyTypeCodeSequence")
    assert kind is not None, row["Structure"]
    modifier = _code(row, "SegmentedPropertyTypeModifierCodeSequence")
    return (red, green, blue), category, kind, modifier, _code(row, "AnatomicRegionSequence")


def _code(row: dict[str, str], prefix: str) -> Code | None:
    scheme, value, meaning = (
        (row.get(f"{prefix}.{part}") or "").strip()
        for part in ("CodingSchemeDesignator", "CodeValue", "CodeMeaning")
    )
    return Code(scheme, value, meaning) if scheme and value else None


SIDES = {"left": LEFT, "right": RIGHT}
