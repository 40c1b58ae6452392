"""Names, titles, colours, groups and codes of the structures that this library finds itself.

SNOMED CT codes and their meanings are those of DICOM's own dictionary (PS3.16,
as pydicom's ``sr.codedict`` carries it; a test looks each one up there) or of
:mod:`..known_structures`. What has no exact word there gets a code of :data:`SCHEME`,
this project's private scheme.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...core.segmentation import Code, Colour, Segment

SCHEME = "99AUTOSEG"

ANATOMICAL = Code("SCT", "91723000", "Anatomical Structure")
TISSUE = Code("SCT", "85756007", "Tissue")
LEFT = Code("SCT", "7771000", "Left")
RIGHT = Code("SCT", "24028007", "Right")


@dataclass(frozen=True)
class Structure:
    """What is the same of a structure in every case."""

    name: str
    title: str
    colour: Colour
    group: str
    priority: int
    category: Code
    code: Code
    modifier: Code | None = None
    opacity: float = 1.0


def _sct(value: str, meaning: str) -> Code:
    return Code("SCT", value, meaning)


def _own(value: str, meaning: str) -> Code:
    return Code(SCHEME, value, meaning)


def _rgb(red: int, green: int, blue: int) -> Colour:
    return (red / 255.0, green / 255.0, blue / 255.0)


_LUNG = _sct("39607008", "Lung")
_KIDNEY = _sct("64033007", "Kidney")

_TABLE = (
    Structure(
        "body",
        "Body",
        _rgb(222, 184, 160),
        "tissue",
        0,
        ANATOMICAL,
        _sct("38266002", "Entire body"),
        opacity=0.12,
    ),
    Structure(
        "subcutaneous_fat",
        "Subcutaneous fat",
        _rgb(240, 214, 110),
        "tissue",
        10,
        TISSUE,
        _sct("67769002", "Subcutaneous fatty tissue"),
        opacity=0.2,
    ),
    Structure(
        "visceral_fat",
        "Inner fat",
        _rgb(230, 180, 60),
        "tissue",
        11,
        TISSUE,
        _own("INNER_FAT", "Fat inside the muscle wall"),
        opacity=0.3,
    ),
    Structure(
        "soft_tissue",
        "Organs and other soft tissue",
        _rgb(196, 110, 96),
        "tissue",
        12,
        TISSUE,
        _own("INNER_SOFT_TISSUE", "Soft tissue inside the muscle wall"),
        opacity=0.3,
    ),
    Structure(
        "muscle",
        "Muscle",
        _rgb(188, 65, 58),
        "muscles",
        20,
        TISSUE,
        _sct("127954009", "Skeletal muscle"),
        opacity=0.45,
    ),
    Structure("lung_left", "Left lung", _rgb(218, 168, 160), "organs", 40, ANATOMICAL, _LUNG, LEFT),
    Structure("lung_right", "Right lung", _rgb(230, 194, 190), "organs", 40, ANATOMICAL, _LUNG, RIGHT),
    Structure(
        "airways",
        "Airways",
        _rgb(171, 217, 243),
        "airways",
        50,
        ANATOMICAL,
        _sct("89187006", "Airway structure"),
    ),
    Structure("bones", "Bones", _rgb(241, 232, 205), "bones", 60, ANATOMICAL, _sct("272673000", "Bone")),
    # Only in the truth of phantoms: the tissue engine cannot tell them apart.
    Structure("heart", "Heart", _rgb(206, 70, 78), "organs", 30, ANATOMICAL, _sct("80891009", "Heart")),
    Structure("aorta", "Aorta", _rgb(224, 60, 60), "vessels", 31, ANATOMICAL, _sct("15825003", "Aorta")),
    Structure("liver", "Liver", _rgb(158, 72, 54), "organs", 30, ANATOMICAL, _sct("10200004", "Liver")),
    Structure("spleen", "Spleen", _rgb(157, 108, 162), "organs", 30, ANATOMICAL, _sct("78961009", "Spleen")),
    Structure(
        "stomach", "Stomach", _rgb(216, 132, 105), "organs", 30, ANATOMICAL, _sct("69695003", "Stomach")
    ),
    Structure("kidney_left", "Left kidney", _rgb(185, 102, 83), "organs", 30, ANATOMICAL, _KIDNEY, LEFT),
    Structure("kidney_right", "Right kidney", _rgb(185, 120, 83), "organs", 30, ANATOMICAL, _KIDNEY, RIGHT),
)

STRUCTURES: dict[str, Structure] = {structure.name: structure for structure in _TABLE}


def structure_segment(name: str, layer: int, value: int) -> Segment:
    """The segment of a known structure; an unknown name gets a private code and a colour of its own."""
    known = STRUCTURES.get(name) or _unknown(name)
    return Segment(
        layer=layer,
        value=value,
        name=known.name,
        title=known.title,
        colour=known.colour,
        group=known.group,
        priority=known.priority,
        opacity=known.opacity,
        category=known.category,
        code=known.code,
        modifier=known.modifier,
    )


def _unknown(name: str) -> Structure:
    title = name.replace("_", " ").capitalize()
    seed = sum((position + 1) * ord(letter) for position, letter in enumerate(name))
    colour = _rgb(80 + seed * 37 % 160, 80 + seed * 59 % 160, 80 + seed * 83 % 160)
    return Structure(name, title, colour, "other", 30, ANATOMICAL, _own(name.upper()[:16], title))
