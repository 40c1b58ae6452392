"""A segmentation of another program put onto the scan's grid: voxel by voxel, or not at all.

Programs turn and flip axes, and formats of segmentations cut away what is empty. Both can be undone
without loss where every voxel of the one grid lies on a voxel of the other. Nothing is resampled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.segmentation import Grid, Segmentation

TOLERANCE = 0.1  # of a voxel, at the farthest corner: NIfTI keeps 32-bit numbers


@dataclass(frozen=True)
class Placement:
    """How the voxels of one grid lie on another: ``axes[r]`` is the own axis along the other's axis ``r``.

    ``steps[r]`` is its direction, ``start[r]`` where its lower end lies. All count ``(i, j, k)``.
    """

    axes: tuple[int, int, int]
    steps: tuple[int, int, int]
    start: tuple[int, int, int]
    shape: tuple[int, int, int]

    def fills(self, other: Grid) -> bool:
        """Whether it covers exactly the voxels of ``other``."""
        return self.start == (0, 0, 0) and self.shape == other.shape

    @property
    def is_identity(self) -> bool:
        return self.axes == (0, 1, 2) and self.steps == (1, 1, 1) and self.start == (0, 0, 0)


def placement(own: Grid, other: Grid) -> Placement | None:
    """How ``own`` lies on ``other``; None where its voxels lie between the other's."""
    matrix = np.linalg.inv(np.asarray(other.affine)) @ np.asarray(own.affine)
    linear = np.rint(matrix[:3, :3])
    if not (np.isin(linear, (-1.0, 0.0, 1.0)).all() and _one_each(linear)):
        return None
    rounded = np.eye(4)
    rounded[:3, :3], rounded[:3, 3] = linear, np.rint(matrix[:3, 3])
    far = np.asarray(own.shape) - 1
    corners = np.array([[i, j, k, 1] for i in (0, far[0]) for j in (0, far[1]) for k in (0, far[2])]).T
    if np.abs((matrix - rounded) @ corners).max() > TOLERANCE:
        return None
    axes = [int(np.flatnonzero(linear[row])[0]) for row in range(3)]
    steps = [int(linear[row, axes[row]]) for row in range(3)]
    shape = [own.shape[axis] for axis in axes]
    start = [int(rounded[row, 3]) - (shape[row] - 1 if steps[row] < 0 else 0) for row in range(3)]
    return Placement(_three(axes), _three(steps), _three(start), _three(shape))


def put_onto(segmentation: Segmentation, grid: Grid, cropped: bool = False) -> Segmentation | None:
    """The same segmentation on ``grid``; None where it does not lie on it voxel by voxel.

    ``cropped``: it may cover a part of the grid, or reach beyond it where it is background.
    """
    found = placement(segmentation.grid, grid)
    if found is None or not (cropped or found.fills(grid)):
        return None
    if found.is_identity and found.fills(grid):
        layers = segmentation.layers
    else:
        layers = []
        for layer in segmentation.layers:
            put = _put(layer, found, grid)
            if put is None:
                return None
            layers.append(put)
    return Segmentation(grid, layers, segmentation.segments, segmentation.warnings, segmentation.facts)


def _put(layer: np.ndarray, found: Placement, grid: Grid) -> np.ndarray | None:
    """``layer`` (k, j, i) on ``grid``; None where a labelled voxel would lie outside."""
    turned = layer.transpose()  # (i, j, k), as the placement counts
    turned = turned.transpose(found.axes)
    turned = turned[tuple(slice(None, None, step) for step in found.steps)]
    target = np.zeros(grid.array_shape, layer.dtype)
    there, here = [], []
    for start, count, most in zip(found.start, found.shape, grid.shape):
        low, high = max(0, start), min(most, start + count)
        if low >= high:
            return None
        there.append(slice(low, high))
        here.append(slice(low - start, high - start))
    part = turned[tuple(here)]
    if part.shape != turned.shape and np.count_nonzero(part) != np.count_nonzero(turned):
        return None
    target.transpose()[tuple(there)] = part
    return target


def _one_each(linear: np.ndarray) -> bool:
    size = np.abs(linear)
    return bool((size.sum(axis=0) == 1).all() and (size.sum(axis=1) == 1).all())


def _three(values: list[int]) -> tuple[int, int, int]:
    first, second, third = values
    return (first, second, third)
