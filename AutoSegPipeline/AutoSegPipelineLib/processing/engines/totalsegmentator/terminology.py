"""Names, colours, codes and groups of the package's structures.

They come from this project's table (:mod:`...known_structures`), so they are the same with
and without the package. A class that a later package brings is looked up in the package's own table
(``resources/totalsegmentator_snomed_mapping.csv``). What has no exact code in either gets one of
this project's private scheme.
"""

from __future__ import annotations

import csv
import importlib.util
import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ....core.segmentation import Code, Colour, Segment
from ...anatomy import guess_group, likely_colour, readable_title
from ...known_structures import known_structure
from ..structures import ANATOMICAL, SCHEME
from .known_tasks import PACKAGE

_BRITISH = {
    "esophagus": "oesophagus", "hemorrhage": "haemorrhage", "clavicula": "clavicle", "color": "colour",
    "celiac": "coeliac", "autochthon": "deep_back_muscle", "pul": "pulmonary_artery", "trunc": "trunk",
}  # fmt: skip
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
    region_modifier: Code | None = None


def title_of(name: str) -> str:
    """``kidney_left`` -> ``Left kidney``, ``esophagus`` -> ``Oesophagus``."""
    words = [_BRITISH.get(word, word) for word in name.split("_")]
    tooth = re.fullmatch(r"fdi(\d+)", words[-1]) if len(words) > 1 else None
    text = readable_title("_".join(words[:-1] if tooth else words))
    number = int(tooth.group(1)) % 100 if tooth else 0  # 111 is the pulp of tooth 11
    return f"{text} (tooth {number})" if number > 10 else text


@lru_cache(maxsize=1024)
def meaning_of(name: str) -> Meaning:
    """The meaning of the class ``name``."""
    title = title_of(name)
    known = known_structure(name)
    if known is not None:
        category, code = known.category or ANATOMICAL, known.code or _private(name, title)
        return Meaning(
            title, known.group, known.colour, category, code, known.modifier, known.region,
            known.region_modifier,
        )  # fmt: skip
    row = _package_table().get(name)
    if row is not None:
        return Meaning(title, guess_group(name), *row)
    colour = likely_colour(name, zlib.crc32(name.encode()) & 0xFFFF)
    return Meaning(title, guess_group(name), colour, ANATOMICAL, _private(name, title))


def segment_of(name: str, layer: int, value: int, priority: int, unique: str) -> Segment:
    """The segment of the class ``name``; ``unique`` is its machine name in this segmentation."""
    known = meaning_of(name)
    return Segment(
        layer, value, unique, known.title, known.colour, known.group, priority, 1.0,
        known.category, known.code, known.modifier, known.region, known.region_modifier,
    )  # fmt: skip


def _private(name: str, title: str) -> Code:
    """A code of at most 16 characters, as DICOM allows, that no other name has."""
    value = name.upper()
    if len(value) > 16:
        value = f"{value[:7]}_{zlib.crc32(name.encode()):08X}"
    return Code(SCHEME, value, title)


@lru_cache(maxsize=1)
def _package_table() -> dict[str, tuple[Colour, Code, Code, Code | None, Code | None, Code | None]]:
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations if spec else None) or ():
        path = Path(folder, *_TABLE)
        if path.is_file():
            with path.open(encoding="utf-8-sig", newline="") as stream:
                return {row["Structure"]: _row(row) for row in csv.DictReader(stream)}
    return {}


def _row(row: dict[str, str]) -> tuple[Colour, Code, Code, Code | None, Code | None, Code | None]:
    name, colour = row["Structure"], row.get("DicomRGBColor")
    if colour:
        red, green, blue = (int(part) / 255.0 for part in colour.split(","))
    else:  # the column came with later versions
        red, green, blue = likely_colour(name, zlib.crc32(name.encode()) & 0xFFFF)
    category = _code(row, "SegmentedPropertyCategoryCodeSequence") or ANATOMICAL
    kind = _code(row, "SegmentedPropertyTypeCodeSequence")
    assert kind is not None, row["Structure"]
    modifier = _code(row, "SegmentedPropertyTypeModifierCodeSequence")
    region, side = _code(row, "AnatomicRegionSequence"), _code(row, "AnatomicRegionModifierSequence")
    return (red, green, blue), category, kind, modifier, region, side


def _code(row: dict[str, str], prefix: str) -> Code | None:
    scheme, value, meaning = (
        (row.get(f"{prefix}.{part}") or "").strip()
        for part in ("CodingSchemeDesignator", "CodeValue", "CodeMeaning")
    )
    return Code(scheme, value, meaning) if scheme and value else None
