"""Names, colours, codes and groups of the package's structures.

The codes come from a dictionary, never from memory: first the package's own table
(``resources/totalsegmentator_snomed_mapping.csv``), then by exact meaning the SNOMED
CT concepts of DICOM (PS3.16, as pydicom carries them). Where neither knows a structure
it gets a code of this project's private scheme.
"""

from __future__ import annotations

import csv
import importlib.util
import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ....core.segmentation import Code, Colour, Segment
from ...anatomy import guess_group, likely_colour, readable_title
from ..structures import ANATOMICAL, LEFT, RIGHT, SCHEME
from .known_tasks import PACKAGE

_SIDES = {"left": LEFT, "right": RIGHT}
# Context groups of DICOM PS3.16: anatomic regions, muscles, types of a segmented property, structures.
_REGIONS, _MUSCLES, _SEGMENTED, _SEGMENTED_ANATOMY, _STRUCTURES = 4, 6116, 7151, 7192, 8134
_ANATOMY = frozenset((_REGIONS, _MUSCLES, _SEGMENTED, _SEGMENTED_ANATOMY, _STRUCTURES))
# Words that mean something else in the package than in the dictionary (there a ventricle is the heart's).
_HOMONYMS = frozenset(("ventricle", "annulus", "bridge", "crown", "implant", "head", "body"))
_BRITISH = {
    "esophagus": "oesophagus", "hemorrhage": "haemorrhage", "clavicula": "clavicle", "color": "colour",
    "celiac": "coeliac", "autochthon": "deep_back_muscle", "pul": "pulmonary_artery", "trunc": "trunk",
}  # fmt: skip
_EXACTLY = {
    "hip_implant": "implants", "sinus_frontal": "airways", "sinus_maxillary": "airways",
    "left_maxillary_sinus": "airways", "right_maxillary_sinus": "airways", "ventricle": "brain",
    "ventricle_body_left": "brain", "ventricle_body_right": "brain", "spinal_cord": "organs",
}  # fmt: skip
# Before what the name alone tells: words of the package's further tasks.
_GROUPS: tuple[tuple[str, frozenset[str]], ...] = (
    ("teeth", frozenset((
        "teeth", "tooth", "incisor", "canine", "premolar", "molar", "bridge", "crown", "implant", "pulp",
    ))),
    ("lesions", frozenset((
        "lesions", "nodules", "cyst", "tumor", "effusion", "hemorrhage", "aneurysm", "bleed", "false",
    ))),
    ("brain", frozenset((
        "brainstem", "cerebellum", "subarachnoid", "sinuses", "pellucidum", "caudate", "lentiform", "insular",
        "capsule", "sulcus", "frontal", "parietal", "occipital", "temporal", "thalamus", "horn", "trigone",
        "third", "fourth",
    ))),
    ("muscles", frozenset((
        "masseter", "temporalis", "pterygoid", "tongue", "digastric", "sternocleidomastoid", "constrictor",
        "trapezius", "platysma", "levator", "scalene", "thyrohyoid", "sterno", "prevertebral", "compartment",
        "sartorius", "deltoid", "supraspinatus", "infraspinatus", "subscapularis", "coracobrachial",
        "pectoralis", "serratus", "teres", "triceps", "rectus", "latissimus", "oblique", "erector",
        "transversospinalis", "lumborum", "psoas", "quadriceps",
    ))),
    ("vessels", frozenset(("veins", "arteries", "annulus", "sinotubular", "cusp", "bifurcation", "pul"))),
    ("bones", frozenset((
        "metatarsal", "metacarpal", "phalanges", "zygomatic", "styloid", "hyoid", "jawbone", "discs", "disc",
        "cartilage", "cricoid",
    ))),
    ("airways", frozenset((
        "airways", "nasopharynx", "oropharynx", "hypopharynx", "nasal", "larynx", "pharynx",
    ))),
    ("tissue", frozenset(("face", "head", "cavity", "mediastinum", "implant"))),
    ("organs", frozenset((
        "optic", "eyeball", "breast", "palate", "auditory", "pericardium", "outflow", "canal", "maxillary",
        "sinus",
    ))),
)  # fmt: skip
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
    """``kidney_left`` -> ``Left kidney``, ``esophagus`` -> ``Oesophagus``."""
    words = [_BRITISH.get(word, word) for word in name.split("_")]
    tooth = re.fullmatch(r"fdi(\d+)", words[-1]) if len(words) > 1 else None
    text = readable_title("_".join(words[:-1] if tooth else words))
    number = int(tooth.group(1)) % 100 if tooth else 0  # 111 is the pulp of tooth 11
    return f"{text} (tooth {number})" if number > 10 else text


@lru_cache(maxsize=1024)
def meaning_of(name: str) -> Meaning:
    """The meaning of the class ``name``."""
    title, group = title_of(name), group_of(name)
    row = _package_table().get(name)
    if row is not None:
        return Meaning(title, group, *row)
    number = zlib.crc32(name.encode()) & 0xFFFF
    code, modifier = _from_dictionary(name, group) or (_private(name, title), None)
    return Meaning(title, group, likely_colour(name, number), ANATOMICAL, code, modifier)


def group_of(name: str) -> str:
    """The glTF parent of the class ``name``."""
    if name in _EXACTLY:
        return _EXACTLY[name]
    words = set(name.casefold().split("_"))
    for group, members in _GROUPS:
        if words & members:
            return group
    return guess_group(name)


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


def _from_dictionary(name: str, group: str) -> tuple[Code, Code | None] | None:
    """The concept whose meaning is exactly this structure's name, and its side."""
    words = name.casefold().split("_")
    sides = [word for word in words if word in _SIDES]
    base = " ".join(word for word in words if word not in _SIDES)
    if base in _HOMONYMS or len(sides) > 1:
        return None
    modifier = _SIDES[sides[0]] if sides else None
    known = _dictionary()
    for meaning in (base, f"{base} muscle") if group == "muscles" else (base,):
        if meaning in known:
            return known[meaning], modifier
    return None


@lru_cache(maxsize=1)
def _dictionary() -> dict[str, Code]:
    """Anatomical SNOMED CT concepts of pydicom's dictionary by meaning; what is ambiguous is left out."""
    from pydicom.sr import _concepts_dict

    found: dict[str, list[tuple[Code, bool]]] = {}
    concepts: Any = _concepts_dict.concepts["SCT"]
    for values in concepts.values():
        for value, (meaning, groups) in values.items():
            if _ANATOMY.intersection(groups):
                entry = (Code("SCT", value, meaning), _SEGMENTED in groups)
                found.setdefault(meaning.casefold(), []).append(entry)
    clear = {}
    for meaning, entries in found.items():
        codes = {code for code, _ in entries}
        if len(codes) > 1:
            codes = {code for code, segmented in entries if segmented}
        if len(codes) == 1:
            clear[meaning] = codes.pop()
    return clear


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
    name, colour = row["Structure"], row.get("DicomRGBColor")
    if colour:
        red, green, blue = (int(part) / 255.0 for part in colour.split(","))
    else:  # the column came with later versions
        red, green, blue = likely_colour(name, zlib.crc32(name.encode()) & 0xFFFF)
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
