"""Labels on the slices of the source: the case's grid may be straightened, evened out or turned round."""

from __future__ import annotations

import numpy as np

from ...core.errors import PipelineError
from ...core.pacs.source_series import SourceSeries
from ...core.segmentation import Grid

# A slice that lies beyond the last plane of an evened-out grid shows that plane, if it is as near as this.
_NEAR_PLANES = 1.0
# Along a row the other two indices stay the same if they change by less than this part of a voxel.
_SAME_INDEX = 0.05
# Halves, however they are rounded, go the same way in a slice.
_BELOW_HALF = 0.5 - 1e-6


def on_source_slices(layer: np.ndarray, grid: Grid, series: SourceSeries) -> np.ndarray:
    """The labels of ``layer`` (k, j, i on ``grid``), (slice, row, column) of the source; nearest neighbour.

    A pixel outside the grid is background. Raises ``pacs.objects_failed`` where no slice meets the grid.
    """
    inverse = np.linalg.inv(np.asarray(grid.affine, dtype=float))
    row, down = np.array(series.straight[:3]), np.array(series.straight[3:])
    along_row = inverse[:3, :3] @ (row * series.spacing[1])
    down_column = inverse[:3, :3] @ (down * series.spacing[0])
    found = np.zeros((len(series.slices), series.rows, series.columns), layer.dtype)
    met = False
    for plane, one in zip(found, series.slices):
        start = inverse[:3, :3] @ np.array(one.place) + inverse[:3, 3]
        met |= _fill(plane, layer, start, along_row, down_column)
    if not met:
        raise PipelineError("pacs.objects_failed", "The segmentation lies elsewhere than its source.")
    return found


def _fill(
    plane: np.ndarray, layer: np.ndarray, start: np.ndarray, along_row: np.ndarray, down_column: np.ndarray
) -> bool:
    """Fill ``plane`` (rows, columns); whether any pixel lies on the grid. Vectors are indices (i, j, k)."""
    rows, columns = plane.shape
    across, below = np.arange(columns), np.arange(rows)
    strays = max(np.abs(along_row[1:]).max() * columns, np.abs(down_column[[0, 2]]).max() * rows)
    if strays < _SAME_INDEX:
        i, on_i = _nearest(start[0] + along_row[0] * across, layer.shape[2], 0.0)
        j, on_j = _nearest(start[1] + down_column[1] * below, layer.shape[1], 0.0)
        k, on_k = _nearest(start[2:3], layer.shape[0], _NEAR_PLANES)
        if not on_k[0] or not on_i.any() or not on_j.any():
            return False
        plane[np.ix_(on_j, on_i)] = layer[k[0]][np.ix_(j[on_j], i[on_i])]
        return True
    where = start + along_row * across[None, :, None] + down_column * below[:, None, None]
    i, on_i = _nearest(where[..., 0], layer.shape[2], 0.0)
    j, on_j = _nearest(where[..., 1], layer.shape[1], 0.0)
    k, on_k = _nearest(where[..., 2], layer.shape[0], _NEAR_PLANES)
    on = on_i & on_j & on_k
    plane[on] = layer[k[on], j[on], i[on]]
    return bool(on.any())


def _nearest(index: np.ndarray, count: int, beyond: float) -> tuple[np.ndarray, np.ndarray]:
    """Whole indices, and which of ``index`` lie on the axis or at most ``beyond`` past its end."""
    nearest = np.floor(index + _BELOW_HALF).astype(int)
    on = (nearest >= 0) & (nearest < count)
    if beyond:
        on |= (index >= -beyond) & (index <= count - 1 + beyond)
    return np.clip(nearest, 0, count - 1), on
