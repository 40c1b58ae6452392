"""Smoothing that takes the voxels' steps out of a net and leaves its size as it is.

A low-pass filter of finite length (G. Taubin, T. Zhang, G. Golub: Optimal
Surface Smoothing as Filter Design, ECCV 1996): waves longer than a certain
number of edges pass unchanged, so nothing shrinks, and the voxels' steps go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .net import Net

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

DEGREE = 20
# How much more than its other neighbours those along the line count, where three or more labels meet: it
# would stay jagged otherwise. Alone they would be too few, as thin structures consist of such lines.
LINE = 4.0
# Edge of the pass band as 1 - cos(theta): about ten edges of the net where structures are thick; about
# five where they are so thin that their own cross-section would not pass otherwise.
PASS_THICK, PASS_THIN = 0.08, 0.35
# Voxels per voxel face, by which a structure counts as thin (below the first) or thick (above the second).
THIN, THICK = 0.7, 1.8
REACH_OF_THICKNESS, REACH = 1.2, (0.25, 1.5)  # how far a point may move: of that measure, in voxels


def smooth(net: Net, thickness: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    """The points (n, 3) of ``net``, smoothed.

    ``thickness`` (labels + 1,) is each label's voxels per voxel face (a ball of
    radius r has 2 r / 9); a point follows the thinnest label that it touches.
    ``coarse`` tells the labels whose edges are two voxels long.
    """
    points = net.points.astype(np.float32)
    mean = _means(net)
    thin, thick = _coefficients(PASS_THIN), _coefficients(PASS_THICK)
    middle = points.mean(axis=0)
    before = points - middle
    now = mean @ before
    fine = thin[0] * before + thin[1] * now
    broad = thick[0] * before + thick[1] * now
    for factor_thin, factor_thick in zip(thin[2:], thick[2:]):
        before, now = now, 2.0 * (mean @ now) - before
        fine += factor_thin * now
        broad += factor_thick * now
    edges = thickness / np.where(coarse, 2.0, 1.0)
    share = _least(net, np.clip((edges - THIN) / (THICK - THIN), 0.0, 1.0), 1.0)[:, None]
    moved = fine + share * (broad - fine) + middle
    reach = _least(net, np.clip(REACH_OF_THICKNESS * thickness, *REACH), REACH[1])[:, None]
    return np.asarray(points + np.clip(moved - points, -reach, reach), np.float32)


def _means(net: Net) -> csr_matrix:
    """The sparse matrix that gives each point the weighted mean of its neighbours."""
    from scipy.sparse import coo_matrix

    count = len(net.points)
    starts, ends = net.quads.reshape(-1), net.quads[:, [1, 2, 3, 0]].reshape(-1)
    useful = starts != ends
    starts, ends = starts[useful], ends[useful]
    rows, columns = np.r_[starts, ends], np.r_[ends, starts]
    line = _on_lines(net)
    links = coo_matrix((np.ones(len(rows), np.float32), (rows, columns)), (count, count)).tocsr()
    row_of = np.repeat(np.arange(count, dtype=np.int32), np.diff(links.indptr))
    weights = np.where(line[row_of] & line[links.indices], LINE, 1.0)
    total = np.maximum(np.bincount(row_of, weights, count), 1.0)
    links.data = (weights / total[row_of]).astype(np.float32)
    return links


def _on_lines(net: Net) -> np.ndarray:
    """Mark the points (n,) at which walls between different pairs of labels meet."""
    pairs = net.sides[:, 0].astype(np.int32) * 65536 + net.sides[:, 1]
    some = np.zeros(len(net.points), np.int32)
    some[net.quads] = pairs[:, None]
    line = np.zeros(len(net.points), bool)
    line[net.quads[some[net.quads] != pairs[:, None]]] = True
    return line


def _least(net: Net, value: np.ndarray, most: float) -> np.ndarray:
    """For each point (n,) the least ``value`` of the labels that it touches, the outside not counted."""
    value = value.astype(np.float32)
    value[0] = most
    faces = np.minimum(value[net.sides[:, 0]], value[net.sides[:, 1]])
    least = np.full(len(net.points), most, np.float32)
    for level in np.unique(faces)[::-1]:  # from most to least, so that the least stays
        least[net.quads[faces == level]] = level
    return least


def _coefficients(edge: float) -> np.ndarray:
    """The filter as factors of Chebyshev polynomials 0..DEGREE, with a Hamming window; their sum is 1."""
    n = np.arange(1, DEGREE + 1)
    theta = np.arccos(1.0 - edge)
    factors = np.r_[theta / np.pi, 2.0 * np.sin(n * theta) / (n * np.pi)]
    factors *= 0.54 + 0.46 * np.cos(np.arange(DEGREE + 1) * np.pi / (DEGREE + 1))
    return np.asarray(factors / factors.sum(), np.float32)
