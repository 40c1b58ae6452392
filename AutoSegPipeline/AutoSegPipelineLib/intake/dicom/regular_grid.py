"""Slices of any spacing and any sideways displacement, as one rectangular grid.

Used where the converter is missing or its result does not lie where the DICOM
headers say. Linear interpolation; the intensities of kept slices stay as they are.
"""

from __future__ import annotations

import math
from typing import Callable, Sequence

import numpy

from ...core.segmentation import Affine
from ...formats.geometry import dot, make_affine
from .instance import Vector
from .stack import Stack, normal_of


def header_affine(stack: Stack) -> Affine:
    """Where an even stack's voxels are by its headers alone, (column, row, slice) -> LPS mm.

    Sheared for a tilted gantry.
    """
    places, row, down = stack.places, stack.orientation[:3], stack.orientation[3:]
    rows_apart, columns_apart = stack.first.spacing or (1.0, 1.0)
    last = len(places) - 1
    step = [(b - a) / last for a, b in zip(places[0], places[last])]
    return make_affine([[x * columns_apart for x in row], [x * rows_apart for x in down], step], places[0])


def regular_grid(
    stack: Stack, frames: Sequence[numpy.ndarray], check: Callable[[], None]
) -> tuple[numpy.ndarray, Affine]:
    """Array of shape (k, j, i) and its affine (LPS mm) from ``frames`` (rows, columns) in stack order."""
    row, down, normal = stack.orientation[:3], stack.orientation[3:], normal_of(stack.orientation)
    rows_apart, columns_apart = stack.first.spacing or (1.0, 1.0)
    places, along = stack.places, stack.positions
    offsets = [_sideways(place, places[0], row, down) for place in places]
    rights = [offset[0] / columns_apart for offset in offsets]
    downs = [offset[1] / rows_apart for offset in offsets]
    # Less than a quarter of a pixel from end to end is rounding in the headers.
    if max(max(rights) - min(rights), max(downs) - min(downs)) < 0.25:
        rights, downs = [0.0] * len(places), [0.0] * len(places)
    left, top = math.floor(min(rights)), math.floor(min(downs))
    shape = numpy.shape(frames[0])
    wide = shape[1] + math.ceil(max(rights)) - left
    high = shape[0] + math.ceil(max(downs)) - top
    count = stack.depth
    empty = float(min(float(frame.min()) for frame in frames))
    kind = numpy.asarray(frames[0]).dtype
    out = numpy.empty((count, high, wide), dtype=kind)
    source = -1
    moved: dict[int, numpy.ndarray] = {}
    for k in range(count):
        check()
        at = min(stack.begin + k * stack.step, along[-1])
        while source < len(along) - 2 and along[source + 1] <= at + 1e-3 * stack.step:
            source += 1
        source = max(source, 0)
        for n in (source, source + 1):
            if n not in moved:
                moved[n] = _shifted(frames[n], rights[n] - left, downs[n] - top, (high, wide), empty)
        moved = {n: moved[n] for n in (source, source + 1)}
        weight = (at - along[source]) / (along[source + 1] - along[source])
        weight = min(1.0, max(0.0, weight))
        weight = round(weight) if abs(weight - round(weight)) < 0.02 else weight
        plane = moved[source] * (1 - weight) + moved[source + 1] * weight
        out[k] = numpy.rint(plane) if kind.kind in "iu" else plane
    origin = [
        places[0][r] + row[r] * left * columns_apart + down[r] * top * rows_apart
        + normal[r] * (stack.begin - along[0])
        for r in range(3)
    ]  # fmt: skip
    columns = [
        [x * columns_apart for x in row],
        [x * rows_apart for x in down],
        [x * stack.step for x in normal],
    ]
    return out, make_affine(columns, origin)


def _sideways(
    place: Vector, start: Vector, row: Sequence[float], down: Sequence[float]
) -> tuple[float, float]:
    away = [a - b for a, b in zip(place, start)]
    return dot(away, row), dot(away, down)


def _shifted(
    frame: numpy.ndarray, right: float, lower: float, shape: tuple[int, int], empty: float
) -> numpy.ndarray:
    """``frame`` moved by (right, lower) >= 0 pixels on a larger canvas of ``empty``, as float64."""
    x, y = math.floor(right), math.floor(lower)
    wx, wy = right - x, lower - y
    canvas = numpy.full((shape[0] + 1, shape[1] + 1), empty, dtype=numpy.float64)
    rows, columns = numpy.shape(frame)
    canvas[y : y + rows, x : x + columns] = frame
    if wx > 1e-6:
        canvas[:, 1:] = canvas[:, 1:] * (1 - wx) + canvas[:, :-1].copy() * wx
    if wy > 1e-6:
        canvas[1:] = canvas[1:] * (1 - wy) + canvas[:-1].copy() * wy
    return canvas[: shape[0], : shape[1]]
