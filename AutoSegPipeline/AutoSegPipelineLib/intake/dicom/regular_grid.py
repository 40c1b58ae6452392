"""Slices of any spacing and any sideways displacement, as one rectangular grid.

Used where the converter is missing or its result does not lie where the DICOM
headers say. Linear interpolation; the intensities of kept slices stay as they are.
"""

from __future__ import annotations

import math
from typing import Callable, Iterator, Sequence

import numpy

from ...core.segmentation import Affine
from ...formats.geometry import dot, make_affine
from .instance import Vector
from .planes import Planes
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


class RegularGrid:
    """A rectangular grid for ``stack``: ``shape`` (i, j, k), ``affine`` (LPS mm), and its planes."""

    def __init__(self, stack: Stack) -> None:
        row, down, normal = stack.orientation[:3], stack.orientation[3:], normal_of(stack.orientation)
        rows_apart, columns_apart = stack.first.spacing or (1.0, 1.0)
        places = stack.places
        offsets = [_sideways(place, places[0], row, down) for place in places]
        rights = [offset[0] / columns_apart for offset in offsets]
        downs = [offset[1] / rows_apart for offset in offsets]
        # Less than a quarter of a pixel from end to end is rounding in the headers.
        self.shifted = max(max(rights) - min(rights), max(downs) - min(downs)) >= 0.25
        if not self.shifted:
            rights, downs = [0.0] * len(places), [0.0] * len(places)
        left, top = math.floor(min(rights)), math.floor(min(downs))
        self._shifts = [(right - left, lower - top) for right, lower in zip(rights, downs)]
        self._canvas = (
            stack.first.rows + math.ceil(max(downs)) - top,
            stack.first.columns + math.ceil(max(rights)) - left,
        )
        self._stack = stack
        self.shape = (self._canvas[1], self._canvas[0], stack.depth)
        origin = [
            places[0][r] + row[r] * left * columns_apart + down[r] * top * rows_apart
            + normal[r] * (stack.begin - stack.positions[0])
            for r in range(3)
        ]  # fmt: skip
        columns = [
            [x * columns_apart for x in row],
            [x * rows_apart for x in down],
            [x * stack.step for x in normal],
        ]
        self.affine = make_affine(columns, origin)

    def planes(self, frames: Planes, check: Callable[[], None]) -> Iterator[numpy.ndarray]:
        """Planes (rows, columns) upwards from ``frames`` in stack order; integers where frames are."""
        along, step = self._stack.positions, self._stack.step
        empty = 0.0
        if self.shifted:
            empty = min(float(frames[n].min()) for n in range(len(along)))
        source = 0
        moved: dict[int, numpy.ndarray] = {}
        for k in range(self.shape[2]):
            check()
            at = min(self._stack.begin + k * step, along[-1])
            while source < len(along) - 2 and along[source + 1] <= at + 1e-3 * step:
                source += 1
            weight = (at - along[source]) / (along[source + 1] - along[source])
            weight = min(1.0, max(0.0, weight))
            weight = round(weight) if abs(weight - round(weight)) < 0.02 else weight
            needed = [n for n, part in ((source, 1 - weight), (source + 1, weight)) if part]
            moved = {n: moved[n] if n in moved else self._moved(frames[n], n, empty) for n in needed}
            if len(needed) == 1:
                yield moved[needed[0]]
                continue
            plane = moved[source] * (1 - weight) + moved[source + 1] * weight
            yield numpy.rint(plane).astype("i4") if frames[source].dtype.kind in "iu" else plane

    def _moved(self, frame: numpy.ndarray, n: int, empty: float) -> numpy.ndarray:
        """A frame on the canvas of all; as it is where none is displaced."""
        if not self.shifted:
            return frame
        moved = _shifted(frame, *self._shifts[n], self._canvas, empty)
        return numpy.rint(moved).astype("i4") if frame.dtype.kind in "iu" else moved


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
