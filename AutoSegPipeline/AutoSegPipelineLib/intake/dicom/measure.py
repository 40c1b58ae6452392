"""Judging where the slices of a stack lie: even, with gaps, at several distances, tilted."""

from __future__ import annotations

from collections import Counter
from typing import Sequence

from ...core.errors import Refused
from ...formats.geometry import dot, length
from .even_grid import (
    SAME_PLACE,
    TRACE_MM,
    WANDER_MM,
    Grid,
    Heights,
    even_grid,
    grid_with_gaps,
    line_through,
    numbered_grid,
    rounded_grid,
)
from .instance import Instance, Vector
from .rounding import angle_between, angle_left_open, rounding_along, upright
from .several_distances import usual_distances
from .stack import AXIAL, Stack, normal_of, unit

MOST_GAP_PART = 0.1
MOST_GAP_RUN = 2
MOST_TILT_DEGREES = 45.0
# Part of a step or pixel by which a place may be corrected without a word to the converter.
CORRECTED_PART = 0.02


def measured(members: Sequence[Instance], name: str) -> Stack:
    """Slices in order, with step, gaps and tilt.

    Raises ``input.four_dimensional``, ``dicom.missing_slices`` and ``input.bad_affine``.
    """
    stated = members[0].orientation or AXIAL
    normal = normal_of(stated)
    order = _in_order(members, normal)
    stack = Stack(order, orientation=upright(stated))
    stack.places = [one.position or (0.0, 0.0, 0.0) for one in order]
    stack.positions = [dot(place, normal) for place in stack.places]
    heights = _heights(order, stack.places, stack.positions, normal)
    grid = even_grid(heights)
    if grid is None:
        grid = numbered_grid(heights)
        if grid is not None and not _few(grid, len(order)):
            raise _lacks(name, grid.missing)
    if grid is None:
        grid = _uneven(stack, heights, name)
    if grid is not None:
        stack.step, stack.missing = grid.step, grid.missing
        _straighten(stack, grid, normal)
    _tilt(stack, name)
    stack.positions = [dot(place, normal_of(stack.orientation)) for place in stack.places]
    stack.begin = _begin(stack)
    moved = max(length([a - b for a, b in zip(one.position or place, place)])
                for one, place in zip(order, stack.places))  # fmt: skip
    stack.rounded = moved > max(SAME_PLACE * stack.step, WANDER_MM) + TRACE_MM
    turned = max(abs(a - b) for a, b in zip(stack.orientation, stated))
    stack.corrected |= moved > CORRECTED_PART * stack.step or turned > 1e-4
    return stack


def _in_order(members: Sequence[Instance], normal: Vector) -> list[Instance]:
    """By place, and by number where rounding put several at one place."""
    numbered = [one for one in members if one.instance is not None]
    sign = 1
    if len(numbered) > 1:
        ends = sorted(numbered, key=lambda one: one.instance or 0)
        sign = -1 if _height(ends[0], normal) > _height(ends[-1], normal) else 1
    return sorted(
        members, key=lambda one: (round(_height(one, normal), 4), sign * (one.instance or 0), one.frame)
    )


def _height(one: Instance, normal: Vector) -> float:
    return dot(one.position or (0.0, 0.0, 0.0), normal)


def _heights(
    order: Sequence[Instance], places: Sequence[Vector], positions: list[float], normal: Vector
) -> Heights:
    stated = [
        abs(value)
        for values in ([one.between for one in order], [one.thickness for one in order])
        for value in set(values)
        if value and len(set(values)) == 1
    ]
    locations = [one.location for one in order if one.location is not None]
    if len(locations) == len(order):
        index = list(range(len(order)))
        start, step = line_through(index, locations)
        if all(abs(start + step * n - value) < 1e-3 for n, value in zip(index, locations)):
            stated.append(abs(step))
    thicknesses = [one.thickness for one in order if one.thickness]
    numbers = [one.instance for one in order if one.instance is not None]
    along = [b - a for a, b in zip(numbers, numbers[1:])]
    run = len(numbers) == len(order) and (all(a > 0 for a in along) or all(a < 0 for a in along))
    alike = len({one.moment for one in order}) == 1
    return Heights(
        positions, rounding_along(places, normal), stated,
        thicknesses if len(thicknesses) == len(order) else [], numbers if run and alike else [],
        not run and len(set(numbers)) == len(order),
    )  # fmt: skip


