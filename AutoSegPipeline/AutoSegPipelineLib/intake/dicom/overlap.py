"""Sets of slices that lie over one another: joined where they meet, apart where they cover each other."""

from __future__ import annotations

from collections import defaultdict
from typing import Callable, Sequence

from ...formats.geometry import dot
from .instance import Instance
from .several_distances import SAME_DISTANCE, thickness_classes
from .stack import AXIAL, normal_of

LEAST_SET = 3
# Sets that share more than this part of the smaller one are volumes of their own.
MOST_SHARED = 0.5


def by_key(members: Sequence[Instance], key: Callable[[Instance], str]) -> list[list[Instance]]:
    """Members with the same key, sorted by key."""
    sets: dict[str, list[Instance]] = defaultdict(list)
    for member in members:
        sets[key(member)].append(member)
    return [own for _, own in sorted(sets.items())]


def by_thickness(members: Sequence[Instance]) -> list[list[Instance]]:
    """Members of one slice thickness, the thinnest first; all in one set where any states none."""
    if any(not member.thickness for member in members):
        return [list(members)]
    classes = thickness_classes([member.thickness or 0.0 for member in members])
    named = {id(member): f"{number:06d}" for member, number in zip(members, classes)}
    return by_key(members, lambda one: named[id(one)])


def by_runs(members: Sequence[Instance]) -> list[list[Instance]]:
    """Members whose places run one way as their numbers go up; a turn back begins the next set."""
    if any(member.instance is None for member in members):
        return [list(members)]
    order = sorted(members, key=lambda one: (one.instance or 0, one.frame))
    heights = _heights(order)
    ways = [b > a for a, b in zip(heights, heights[1:])]
    forward = 2 * sum(ways) >= len(ways)
    sets = [[order[0]]]
    for member, way in zip(order[1:], ways):
        if way != forward:
            sets.append([])
        sets[-1].append(member)
    return sets


def have_own_distances(sets: Sequence[Sequence[Instance]]) -> bool:
    """Whether there are several sets, each of several slices at a distance that no other set has."""
    if len(sets) < 2 or min(len(own) for own in sets) < LEAST_SET:
        return False
    usual = sorted(_usual(own) for own in sets)
    return all(b - a > SAME_DISTANCE * b for a, b in zip(usual, usual[1:]))


def lie_apart(sets: Sequence[Sequence[Instance]]) -> bool:
    """Whether no set reaches into another."""
    spans = sorted((min(_heights(own)), max(_heights(own))) for own in sets)
    return all(low > high for (_, high), (low, _) in zip(spans, spans[1:]))


def joined(sets: Sequence[list[Instance]]) -> tuple[list[Instance], list[Instance]] | None:
    """All slices of the finest set, of the others what lies beyond it, and what is left out for that.

    ``None`` where sets cover each other, or hold too few slices to be sets.
    """
    if len(sets) < 2 or min(len(own) for own in sets) < LEAST_SET:
        return None
    kept: list[Instance] = []
    dropped: list[Instance] = []
    taken: list[tuple[float, float]] = []
    for own in sorted(sets, key=_usual):
        heights, half = _heights(own), 0.4 * _usual(own)
        inside = [any(low < height < high for low, high in taken) for height in heights]
        for low, high in taken:
            shared = sum(low < height < high for height in heights)
            if shared > MOST_SHARED * len(own) or (high - low) < 2 * _shared_length(low, high, heights):
                return None
        kept += [one for one, covered in zip(own, inside) if not covered]
        dropped += [one for one, covered in zip(own, inside) if covered]
        taken.append((min(heights) - half, max(heights) + half))
    return kept, dropped


def _shared_length(low: float, high: float, heights: Sequence[float]) -> float:
    return max(0.0, min(high, max(heights)) - max(low, min(heights)))


def _heights(members: Sequence[Instance]) -> list[float]:
    normal = normal_of(members[0].orientation or AXIAL)
    return [dot(member.position or (0.0, 0.0, 0.0), normal) for member in members]


def _usual(members: Sequence[Instance]) -> float:
    """The median distance of a set's neighbours in mm."""
    heights = sorted(_heights(members))
    steps = sorted(b - a for a, b in zip(heights, heights[1:]))
    return steps[len(steps) // 2] if steps else 0.0
