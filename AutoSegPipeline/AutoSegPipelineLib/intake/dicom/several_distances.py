"""Slices at several distances by design: fine below and coarse above, or thick and thin in turn.

Told from missing slices by what the headers say: the thickness changes with the distance, or the
distance stays for a run of slices whose numbers leave none out.
"""

from __future__ import annotations

from typing import Sequence

from .even_grid import TRACE_MM, Heights

# Distances and thicknesses that differ by less than this part are the same.
SAME_DISTANCE = 0.1
SAME_THICKNESS = 0.05
LEAST_RUN = 3
LONGEST_PATTERN = 4
# By design the distance changes once or twice; rounding changes it to and fro.
MOST_CHANGES = 3


def usual_distances(heights: Heights) -> list[float] | None:
    """The distance that each pair of neighbours should have; ``None`` where the series has but one."""
    return _by_thickness(heights) or _by_pattern(heights) or _by_runs(heights)


def thickness_classes(thicknesses: Sequence[float]) -> list[int]:
    """A number for each thickness, the thinnest 0; empty where there are none."""
    bounds: list[float] = []
    for value in sorted(thicknesses):
        if not bounds or value > bounds[-1] * (1 + SAME_THICKNESS):
            bounds.append(value)
    return [sum(value >= bound for bound in bounds) - 1 for value in thicknesses]


def _same(a: float, b: float, rounding: float = 0.0) -> bool:
    return abs(a - b) <= max(SAME_DISTANCE * max(a, b), rounding + TRACE_MM)


def _distinct(values: Sequence[float], rounding: float = 0.0) -> list[float]:
    found: list[float] = []
    for value in values:
        if not any(_same(value, other, rounding) for other in found):
            found.append(value)
    return found


def _by_thickness(heights: Heights) -> list[float] | None:
    """Every class of thickness has a distance of its own, seen between neighbours of that class."""
    classes = thickness_classes(heights.thicknesses)
    if len(set(classes)) < 2:
        return None
    within: dict[int, list[float]] = {}
    for n, step in enumerate(heights.steps):
        if classes[n] == classes[n + 1]:
            within.setdefault(classes[n], []).append(step)
    usual = {number: sorted(steps)[(len(steps) - 1) // 2] for number, steps in within.items()}
    if len(_distinct(list(usual.values()))) < 2:
        return None
    for number in set(classes) - set(usual):
        # A lone slice of this thickness: its neighbours say how distance goes with thickness.
        other = min(usual, key=lambda one: abs(one - number))
        part = _mean(heights.thicknesses, classes, number) / _mean(heights.thicknesses, classes, other)
        usual[number] = usual[other] * part
    return [max(usual[a], usual[b]) for a, b in zip(classes, classes[1:])]


def _mean(values: Sequence[float], classes: Sequence[int], number: int) -> float:
    own = [value for value, one in zip(values, classes) if one == number]
    return sum(own) / len(own)


def _by_pattern(heights: Heights) -> list[float] | None:
    """Distances that recur in turn, as thicknesses do or as numbers that leave none out confirm."""
    steps, classes = heights.steps, thickness_classes(heights.thicknesses)
    if len(_distinct(steps, heights.rounding)) < 2:
        return None
    for period in range(2, LONGEST_PATTERN + 1):
        if len(steps) < 2 * period + 1:
            return None
        if not all(_same(a, b, heights.rounding) for a, b in zip(steps, steps[period:])):
            continue
        in_turn = len(set(classes)) > 1 and all(a == b for a, b in zip(classes, classes[period:]))
        if in_turn or (heights.numbers and not any(heights.jumps)):
            return steps
    return None


def _by_runs(heights: Heights) -> list[float] | None:
    """Runs of equal distances without a number left out; what lies between goes with its neighbours."""
    steps = heights.steps
    jumps = heights.jumps or [False] * len(steps)
    usual: list[float | None] = [None] * len(steps)
    begin = 0
    while begin < len(steps):
        end = begin
        while end < len(steps) and not jumps[end] and _same(steps[begin], steps[end]):
            end += 1
        if end - begin >= LEAST_RUN:
            mean = sum(steps[begin:end]) / (end - begin)
            usual[begin:end] = [mean] * (end - begin)
        begin = max(end, begin + 1)
    known = [value for value in usual if value is not None]
    changes = sum(not _same(a, b) for a, b in zip(known, known[1:]))
    if not 1 <= changes <= MOST_CHANGES:
        return None
    return [_nearest(usual, n) for n in range(len(steps))]


def _nearest(usual: Sequence[float | None], n: int) -> float:
    """The larger of the run before and the run after, where ``n`` is in none."""
    before = next((value for value in reversed(usual[: n + 1]) if value is not None), 0.0)
    after = next((value for value in usual[n:] if value is not None), 0.0)
    return usual[n] or max(before, after)