def _uneven(stack: Stack, heights: Heights, name: str) -> Grid | None:
    """A grid with gaps, or ``None`` with step and distances for slices that lie on none."""
    steps = heights.steps
    usual = sorted(steps)[len(steps) // 2]
    if min(steps) < max(1e-3, 0.05 * usual):
        found = rounded_grid(heights)
        if found is None:
            raise Refused("input.four_dimensional", f"{name} has several slices at the same place.")
        return found
    distances = usual_distances(heights)
    if distances is None:
        gaps = grid_with_gaps(heights)
        if gaps is not None and _few(gaps, len(steps) + 1):
            return gaps
        rounded = rounded_grid(heights) or grid_with_gaps(heights, rounded=True)
        if rounded is not None and _few(rounded, len(steps) + 1):
            return rounded
        gaps = gaps or rounded
        if gaps is not None:
            raise _lacks(name, gaps.missing)
        distances = [usual] * len(steps)
    else:
        missing = [max(0, round(step / own) - 1) for step, own in zip(steps, distances)]
        stack.missing = sum(missing)
        if not _are_few(stack.missing, max(missing), len(stack.places)):
            raise _lacks(name, stack.missing)
        stack.distances = sorted({float(f"{distance:.2g}") for distance in distances})
    worst = max(range(len(steps)), key=lambda n: steps[n] / distances[n])
    if steps[worst] > (MOST_GAP_RUN + 1.5) * distances[worst]:
        raise Refused(
            "dicom.missing_slices", f"{name} has a gap of {steps[worst]:.1f} mm between its slices."
        )
    stack.uneven = True
    # Nearly the finest step, so that no detail is lost.
    stack.step = sorted(steps)[len(steps) // 10]
    return None


def _lacks(name: str, missing: int) -> Refused:
    return Refused("dicom.missing_slices", f"{name} lacks {missing} slice{'s' * (missing != 1)}.")


def _few(grid: Grid, slices: int) -> bool:
    return _are_few(grid.missing, grid.longest_gap, slices)


def _are_few(missing: int, longest: int, slices: int) -> bool:
    """Whether so many missing slices may be interpolated."""
    return longest <= MOST_GAP_RUN and missing <= MOST_GAP_PART * (slices + missing)


def _straighten(stack: Stack, grid: Grid, normal: Vector) -> None:
    """Put the places on the line that they were rounded from; one far beside it stays where it is."""
    lines = [line_through(grid.index, [place[axis] for place in stack.places]) for axis in range(3)]
    at, along = (dot([line[part] for line in lines], normal) for part in (0, 1))
    for axis, (start, step) in enumerate(lines):
        # Along the normal the grid knows better than the line.
        lines[axis] = (start + (grid.start - at) * normal[axis], step + (grid.step - along) * normal[axis])
    pixel = min(stack.first.spacing or (1.0, 1.0))
    wander = max(0.25 * pixel, rounding_along(stack.places, (1.0, 1.0, 1.0)))
    straight = [_vector([start + step * n for start, step in lines]) for n in grid.index]
    beside = max(length(_across(place, line, normal)) for place, line in zip(stack.places, straight))
    if beside > wander:
        stack.corrected = True  # dcm2niix would put it in line with the others
        straight = [
            _vector([a + (height - dot(place, normal)) * b for a, b in zip(place, normal)])
            for place, height in zip(stack.places, [grid.start + grid.step * n for n in grid.index])
        ]
    stack.places = straight


def _vector(values: Sequence[float]) -> Vector:
    x, y, z = values
    return (x, y, z)


def _across(a: Vector, b: Vector, normal: Vector) -> Vector:
    away = [one - other for one, other in zip(a, b)]
    part = dot(away, normal)
    return _vector([one - part * other for one, other in zip(away, normal)])


def _tilt(stack: Stack, name: str) -> None:
    """The angle between the normal and the line of slices, where rounding does not explain it."""
    normal = normal_of(stack.orientation)
    first, last = stack.places[0], stack.places[-1]
    line = _vector([b - a for a, b in zip(first, last)])
    tilt = angle_between(line, normal)
    sideways = length(_across(last, first, normal))
    given = [one.position or (0.0, 0.0, 0.0) for one in stack.instances]
    if tilt <= angle_left_open(stack.first.orientation or AXIAL):
        # The line of all slices knows the normal better than a few decimals do.
        if sideways > TRACE_MM:
            stack.orientation = upright(stack.orientation, unit(line))
        return
    if sideways <= rounding_along(given, unit(_across(last, first, normal))) + TRACE_MM:
        stack.places = [
            _vector([a - b for a, b in zip(place, _across(place, first, normal))]) for place in stack.places
        ]
        return
    stack.tilt_degrees = tilt
    if tilt > MOST_TILT_DEGREES:
        raise Refused("input.bad_affine", f"{name}: its slices are displaced sideways by {tilt:.0f} degrees.")


def _begin(stack: Stack) -> float:
    """Where the volume begins: such that most slices lie on its grid and keep their pixels."""
    first, step = stack.positions[0], stack.step
    if not stack.uneven:
        return first
    offsets = Counter(round(((position - first) / step) % 1.0, 1) % 1.0 for position in stack.positions)
    offset, count = max(offsets.items(), key=lambda one: (one[1], -one[0]))
    if count <= offsets[0.0]:
        return first
    return next(
        first + (position - first) % step
        for position in stack.positions
        if round(((position - first) / step) % 1.0, 1) % 1.0 == offset
    )
