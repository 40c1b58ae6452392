"""Where the three slices of the picture cut a case, and how far they reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

import numpy as np

if TYPE_CHECKING:
    from ...core.segmentation import Grid, Segmentation
    from ..measure import Measured

_SIDE = (
    64  # looked at along each axis of a structure's box, so that a large one costs no more than a small one
)
_BINS = 40


def sampled_places(segmentation: Segmentation, one: Measured) -> np.ndarray:
    """LPS mm of voxels of a structure, evenly spread, float (n, 3); at least its centre."""
    low, high = np.array(one.index_min[::-1]), np.array(one.index_max[::-1])
    steps = -(-(high - low + 1) // _SIDE)
    box = tuple(slice(a, b + 1, step) for a, b, step in zip(low, high, steps))
    found = np.argwhere(segmentation.layers[one.layer][box] == one.value)
    if not len(found):
        return np.array([one.centroid_lps_mm])
    affine = np.asarray(segmentation.grid.affine)
    indices = (found * steps + low)[:, ::-1]
    return np.asarray(indices @ affine[:3, :3].T + affine[:3, 3])


def key_place(structures: Sequence[np.ndarray]) -> np.ndarray:
    """The LPS place through which each of the three planes shows the most of ``structures``.

    A structure counts fully where its cut is largest, whatever its size, so that many small ones draw
    the planes to them. ``structures`` are places as of :func:`sampled_places`.
    """
    everything = np.concatenate(structures)
    place = np.empty(3)
    for axis in range(3):
        edges = np.linspace(everything[:, axis].min() - 1e-3, everything[:, axis].max() + 1e-3, _BINS + 1)
        shown = np.zeros(_BINS)
        for points in structures:
            cut = np.convolve(np.histogram(points[:, axis], edges)[0], (1.0, 2.0, 1.0), "same")
            shown += np.sqrt(cut / cut.max())
        best = int(shown.argmax())
        place[axis] = (edges[best] + edges[best + 1]) / 2
    return place


def voxel_centre(grid: Grid, place: np.ndarray) -> np.ndarray:
    """The centre of the voxel around ``place``, so that a straight grid is cut along its own slices."""
    affine = np.asarray(grid.affine)
    index = np.rint(np.linalg.inv(affine[:3, :3]) @ (place - affine[:3, 3]))
    return np.asarray(affine[:3, :3] @ index + affine[:3, 3])


def structures_box(
    grid: Grid, measured: Sequence[Measured], structures: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """The LPS box around all structures: exact on straight grids, to a few voxels on oblique ones."""
    bounds = np.array([one.bounds_lps_mm for one in measured])
    everything = np.concatenate(structures)
    sides = [
        -(-(high - low + 1) // _SIDE) for one in measured for low, high in zip(one.index_min, one.index_max)
    ]
    reach = max(sides) * max(grid.spacing)
    low = np.maximum(bounds[:, :3].min(axis=0), everything.min(axis=0) - reach)
    high = np.minimum(bounds[:, 3:].max(axis=0), everything.max(axis=0) + reach)
    return low, high


def with_surroundings(grid: Grid, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The box with some of what lies around, the more the smaller it is, as far as ``grid`` reaches."""
    around = np.maximum(40.0 - 0.1 * (high - low), 5.0)
    ends = np.array([(-0.5, n - 0.5) for n in grid.shape])
    corners = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3)
    affine = np.asarray(grid.affine)
    lps = corners @ affine[:3, :3].T + affine[:3, 3]
    return np.maximum(low - around, lps.min(axis=0)), np.minimum(high + around, lps.max(axis=0))
