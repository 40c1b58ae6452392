"""Lengths in files: words for units, and whether the unit that a header states can be true."""

from __future__ import annotations

from typing import Sequence

from ..core.errors import Refused
from .header import Header

# Edges of a scan of a body or a part of one, in mm: from a mouse in a micro-CT to a whole adult.
_SHORTEST, _LONGEST, _THICKEST = 5.0, 5000.0, 100.0
_WORDS = {
    "mm": ("mm", "millimeter", "millimeters", "millimetre", "millimetres", "", "???", "none"),
    "m": ("m", "meter", "meters", "metre", "metres"),
    "cm": ("cm", "centimeter", "centimeters", "centimetre", "centimetres"),
    "um": ("um", "\u00b5m", "\u03bcm", "micron", "microns", "micrometer", "micrometers", "micrometre",
           "micrometres"),
    "nm": ("nm", "nanometer", "nanometers", "nanometre", "nanometres"),
    "in": ("in", "inch", "inches"),
}  # fmt: skip
_MM = {"mm": 1.0, "m": 1000.0, "cm": 10.0, "um": 0.001, "nm": 1e-6, "in": 25.4}
_FACTORS = {word: _MM[unit] for unit, words in _WORDS.items() for word in words}
_NAMES = {1000.0: "metres", 10.0: "centimetres", 0.001: "micrometres", 1e-6: "nanometres", 25.4: "inches"}


def factor_to_mm(unit: str) -> float | None:
    """Millimetres in one ``unit``; 1 where none is stated, ``None`` for a word that is no length."""
    return _FACTORS.get(unit.strip().lower())


def believed_factor(header: Header, steps: Sequence[float], factor: float, name: str) -> float:
    """``factor`` (mm in one stated unit), or 1 with a warning where only millimetres can be meant.

    ``steps`` are the edges of a voxel in the stated unit. Many writers state metres or
    micrometres and count in millimetres. Raises ``input.bad_affine`` where the scan would be
    too small for either, as when metres are written and no unit is stated.
    """
    if _plausible(header.shape, steps, factor):
        return factor
    if factor != 1.0 and _plausible(header.shape, steps, 1.0):
        unit = _NAMES.get(factor, "another unit than millimetres")
        edge = " x ".join(f"{step * factor:g}" for step in steps)
        header.warnings.append({
            "code": "input.implausible_unit",
            "message": f"{name} states {unit}, which would make voxels of {edge} mm; "
                       "its numbers were taken as millimetres.",
        })  # fmt: skip
        return 1.0
    if 0 < max(_edges(header.shape, steps, factor)) < 1.0:
        edge = " x ".join(f"{step * factor:g}" for step in steps)
        raise Refused(
            "input.bad_affine",
            f"{name} has voxels of {edge} mm, so the complete scan would be smaller than 1 mm.",
            "Its header states another unit than the one of its numbers; correct it and give the file again.",
        )
    return factor


def _edges(shape: Sequence[int], steps: Sequence[float], factor: float) -> list[float]:
    return [count * step * factor for count, step in zip(shape, steps)]


def _plausible(shape: Sequence[int], steps: Sequence[float], factor: float) -> bool:
    longest = max(_edges(shape, steps, factor))
    return _SHORTEST <= longest <= _LONGEST and max(steps) * factor <= _THICKEST
