"""From the positions of frames to one grid: in any order, with empty slices left out, tilted or oblique."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Sequence, Tuple

from ...core.errors import Refused
from ...core.segmentation import Grid
from ..geometry import Vector, cross, dot, length, make_affine

# Directions whose cosine differs from 1 by less are the same.
SAME_DIRECTION = 1e-4
# Slices that lie off the even grid by at most this part of a step are rounded positions.
OFF_GRID = 0.2
# Positions nearer than this part of a voxel's width are the same.
SAME_PLACE = 0.02
# An even grid with more slices than this between the first and the last frame is no body.
MOST_SLICES = 10_000


@dataclass(frozen=True)
class Plane:
    """Where a frame lies: its first pixel (LPS mm), the directions along a row and down a column, and
    the distances of rows and of columns in mm (PS3.3 C.7.6.2, 10.7.1.3)."""

    position: Vector
    row: Vector
    down: Vector
    spacing: Tuple[float, float]


@dataclass(frozen=True)
class FramePlace:
    """The index of a frame's first pixel in its slice, and the slices that it fills."""

    i: int
    j: int
    slices: Tuple[int, ...]


@dataclass
class Placed:
    """The grid of all frames and each frame's place on it; ``uneven`` distances were evened out."""

    grid: Grid
    places: list[FramePlace]
    uneven: bool


def place_frames(
    planes: Sequence[Plane], size: Tuple[int, int], between: float, thickness: float, name: str
) -> Placed:
    """One grid for all ``planes`` of ``size`` (rows, columns).

    ``between`` is the stated distance of slices and ``thickness`` theirs, in mm, 0 where unknown.
    Raises :class:`Refused`: ``input.bad_affine``, ``input.four_dimensional``.
    """
    first = planes[0]
    _check(planes, name)
    normal = _unit(cross(first.row, first.down))
    row, down = _unit(first.row), _unit(first.down)
    width, height = first.spacing[1], first.spacing[0]
    along = [dot(plane.position, normal) for plane in planes]
    near = between or thickness or min(width, height)
    if not max(along) - min(along) <= MOST_SLICES * near:
        raise Refused("input.bad_affine", f"{name}: its frames lie {max(along) - min(along):.0f} mm apart.")
    steps, step, start, uneven = _slices(along, between, thickness, min(width, height))
    lefts = [dot(plane.position, row) / width for plane in planes]
    tops = [dot(plane.position, down) / height for plane in planes]
    i_s, j_s = [_offsets(values) for values in (lefts, tops)]
    places = [FramePlace(i, j, slices) for i, j, slices in zip(i_s, j_s, steps)]
    x, y = min(lefts) * width, min(tops) * height
    origin = tuple(x * row[a] + y * down[a] + start * normal[a] for a in range(3))
    columns = [
        tuple(size * part for part in axis) for size, axis in ((width, row), (height, down), (step, normal))
    ]
    shape = (
        size[1] + max(i_s),
        size[0] + max(j_s),
        max(2, 1 + max(max(slices, default=0) for slices in steps)),
    )
    return Placed(Grid(shape, make_affine(columns, origin)), places, uneven)


def _check(planes: Sequence[Plane], name: str) -> None:
    first = planes[0]
    lengths = abs(length(first.row) - 1) > 0.01 or abs(length(first.down) - 1) > 0.01
    if lengths or abs(dot(first.row, first.down)) > 0.01 or min(first.spacing) <= 0:
        raise Refused(
            "input.bad_affine", f"{name}: the axes of its frames are not at right angles or have no length."
        )
    for plane in planes:
        turned = (
            dot(plane.row, first.row) < 1 - SAME_DIRECTION or dot(plane.down, first.down) < 1 - SAME_DIRECTION
        )
        if turned:
            raise Refused(
                "input.four_dimensional", f"{name}: one object holds frames of several orientations."
            )
        if any(abs(a - b) > 1e-3 * b for a, b in zip(plane.spacing, first.spacing)):
            raise Refused(
                "input.four_dimensional", f"{name}: one object holds frames of several resolutions."
            )


def _unit(vector: Vector) -> Vector:
    size = length(vector)
    return (vector[0] / size, vector[1] / size, vector[2] / size)


def _offsets(values: Sequence[float]) -> list[int]:
    """Distances from the smallest in voxels: frames of a tilted stack are shifted by the nearest number."""
    lowest = min(values)
    return [round(value - lowest) for value in values]


def _slices(
    along: Sequence[float], between: float, thickness: float, width: float
) -> Tuple[list[Tuple[int, ...]], float, float, bool]:
    """Each frame's slices, the step, where slice 0 lies (mm along the normal), and whether steps differed."""
    near = SAME_PLACE * (between or thickness or width)
    levels: list[float] = []
    for value in sorted(along):
        if not levels or value - levels[-1] > near:
            levels.append(value)
    if len(levels) == 1:
        return [(0,)] * len(along), between or thickness or width, levels[0], False
    gaps = sorted(b - a for a, b in zip(levels, levels[1:]))
    usual = gaps[len(gaps) // 2]
    # The stated distance first: where only every other slice shows a segment, the gaps say twice as much.
    for step in (between, usual, gaps[0], thickness):
        fitted = _fit(levels, step) if step > 0 else None
        if fitted is not None:
            step, start = fitted
            return [(round((value - start) / step),) for value in along], step, start, False
    step = max(gaps[len(gaps) // 10], near)  # nearly the finest, so that no detail is lost
    filled = _nearest(levels, step, usual)
    return [filled[_index(levels, value)] for value in along], step, levels[0], True


def _index(levels: Sequence[float], value: float) -> int:
    """The level nearest to ``value``; ``levels`` ascend."""
    at = bisect_left(levels, value)
    if at == len(levels) or (at > 0 and value - levels[at - 1] <= levels[at] - value):
        return at - 1
    return at


def _nearest(levels: Sequence[float], step: float, usual: float) -> list[Tuple[int, ...]]:
    """The slices of an even grid that lie nearest to each level; a gap of several usual ones stays empty."""
    filled: list[list[int]] = [[] for _ in levels]
    for k in range(round((levels[-1] - levels[0]) / step) + 1):
        place = levels[0] + k * step
        at = _index(levels, place)
        neighbour = at + (1 if place > levels[at] else -1)
        gap = abs(levels[neighbour] - levels[at]) if 0 <= neighbour < len(levels) else usual
        if abs(place - levels[at]) <= 0.5 * (gap if gap <= 2.5 * usual else usual) + 1e-6 * step:
            filled[at].append(k)
    return [tuple(slices) for slices in filled]


def _fit(levels: Sequence[float], step: float) -> Tuple[float, float] | None:
    """Step and start of the even grid nearest to ``levels`` (least squares), or None where it is none."""
    numbers = [0]
    for before, after in zip(levels, levels[1:]):
        numbers.append(numbers[-1] + round((after - before) / step))
    if len(set(numbers)) != len(levels):
        return None
    count = len(levels)
    middle, mean = sum(numbers) / count, sum(levels) / count
    spread = sum((number - middle) ** 2 for number in numbers)
    slope = sum((n - middle) * (value - mean) for n, value in zip(numbers, levels)) / spread
    start = mean - slope * middle
    off = max(abs(value - start - slope * number) for value, number in zip(levels, numbers))
    return (slope, start) if off <= OFF_GRID * slope else None
