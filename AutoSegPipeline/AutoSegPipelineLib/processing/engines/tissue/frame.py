"""A straight, coarse copy of a scan, and the way back to its voxels.

Shapes are judged on a grid of equal spacing along the patient's own axes, so
that "left", "axial" and "10 mm" mean the same for every scan, however its
voxels are turned, flipped or stretched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ....core.segmentation import Grid
from ...volume import Volume

MOST_VOXELS = 4_000_000  # of the coarse copy; longer scans get a coarser one


@dataclass
class Frame:
    """``hu`` (float32, ``[z, y, x]``): superior, posterior and left rise with the index.

    ``spacing`` is one length in mm, ``origin`` the LPS mm of element
    ``[0, 0, 0]``. Outside the scan (``inside`` False) the nearest voxel is
    repeated, so that an oblique scan has no walls of its own.
    """

    hu: np.ndarray
    inside: np.ndarray
    spacing: float
    origin: np.ndarray
    grid: Grid

    @property
    def ml(self) -> float:
        """Millilitres of one element."""
        return self.spacing**3 / 1000.0

    def volume_ml(self, mask: np.ndarray) -> float:
        """Volume of the part of ``mask`` that lies within the scan."""
        return float(np.count_nonzero(mask & self.inside)) * self.ml

    def to_voxels(self, values: np.ndarray, start: int, stop: int) -> np.ndarray:
        """``values`` of the frame at the scan's voxels ``[start:stop, :, :]``, nearest neighbour."""
        i, j, _ = self.grid.shape
        matrix, offset = self._from_voxel()
        offset = offset + matrix[:, 0] * start
        shape = (stop - start, j, i)
        main = np.argmax(np.abs(matrix), axis=1)
        rest = np.abs(matrix).copy()
        rest[np.arange(3), main] = 0.0
        if sorted(main) == [0, 1, 2] and (rest * max(shape)).max() < 0.25:
            return self._straight(values, matrix, offset, shape, main)
        return ndimage.affine_transform(
            values, matrix, offset, output_shape=shape, order=0, mode="nearest", prefilter=False
        )

    @staticmethod
    def _straight(
        values: np.ndarray, matrix: np.ndarray, offset: np.ndarray, shape: tuple[int, ...], main: np.ndarray
    ) -> np.ndarray:
        """The same without arithmetic for each voxel, when the axes are parallel."""
        picks = []
        for axis in range(3):
            position = matrix[axis, main[axis]] * np.arange(shape[main[axis]]) + offset[axis]
            picks.append(np.clip(np.rint(position).astype(np.intp), 0, values.shape[axis] - 1))
        return values[np.ix_(*picks)].transpose(np.argsort(main))

    def _from_voxel(self) -> tuple[np.ndarray, np.ndarray]:
        """Matrix and offset from a voxel's (k, j, i) to the frame's (z, y, x)."""
        affine = np.asarray(self.grid.affine)
        matrix = affine[:3, :3][::-1, ::-1] / self.spacing
        return matrix, (affine[:3, 3] - self.origin)[::-1] / self.spacing


def make_frame(volume: Volume, target: float) -> Frame:
    """The coarse copy at ``target`` mm, or coarser when the scan is very large."""
    affine = np.asarray(volume.grid.affine)
    low, high = _bounds(volume.grid)
    spacing = max(target, float(np.prod(high - low) / MOST_VOXELS) ** (1.0 / 3.0))
    count = np.maximum(np.ceil((high - low) / spacing - 1e-3).astype(int), 1)
    origin = (low + high - (count - 1) * spacing) / 2.0
    factors = [max(1, math.floor(spacing / s + 0.01)) for s in volume.grid.spacing]
    blocks = _block_means(volume.array, factors)
    # The middle of block b along an axis is voxel b*f + (f-1)/2.
    block_affine = affine.copy()
    block_affine[:3, 3] += affine[:3, :3] @ ((np.asarray(factors) - 1) / 2.0)
    block_affine[:3, :3] = affine[:3, :3] * np.asarray(factors, dtype=float)
    inverse = np.linalg.inv(block_affine)
    matrix = inverse[:3, :3][::-1, ::-1] * spacing
    offset = (inverse[:3, :3] @ origin + inverse[:3, 3])[::-1]
    shape = (int(count[2]), int(count[1]), int(count[0]))
    hu = ndimage.affine_transform(
        blocks, matrix, offset, output_shape=shape, order=1, mode="nearest", prefilter=False
    )
    return Frame(hu, _inside(volume.grid, origin, spacing, shape), spacing, origin, volume.grid)


def _bounds(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest LPS mm of the scan's outermost voxel faces."""
    affine = np.asarray(grid.affine)
    faces = [(-0.5, n - 0.5) for n in grid.shape]
    points = np.array([[a, b, c, 1.0] for a in faces[0] for b in faces[1] for c in faces[2]]) @ affine[:3].T
    return points.min(axis=0), points.max(axis=0)


def _block_means(array: np.ndarray, factors: list[int]) -> np.ndarray:
    """Means over blocks of ``factors`` (i, j, k) voxels, a slab at a time; float32."""
    fi, fj, fk = factors
    depth, height, width = (-(-n // f) for n, f in zip(array.shape, (fk, fj, fi)))
    means = np.empty((depth, height, width), np.float32)
    pad = ((0, height * fj - array.shape[1]), (0, width * fi - array.shape[2]))
    for number in range(depth):
        plane = array[number * fk : (number + 1) * fk].mean(axis=0, dtype=np.float32)
        if pad != ((0, 0), (0, 0)):
            plane = np.pad(plane, pad, mode="edge")
        means[number] = plane.reshape(height, fj, width, fi).mean(axis=(1, 3))
    return means


def _inside(grid: Grid, origin: np.ndarray, spacing: float, shape: tuple[int, int, int]) -> np.ndarray:
    inverse = np.linalg.inv(np.asarray(grid.affine))
    x, y, z = (
        origin[n] + spacing * np.arange(shape[2 - n]).reshape([-1 if a == 2 - n else 1 for a in range(3)])
        for n in range(3)
    )
    inside = np.ones(shape, bool)
    for row, n in zip(inverse[:3], grid.shape):
        index = row[0] * x + row[1] * y + row[2] * z + row[3]
        inside &= (index >= -0.5) & (index <= n - 0.5)
    return inside
