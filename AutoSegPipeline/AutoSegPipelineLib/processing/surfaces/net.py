"""The multi-label surface net before any shaping: quads between voxels of different labels.

All labels share one mesh, so a wall between two neighbours exists once and
stays one wall however it is smoothed and simplified.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Net:
    """``points`` float32 (n, 3) in voxel indices i, j, k; ``quads`` int32 (m, 4); ``sides`` (m, 2).

    ``sides`` are the labels on both sides, 0 being outside. Seen from side 1 a
    quad runs counter-clockwise when the index axes are right-handed, so its
    normal points from side 0 into side 1.
    """

    points: np.ndarray
    quads: np.ndarray
    sides: np.ndarray


def numpy_net(labels: np.ndarray) -> Net:
    """The net of ``labels`` (k, j, i), whose outermost voxels are all 0.

    Made without VTK. A point lies in the middle of each 2x2x2 block of voxels
    that holds more than one label, a quad between each two voxels that differ
    (S. Frisken, Surface Nets for Multi-Label Segmentations, JCGT 11(1), 2022).
    """
    nk, nj, ni = labels.shape
    steps = {2: 1, 1: ni, 0: ni * nj}  # array axis -> step in the flat index
    flat = labels.reshape(-1)
    blocks, sides = [], []
    for axis in (2, 1, 0):
        step = steps[axis]
        low = np.flatnonzero(flat[:-step] != flat[step:])
        # Between voxel p and p + step. Blocks are named by their lowest voxel; those that touch
        # the face lie one step back along the two other axes, taken so that u x v = axis.
        u, v = {2: (steps[1], steps[0]), 1: (steps[0], steps[2]), 0: (steps[2], steps[1])}[axis]
        blocks.append(np.stack([low - u - v, low - v, low, low - u], axis=1))
        sides.append(np.stack([flat[low], flat[low + step]], axis=1))
    corners = np.concatenate(blocks)
    pairs = np.concatenate(sides)
    names, quads = np.unique(corners, return_inverse=True)
    quads = quads.reshape(-1, 4).astype(np.int32)
    k, rest = np.divmod(names, ni * nj)
    j, i = np.divmod(rest, ni)
    points = np.stack([i, j, k], axis=1).astype(np.float32) + np.float32(0.5)
    outside = pairs[:, 0] == 0  # the inside comes first
    quads[outside] = quads[outside][:, ::-1]
    pairs[outside] = pairs[outside][:, ::-1]
    return Net(points, quads, pairs)
