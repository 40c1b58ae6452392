"""Surfaces that follow a scan below the voxel.

Where a threshold separates a structure from its neighbour, the scan says more than its labels: between
a voxel inside and one outside, the intensity that is interpolated linearly crosses the threshold at one
place. The labels decide which voxels a structure has; the scan only where between two of them it ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Mapping, Tuple, Union

import numpy as np

from .net import CHUNK, Net

if TYPE_CHECKING:
    from ...core.segmentation import Segment
    from .labels import Block

# The lowest and the highest intensity of a structure; one of them is None.
Range = Tuple[Union[float, None], Union[float, None]]


@dataclass(eq=False)
class Scan:
    """``array`` (k, j, i) on the labels' grid, None once it is not needed any more.

    ``ranges`` are structures by name that a threshold separates from whatever surrounds them; of two
    neighbours in it the first one counts.
    """

    array: np.ndarray | None
    ranges: Mapping[str, Range]


@dataclass(frozen=True, eq=False)
class Shift:
    """``moves`` float32 (n, 3): from a net's points to the scan's places, in indices, within their cells.

    ``share`` float32 (n,), 0 to 1: the part of a point's faces whose place the scan says.
    """

    moves: np.ndarray
    share: np.ndarray

    def merged(self, group: np.ndarray, count: int) -> Shift:
        """The means over the points that become one of ``count``; ``group`` (n,) says which."""
        weight = np.bincount(group, minlength=count)
        columns = [*self.moves.T, self.share]
        one, two, three, share = (
            (np.bincount(group, column, count) / weight).astype(np.float32) for column in columns
        )
        return Shift(np.stack([one, two, three], axis=1), share)


def follow(net: Net, block: Block, segments: list[Segment], scan: Scan) -> Shift | None:
    """Where ``scan`` puts the points of ``net``, whose labels 1..n are ``segments``; None without any."""
    array, order = scan.array, list(scan.ranges)
    names = ["", *(segment.name for segment in segments)]
    # Of both labels of a face the one that comes first in the ranges; len(order) stands for none.
    rank = np.array([order.index(name) if name in order else len(order) for name in names])
    if array is None or not (rank < len(order)).any():
        return None
    above = np.array([scan.ranges[name][0] is not None for name in order])
    edges = np.array([low if low is not None else high for low, high in scan.ranges.values()], np.float64)
    found: list[tuple[np.ndarray, np.ndarray]] = [(np.zeros((0, 4), np.int32), np.zeros((0, 3), np.float32))]
    for start in range(0, len(net.quads), CHUNK):
        quads, sides = net.quads[start : start + CHUNK], net.sides[start : start + CHUNK]
        ranks = rank[sides]
        first = ranks.min(axis=1)
        asked = np.flatnonzero(first < len(order))
        quads, sides, ranks, first = quads[asked], sides[asked], ranks[asked], first[asked]
        owner = np.where(ranks[:, 0] < ranks[:, 1], sides[:, 0], sides[:, 1])
        places = net.points[quads].mean(axis=1)
        low, axis = _voxels(places)
        part, good = _crossings(array, block, low, axis, edges[first], above[first], owner)
        places[np.arange(len(axis)), axis] += (part - 0.5).astype(np.float32)
        found.append((quads[good], places[good]))
    return _shift(net, np.concatenate([one for one, _ in found]), np.concatenate([two for _, two in found]))


def _shift(net: Net, quads: np.ndarray, places: np.ndarray) -> Shift | None:
    """The means of ``places`` (m, 3), where the scan crosses the faces ``quads`` (m, 4), at each point."""
    if not len(quads):
        return None
    count = len(net.points)
    sums, known, faces = np.zeros((3, count)), np.zeros(count, np.int64), np.zeros(count, np.int64)
    for corner in range(4):
        faces += np.bincount(net.quads[:, corner], minlength=count)
        known += np.bincount(quads[:, corner], minlength=count)
        for axis in range(3):
            sums[axis] += np.bincount(quads[:, corner], places[:, axis], count)
    moves = (sums / np.maximum(known, 1)).T.astype(np.float32) - net.points
    moves[known == 0] = 0.0
    return Shift(moves, (known / np.maximum(faces, 1)).astype(np.float32))


def _voxels(middle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lower one (n, 3) of the two voxels on both sides of each face, and the axis (n,) between them."""
    low = np.floor(middle + 0.25).astype(np.intp)
    return low, np.argmax(middle - low, axis=1)


def _crossings(
    array: np.ndarray,
    block: Block,
    low: np.ndarray,
    axis: np.ndarray,
    edges: np.ndarray,
    above: np.ndarray,
    owner: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """How far (n,), 0 to 1, the scan crosses ``edges`` on the way from the lower voxel, and where it does.

    It does where the voxel of the label ``owner`` lies on its side of the threshold and the other does not.
    """
    high = low.copy()
    high[np.arange(len(low)), axis] += 1
    owns_low = block.labels[low[:, 2], low[:, 1], low[:, 0]] == owner
    offset = block.offset.astype(np.intp)
    limit = np.array(array.shape[::-1]) - 1
    values = []
    inside = np.ones(len(low), bool)
    for voxel in (low + offset, high + offset):
        inside &= ((voxel >= 0) & (voxel <= limit)).all(axis=1)
        i, j, k = np.clip(voxel, 0, limit).T
        values.append(array[k, j, i].astype(np.float64) - edges)
    one, two = values
    falls = (one > 0) & (two <= 0)
    rises = (one <= 0) & (two > 0)
    good = inside & np.where(owns_low == above, falls, rises)
    return np.where(good, one / np.where(good, one - two, 1.0), 0.5), good
