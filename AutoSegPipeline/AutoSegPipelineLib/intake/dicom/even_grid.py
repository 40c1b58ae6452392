"""Which even grid the heights of slices stand for, judged over all slices at once. Pure arithmetic.

Headers round: 1.25 mm becomes 1.2 and 1.3 in turn. Step against step such slices look uneven; against a
straight line through all of them they lie within the rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Sequence

# A slice is where it should be within this part of a step; it moves nothing that a voxel can show.
SAME_PLACE = 0.1
# Scanners' tables wander by some hundredths of a millimetre.
WANDER_MM = 0.08
# Small rounding errors of binary numbers.
TRACE_MM = 1e-5


@dataclass
class Heights:
    """Ascending positions along the normal in mm, and what else the headers say that bears on them."""

    positions: list[float]
    rounding: float = 0.0  # how far rounding can have moved one against another, mm
    stated: list[float] = field(default_factory=list)  # distances that the headers give, mm
    thicknesses: list[float] = field(default_factory=list)  # one for each slice, else empty
    numbers: list[int] = field(default_factory=list)  # InstanceNumbers where they run along, else empty
    shuffled: bool = False  # InstanceNumbers run to and fro: these may be several scans

    @property
    def steps(self) -> list[float]:
        """From each slice to the next."""
        return [b - a for a, b in zip(self.positions, self.positions[1:])]

    @property
    def jumps(self) -> list[bool]:
        """Whether a number is left out between a slice and the next; empty where numbers say nothing."""
        along = [abs(b - a) for a, b in zip(self.numbers, self.numbers[1:])]
        return [step > min(along) for step in along]


@dataclass
class Grid:
    """Slice n of the heights lies at ``start + step * index[n]``."""

    start: float
    step: float
    index: list[int]

    @property
    def missing(self) -> int:
        """Places of the grid without a slice."""
        return self.index[-1] + 1 - len(self.index)

    @property
    def longest_gap(self) -> int:
        """Most slices missing in one place."""
        return max(b - a for a, b in zip(self.index, self.index[1:])) - 1


def line_through(index: Sequence[int], values: Sequence[float]) -> tuple[float, float]:
    """Start and step of the straight line nearest to ``values`` by least squares."""
    count = len(values)
    middle, mean = sum(index) / count, sum(values) / count
    spread = sum((n - middle) ** 2 for n in index)
    step = sum((n - middle) * (value - mean) for n, value in zip(index, values)) / spread
    return mean - step * middle, step


def _errors(positions: Sequence[float], index: Sequence[int], step: float) -> list[float]:
    return [position - step * n for position, n in zip(positions, index)]


def _strict(heights: Heights, index: list[int]) -> Grid | None:
    """A grid on which every slice lies within a tenth of a step or the wander of a table."""
    start, step = line_through(index, heights.positions)
    if step <= 0:
        return None
    worst = max(abs(error - start) for error in _errors(heights.positions, index, step))
    allowed = max(SAME_PLACE * step, min(WANDER_MM, 0.25 * step))
    if worst > allowed + TRACE_MM:
        return None
    return _stated(heights, index, step) or Grid(start, step, index)


def _stated(heights: Heights, index: list[int], near: float = 0.0) -> Grid | None:
    """A grid of a distance that the headers give, if rounding explains every slice's error."""
    for step in heights.stated:
        if step <= 0 or (near and abs(step - near) > 0.1 * near):
            continue
        errors = _errors(heights.positions, index, step)
        spread = max(errors) - min(errors)
        # Steps that need no rounding cannot have been moved by it.
        limit = heights.rounding - 2 * TRACE_MM if _is_multiple(step, heights.rounding) else heights.rounding
        if spread <= max(limit, 0.0) + TRACE_MM:
            return Grid((max(errors) + min(errors)) / 2, step, index)
    return None


def _is_multiple(step: float, unit: float) -> bool:
    return unit > 0 and abs(step / unit - round(step / unit)) < 1e-6


