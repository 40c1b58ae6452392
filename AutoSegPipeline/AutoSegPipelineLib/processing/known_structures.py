"""The structures that segmentations usually hold: group, colour and coded meaning by name, from one table.

``known_structures.csv`` has a row for each class of each TotalSegmentator task. Its codes are SNOMED CT
concepts that mean exactly the structure: those of DICOM's own dictionary (PS3.16, as pydicom carries it),
and where that has no word for it, those of TotalSegmentator's published mapping (column ``source``).
Where neither has one the structure has none. Colours follow 3D Slicer's generic anatomy; structures of
one task differ by a CIELab distance of at least 8. Tests hold all of this.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from ..core.segmentation import Code, Colour

TABLE = Path(__file__).with_suffix(".csv")
SIDES = {"left": Code("SCT", "7771000", "Left"), "right": Code("SCT", "24028007", "Right")}
CATEGORIES = {
    "Anatomical Structure": "91723000",
    "Tissue": "85756007",
    "Morphologically Abnormal Structure": "49755003",
    "Physical object": "260787004",
}
# Class names that mean something else elsewhere: TotalSegmentator's ventricle is the brain's.
HOMONYMS = frozenset(("ventricle", "annulus", "annulus_proper", "bridge", "crown", "implant", "head"))


@dataclass(frozen=True)
class KnownStructure:
    """What is the same of a structure in every segmentation; ``colour`` is sRGB in 0..1."""

    name: str
    group: str
    colour: Colour
    category: Code | None = None
    code: Code | None = None
    modifier: Code | None = None
    region: Code | None = None
    region_modifier: Code | None = None


def known_structure(name: str) -> KnownStructure | None:
    """The structure that TotalSegmentator calls ``name``."""
    return _by_name().get(name)


def structure_called(name: str) -> KnownStructure | None:
    """The structure that a machine name of any origin means: ``left_kidney`` is ``kidney_left``.

    A name without a side (``kidney``) has the code without one; an ambiguous name means nothing.
    """
    if name in HOMONYMS:
        return None
    return _by_name().get(name) or _by_words().get(_key(name))


def structure_coded(
    code: Code | None,
    modifier: Code | None = None,
    region: Code | None = None,
    region_modifier: Code | None = None,
) -> KnownStructure | None:
    """The structure with exactly these concepts, whatever words their meanings are in, or None."""
    if code is None:
        return None
    return _by_codes().get(tuple(_concept(one) for one in (code, modifier, region, region_modifier)))


@lru_cache(maxsize=1)
def _by_codes() -> dict[tuple[str, ...], KnownStructure]:
    """By scheme and value of each concept; of several structures with the same the first of the table."""
    found: dict[tuple[str, ...], KnownStructure] = {}
    for one in (*_by_name().values(), *_by_words().values()):
        if one.code is not None:
            concepts = (one.code, one.modifier, one.region, one.region_modifier)
            found.setdefault(tuple(_concept(concept) for concept in concepts), one)
    return found


def _concept(code: Code | None) -> str:
    return f"{code.scheme} {code.value}" if code else ""


@lru_cache(maxsize=1)
def _by_name() -> dict[str, KnownStructure]:
    with open(TABLE, encoding="utf-8", newline="") as stream:
        return {row["structure"]: _structure(row) for row in csv.DictReader(stream)}


@lru_cache(maxsize=1)
def _by_words() -> dict[tuple[str, ...], KnownStructure]:
    """The same by words, the side last, and without a side what has one on either."""
    found: dict[tuple[str, ...], KnownStructure] = {}
    for name, structure in _by_name().items():
        if name in HOMONYMS:
            continue
        found[_key(name)] = structure
    for key, structure in list(found.items()):
        if structure.modifier is not None and key[-1] in SIDES:
            found.setdefault(key[:-1], replace(structure, modifier=None))
    return found


def _key(name: str) -> tuple[str, ...]:
    words = name.casefold().split("_")
    sides = [word for word in words if word in SIDES]
    return (*(word for word in words if word not in SIDES), *sides)


def _structure(row: dict[str, str]) -> KnownStructure:
    red, green, blue = (int(row["colour"][at : at + 2], 16) / 255 for at in (1, 3, 5))
    category = row["category"]
    return KnownStructure(
        row["structure"],
        row["group"],
        (red, green, blue),
        Code("SCT", CATEGORIES[category], category) if category else None,
        Code("SCT", row["code"], row["meaning"]) if row["code"] else None,
        SIDES.get(row["modifier"]),
        Code("SCT", row["region"], row["region_meaning"]) if row["region"] else None,
        SIDES.get(row["region_modifier"]),
    )
