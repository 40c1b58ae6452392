"""Smoothing that takes the voxels' steps out of a net and leaves its size as it is."""

from __future__ import annotations

import numpy as np

# Taubin's filter (A Signal Processing Approach to Fair Surface Design, SIGGRAPH 1995): a step that
# shrinks and a longer one that grows again; waves longer than about ten edges pass unchanged.
SHRINK, GROW, PAIRS = 0.55, -0.58, 10


def smooth(points: np.ndarray, quads: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """``points`` float32 (n, 3) relaxed towards their neighbours along the edges of ``quads``.

    No coordinate moves further than ``limit`` (n,), in units of the points
    (voxels), so that thin and small structures do not melt away.
    """
    from scipy.sparse import coo_matrix

    count = len(points)
    starts, ends = quads.reshape(-1), quads[:, [1, 2, 3, 0]].reshape(-1)
    edge = starts != ends
    starts, ends = starts[edge], ends[edge]
    links = coo_matrix(
        (np.ones(2 * len(starts), np.float32), (np.r_[starts, ends], np.r_[ends, starts])), (count, count)
    ).tocsr()
    links.data[:] = 1.0
    share = (1.0 / np.maximum(np.diff(links.indptr), 1)).astype(np.float32)[:, None]
    moved = points
    for _ in range(PAIRS):
        for factor in (SHRINK, GROW):
            moved = moved + np.float32(factor) * ((links @ moved) * share - moved)
    reach = limit.astype(np.float32)[:, None]
    return points + np.clip(moved - points, -reach, reach)