def _rounded(heights: Heights, index: list[int]) -> Grid | None:
    """A grid that the headers do not give, if rounding explains every slice's error."""
    _, near = line_through(index, heights.positions)
    if near <= 0:
        return None

    def spread(step: float) -> float:
        errors = _errors(heights.positions, index, step)
        return max(errors) - min(errors)

    # Least squares may just miss the steps that rounding allows; the spread is convex in the step.
    low, high = 0.9 * near, 1.1 * near
    while spread(near) > heights.rounding + TRACE_MM and high - low > 1e-6 * near:
        third = (high - low) / 3
        if spread(low + third) < spread(high - third):
            high -= third
        else:
            low += third
        near = (low + high) / 2
    if spread(near) > heights.rounding + TRACE_MM:
        return None
    errors = _errors(heights.positions, index, near)
    return Grid((max(errors) + min(errors)) / 2, near, index)


def even_grid(heights: Heights) -> Grid | None:
    """The grid that the slices fill without a gap, by their positions or by what the headers give."""
    index = list(range(len(heights.positions)))
    found = _strict(heights, index)
    if found is None and _no_gap_is_known(heights):
        found = _stated(heights, index)
    return found if found is not None and _may_share_places(heights, found) else None


def rounded_grid(heights: Heights) -> Grid | None:
    """The grid that rounded positions allow, where nothing closer to them was found."""
    if not _no_gap_is_known(heights):
        return None
    found = _rounded(heights, list(range(len(heights.positions))))
    return found if found is not None and _may_share_places(heights, found) else None


def _no_gap_is_known(heights: Heights) -> bool:
    """Where a gap or a second scan could pass for rounding, the numbers must not speak of one."""
    usual = (heights.positions[-1] - heights.positions[0]) / (len(heights.positions) - 1)
    return heights.rounding < 0.5 * usual or not (heights.shuffled or any(heights.jumps))


def _may_share_places(heights: Heights, grid: Grid) -> bool:
    """Whether slices that rounding put at one place are known to be neighbours.

    Their numbers must run along, and either the headers give the distance or the places hold now one
    slice, now two: a series with everything twice holds two at each.
    """
    steps = heights.steps
    if min(steps) > max(1e-3, 0.05 * grid.step):
        return True
    if not heights.numbers or any(heights.jumps):
        return False
    runs: list[int] = [1]
    for step in steps:
        if step <= 1e-3:
            runs[-1] += 1
        else:
            runs.append(1)
    given = any(abs(step - grid.step) <= 1e-6 for step in heights.stated)
    return given or len(set(runs[1:-1])) > 1


def numbered_grid(heights: Heights) -> Grid | None:
    """The grid on which InstanceNumbers that leave some out say where the gaps are."""
    if not any(heights.jumps):
        return None
    away = [abs(number - heights.numbers[0]) for number in heights.numbers]
    least = min(b - a for a, b in zip(away, away[1:]))
    if any(number % least for number in away):
        return None
    index = [number // least for number in away]
    return _strict(heights, index) or _stated(heights, index) or _rounded(heights, index)


def grid_with_gaps(heights: Heights, rounded: bool = False) -> Grid | None:
    """The coarsest grid on which every slice lies, at most half of all neighbours being further apart.

    ``rounded`` allows each slice to be as far away as rounding can have moved it.
    """
    positions, usual = heights.positions, sorted(heights.steps)[len(heights.positions) // 2 - 1]
    reach, most = positions[-1] - positions[0], len(positions) // 2
    # From one gap to as many missing slices as there are.
    for last in range(len(positions), 2 * len(positions)):
        step = reach / last
        if abs(usual - step) > 0.25 * step + heights.rounding:
            continue  # more than half of all neighbours are one step apart
        index = [round((position - positions[0]) / step) for position in positions]
        single = sum(b - a == 1 for a, b in zip(index, index[1:]))
        if single < most or any(b <= a for a, b in zip(index, index[1:])):
            continue
        found = _strict(heights, index) or _stated(heights, index, step)
        if found is None and rounded and heights.rounding <= 0.85 * step:
            found = _rounded(heights, index)
        if found is not None:
            return found
    return None
