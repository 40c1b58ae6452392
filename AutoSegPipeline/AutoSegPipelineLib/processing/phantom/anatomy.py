"""A simple torso in Hounsfield units, in a frame of its own.

Millimetres, LPS directions, the origin in the middle of the trunk at the
height of the heart's lower edge. The heart leans to the left, the liver lies
on the right, the spleen on the left, the right lung is the larger one, as in
most people: so a mirrored result can be told from a right one.
"""

from __future__ import annotations

from dataclasses import dataclass

from .solids import Block, Capsule, Column, Ellipsoid, Rib, Solid

AIR_HU, LUNG_HU, FAT_HU, MUSCLE_HU = -1000, -850, -100, 55
CORTEX_HU, MARROW_HU = 700, 260


@dataclass(frozen=True)
class Part:
    """One solid of the anatomy: ``name`` of its structure (empty for none) and its HU."""

    name: str
    solid: Solid
    hu: float


BODY = Ellipsoid((0, 0, 0), (165, 105, 380))
FASCIA = Ellipsoid((0, 0, 0), (145, 87, 370))
CAVITY = Ellipsoid((0, 0, 0), (128, 72, 360))
LUNG_RIGHT = Ellipsoid((-68, 0, -15), (48, 54, 92), floor=-30)
LUNG_LEFT = Ellipsoid((72, 0, -20), (43, 51, 90), floor=-34)
LIVER = Ellipsoid((-58, -14, -52), (55, 40, 38))
SPLEEN = Ellipsoid((86, 15, -54), (22, 26, 28))
STOMACH = Ellipsoid((48, -30, -52), (24, 22, 26))
STOMACH_GAS = Ellipsoid((48, -36, -46), (12, 8, 12))
KIDNEY_LEFT = Ellipsoid((50, 42, -62), (16, 14, 26))
KIDNEY_RIGHT = Ellipsoid((-50, 42, -63), (16, 14, 26))
HEART = Ellipsoid((18, -22, 18), (38, 32, 36))
AORTA = Column((24, 36), 9, -380, 40)
TRACHEA = ((0.0, 18.0, 200.0), (0.0, 18.0, 45.0), 8.0)
BRONCHI = (
    ((0.0, 18.0, 45.0), (-30.0, 16.0, 22.0), 6.5),
    ((0.0, 18.0, 45.0), (36.0, 22.0, 20.0), 6.0),
)
_WALL = 3.0  # of trachea and bronchi, mm
_VERTEBRA, _DISC = 24.0, 5.0


def _airways(extra: float) -> list[Capsule]:
    return [Capsule(start, end, radius + extra) for start, end, radius in (TRACHEA, *BRONCHI)]


def _spine() -> list[Part]:
    step = _VERTEBRA + _DISC
    parts = [Part("", Column((0, 52), 15, -380, 380), 80.0)]  # discs
    for number in range(-13, 13):
        low = number * step + 2.0
        parts.append(Part("bones", Column((0, 52), 16, low, low + _VERTEBRA), CORTEX_HU))
        parts.append(Part("bones", Column((0, 52), 13, low + 3, low + _VERTEBRA - 3), MARROW_HU))
        parts.append(Part("bones", Column((0, 74), 11, low + 3, low + _VERTEBRA - 3, bore=7), CORTEX_HU))
    return parts


def _ribs() -> list[Part]:
    parts = []
    for number in range(8):
        height = -58.0 + 25.0 * number
        front = 0.0 if height < -30 else -1e9
        parts.append(Part("bones", Rib((133, 77), height, 5.0, front=front), CORTEX_HU))
        parts.append(Part("bones", Rib((133, 77), height, 2.5, front=front), MARROW_HU))
    parts.append(Part("bones", Ellipsoid((0, -78, 30), (15, 6, 55)), CORTEX_HU))
    parts.append(Part("bones", Ellipsoid((0, -78, 30), (12, 3, 52)), MARROW_HU))
    return parts


def parts(table: bool) -> list[Part]:
    """The anatomy in drawing order: a later part covers an earlier one."""
    bed = [Part("", Block((-190, 103, -1000), (190, 110, 1000)), 120.0)] if table else []
    gas = [Ellipsoid((x, y, z), (9, 8, 11)) for x, y, z in ((12, -48, -78), (-18, -52, -84), (92, -8, -86))]
    return [
        *bed,
        Part("subcutaneous_fat", BODY, FAT_HU),
        Part("muscle", FASCIA, MUSCLE_HU),
        Part("visceral_fat", CAVITY, FAT_HU),
        Part("lung_right", LUNG_RIGHT, LUNG_HU),
        Part("lung_left", LUNG_LEFT, LUNG_HU),
        Part("heart", HEART, 42.0),
        Part("aorta", AORTA, 45.0),
        Part("liver", LIVER, 60.0),
        Part("spleen", SPLEEN, 50.0),
        Part("stomach", STOMACH, 30.0),
        Part("", STOMACH_GAS, -950.0),
        Part("kidney_left", KIDNEY_LEFT, 33.0),
        Part("kidney_right", KIDNEY_RIGHT, 33.0),
        *(Part("", solid, 40.0) for solid in (Ellipsoid(g.centre, (12, 11, 14)) for g in gas)),
        *(Part("", solid, -940.0) for solid in gas),
        *(Part("", solid, 45.0) for solid in _airways(_WALL)),
        *_ribs(),
        *_spine(),
        *(Part("airways", solid, -990.0) for solid in _airways(0.0)),
    ]


# Structures whose volume and centre are known from formulas: what is drawn of
# each, and which later parts take a bite out of it.
KNOWN: dict[str, tuple[Ellipsoid, tuple[Solid, ...]]] = {
    "lung_right": (LUNG_RIGHT, (HEART, LIVER, *_airways(_WALL))),
    "lung_left": (LUNG_LEFT, (HEART, SPLEEN, STOMACH, AORTA, *_airways(_WALL))),
    "heart": (HEART, ()),
    "liver": (LIVER, ()),
    "spleen": (SPLEEN, ()),
    "kidney_left": (KIDNEY_LEFT, ()),
    "kidney_right": (KIDNEY_RIGHT, ()),
    "body": (BODY, ()),
}
