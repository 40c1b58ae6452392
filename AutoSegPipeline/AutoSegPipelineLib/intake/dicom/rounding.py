"""How coarsely a header's numbers were written, and what such numbers leave open."""

from __future__ import annotations

import math
from typing import Sequence

from ...formats.geometry import cross, dot, length
from .instance import Orientation, Vector
from .stack import unit

MOST_DECIMALS = 4


def written_step(values: Sequence[float], least: int = 0) -> float:
    """The unit of the last decimal of all ``values``; 0 where they are written finely, or are all equal."""
    if max(values) - min(values) < 1e-9:
        return 0.0  # one error for all moves nothing
    for decimals in range(least, MOST_DECIMALS + 1):
        scale = 10.0**decimals
        if all(abs(value * scale - round(value * scale)) < 1e-6 for value in values):
            return 1.0 / scale
    return 0.0


def rounding_along(places: Sequence[Vector], direction: Vector) -> float:
    """How far rounding can have moved one of ``places`` against another along ``direction``, mm."""
    return sum(written_step([place[axis] for place in places]) * abs(direction[axis]) for axis in range(3))


def angle_left_open(orientation: Orientation) -> float:
    """Degrees by which the true normal may differ, as the cosines are written with few decimals.

    Cosines of 0 and 1 alone are taken as exact.
    """
    if all(abs(value - round(value)) < 1e-9 for value in orientation):
        return 0.0
    step = written_step(orientation, least=1)
    # Half a step in each of the three components of either axis.
    return math.degrees(math.asin(min(1.0, step / 2 * math.sqrt(3) * math.sqrt(2))))


def upright(orientation: Orientation, normal: Vector | None = None) -> Orientation:
    """Axes of length 1 at right angles to each other (and to ``normal``), nearest the ones written."""
    row, down = unit(orientation[:3]), unit(orientation[3:])
    if normal is None and abs(dot(row, down)) < 1e-9:
        return (*row, *down)
    across = unit(cross(row, down)) if normal is None else normal
    row, down = _without(row, across), _without(down, across)
    # What is left of the error is shared by both axes.
    middle = unit((row[0] + down[0], row[1] + down[1], row[2] + down[2]))
    other = cross(middle, across)
    half = math.sqrt(0.5)
    row = unit(_sum(middle, other, half))
    return (*row, *unit(cross(across, row)))


def _sum(a: Vector, b: Vector, factor: float) -> Vector:
    return ((a[0] + b[0]) * factor, (a[1] + b[1]) * factor, (a[2] + b[2]) * factor)


def _without(vector: Vector, direction: Vector) -> Vector:
    part = dot(vector, direction)
    x, y, z = (a - part * b for a, b in zip(vector, direction))
    return unit((x, y, z))


def angle_between(a: Vector, b: Vector) -> float:
    """Degrees."""
    return math.degrees(math.atan2(length(cross(a, b)), dot(a, b)))
