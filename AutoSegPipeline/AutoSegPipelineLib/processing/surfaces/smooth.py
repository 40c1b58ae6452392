"""Smoothing that takes the voxels' steps out of a net and leaves its size as it is.

Means over neighbours take the steps out of any surface, and shrink it: a rib of three voxels to a
wire, a sphere by a little. What they took away along the surface's normals is smoothed for itself,
as a height over the smoothed surface, and given back. A height does not shrink where the surface is
curved, so a thin tube gets its radius back however strongly it was smoothed, and on any spacing. The
normals are taken before a thin tube has become a wire, and smoothed as well.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from .follow import Shift
from .net import Net
from .surface import cross

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

STEPS, STEPS_COARSE = 12, 8  # means one after the other: waves of less than about ten edges of the net go
STEPS_OF_SCAN = 3  # the same of heights that a scan gives: they have noise, but no steps
STEPS_OF_NORMALS = 3  # of the points before normals are taken, and of these
# How much more than its other neighbours those along the line count, where three or more labels meet: it
# would stay jagged otherwise. Alone they would be too few, as thin structures consist of such lines.
LINE = 4.0
CLEARLY = 0.8  # times the thickness of what it touches: one that is thinner has its own, unbroken surface
REACH_OF_THICKNESS, REACH = 2.0, (0.5, 1.5)  # how far a point may move: of that measure, in voxels


def smooth(
    net: Net,
    thickness: np.ndarray,
    soft: np.ndarray,
    spacing: tuple[float, float, float],
    coarse: bool,
    shift: Shift | None = None,
) -> np.ndarray:
    """The points (n, 3) of ``net``, smoothed, in indices as they were; ``spacing`` is in mm.

    ``thickness`` (labels + 1,) is each label's voxels per voxel face (a ball of radius r has 2 r / 9),
    ``soft`` (labels + 1,) tells the soft tissue. A point lies on the surface of one label, the leading
    one: of those that it touches the thinnest that is not soft. Where the outside is one of them and
    none is clearly thinner, the points lie on the outer surface of all. ``coarse`` tells that edges are
    mostly two voxels long. ``shift`` is where a scan puts the points.
    """
    scale = np.array(spacing, np.float32)
    places = (net.points if shift is None else net.points + shift.moves) * scale
    before = places - places.mean(axis=0)
    steps = STEPS_COARSE if coarse else STEPS
    line = _on_lines(net)
    touched = _Touched(net, line)
    leading = touched.first(np.lexsort((thickness, soft)))
    thin = thickness[leading] < CLEARLY * thickness[touched.first(np.argsort(-thickness))]
    outer = _touching_outside(net) & ~thin
    links = _Links(net, line, leading, outer)
    with ThreadPoolExecutor(1) as beside:
        later = beside.submit(links.mean_of_surface)
        mean = links.mean()
        early = _low_passed(mean, before, STEPS_OF_NORMALS)
        lowest = beside.submit(_low_passed, mean, early, steps - STEPS_OF_NORMALS)
        normals, mean_of_surface = _normals(net, early, leading, outer), later.result()
        normals = _unit(_low_passed(mean_of_surface, normals, STEPS_OF_NORMALS))
        low = lowest.result()
    height = np.einsum("ij,ij->i", before - low, normals)
    moved = low + _heights(mean_of_surface, height, steps, shift)[:, None] * normals
    reach = np.clip(REACH_OF_THICKNESS * thickness, *REACH)[touched.first(np.argsort(thickness))][:, None]
    away = (moved - before) / scale
    if shift is not None:
        away += shift.moves
    return np.asarray(net.points + np.clip(away, -reach, reach), np.float32)


def _heights(mean: csr_matrix, height: np.ndarray, steps: int, shift: Shift | None) -> np.ndarray:
    """``height`` (n,) smoothed, less where a scan says it."""
    if shift is None:
        return _low_passed(mean, height, steps)
    fine, share = (_low_passed(mean, values, STEPS_OF_SCAN) for values in (height, shift.share))
    return np.asarray(share * fine + (1.0 - share) * _low_passed(mean, height, steps))


class _Links:
    """Which points of a net are neighbours, and how much each counts for another.

    ``line`` marks the points where walls meet, ``outer`` those on the outer surface; ``leading`` is each
    point's label.
    """

    def __init__(self, net: Net, line: np.ndarray, leading: np.ndarray, outer: np.ndarray) -> None:
        from scipy.sparse import coo_matrix

        count = len(net.points)
        starts, ends = net.quads.reshape(-1), net.quads[:, [1, 2, 3, 0]].reshape(-1)
        useful = starts != ends
        starts, ends = starts[useful], ends[useful]
        rows, columns = np.r_[starts, ends], np.r_[ends, starts]
        self._links = coo_matrix((np.ones(len(rows), np.float32), (rows, columns)), (count, count)).tocsr()
        self._rows = np.repeat(np.arange(count, dtype=np.int32), np.diff(self._links.indptr))
        row, column = self._rows, self._links.indices
        self._same = leading.take(row) == leading.take(column)
        on_line = line.take(row)
        self._weights = np.where(on_line & line.take(column), np.float32(LINE), np.float32(1.0))
        # A wall that ends at a surface must not pull a groove or teeth into it.
        aside = on_line & np.where(outer.take(row), ~outer.take(column), ~self._same)
        self._weights[aside] = 0.0

    def mean(self) -> csr_matrix:
        """The matrix that gives each point the weighted mean of its neighbours."""
        return self._normalised(self._weights)

    def mean_of_surface(self) -> csr_matrix:
        """The same, of the neighbours that lie on the surface of the same label."""
        return self._normalised(self._weights * self._same)

    def _normalised(self, weights: np.ndarray) -> csr_matrix:
        """Rows without any weight take their point itself."""
        from scipy.sparse import csr_matrix, diags

        parts = (self._links.indices, self._links.indptr)
        matrix = csr_matrix((weights, *parts), self._links.shape)
        total = matrix @ np.ones(len(self._links.indptr) - 1, np.float32)
        alone = total == 0.0
        total[alone] = 1.0
        matrix.data = weights / total.take(self._rows)
        return (matrix + diags(alone.astype(np.float32), format="csr")) if alone.any() else matrix


def _low_passed(mean: csr_matrix, values: np.ndarray, steps: int) -> np.ndarray:
    """``values`` (n,) or (n, 3) after so many means; the last one halved, for what alternates."""
    for _ in range(steps - 1):
        values = mean @ values
    return np.asarray(0.5 * (values + mean @ values))


def _normals(net: Net, points: np.ndarray, leading: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """Unit normals (n, 3) at ``points``, out of the leading label; at ``outer`` points of its outside."""
    quads, sides = net.quads, net.sides
    one, two, three, four = (points.take(quads[:, corner], axis=0) for corner in range(4))
    areas = cross(three - one, four - two)
    label = leading.take(quads)
    sign = (label == sides[:, :1]).astype(np.float32) - (label == sides[:, 1:])
    sign *= np.where((sides[:, 1:] == 0) | ~outer.take(quads), np.float32(1.0), np.float32(1e-3))
    corners = quads.reshape(-1)
    normals = np.empty_like(points)
    for axis in range(3):
        normals[:, axis] = np.bincount(corners, (sign * areas[:, axis, None]).reshape(-1), len(points))
    return _unit(normals)


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1)
    return np.asarray(vectors / np.maximum(lengths, 1e-12)[:, None], np.float32)


def _on_lines(net: Net) -> np.ndarray:
    """Mark the points (n,) at which walls between different pairs of labels meet."""
    one, two = net.sides.T.astype(np.int32)
    pairs = np.minimum(one, two) * 65536 + np.maximum(one, two)
    some = np.zeros(len(net.points), np.int32)
    some[net.quads] = pairs[:, None]
    line = np.zeros(len(net.points), bool)
    line[net.quads[some.take(net.quads) != pairs[:, None]]] = True
    return line


def _touching_outside(net: Net) -> np.ndarray:
    outer = np.zeros(len(net.points), bool)
    outer[net.quads[net.sides[:, 1] == 0]] = True
    return outer


class _Touched:
    """Which labels each point of a net touches; more than two only on a line."""

    def __init__(self, net: Net, line: np.ndarray) -> None:
        self._net = net
        self._near = np.flatnonzero(line.take(net.quads).any(axis=1))  # faces that have a point on a line

    def first(self, order: np.ndarray) -> np.ndarray:
        """For each point (n,) the label that comes first in ``order`` of those it touches, 0 last."""
        quads, sides, order = self._net.quads, self._net.sides, order[order != 0]
        rank = np.full(len(order) + 1, len(order), np.int32)
        rank[order] = np.arange(len(order))
        faces = np.minimum(rank[sides[:, 0]], rank[sides[:, 1]])
        first = np.zeros(len(self._net.points), np.int32)
        first[quads] = order[faces][:, None]
        late = self._near[np.argsort(-faces[self._near], kind="stable")]  # what is written last stays
        first[quads[late]] = order[faces[late]][:, None]
        return first
