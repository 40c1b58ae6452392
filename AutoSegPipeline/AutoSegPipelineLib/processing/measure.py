"""What can be measured of each structure: voxels, volume, place, intensity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.progress import Report
from ..core.segmentation import Grid, Segment, Segmentation
from .layers import Box, axis_counts, label_values, layer_boxes

if TYPE_CHECKING:
    from .volume import Volume

_CHUNK = 1 << 22


@dataclass(frozen=True)
class Intensity:
    """Of the scan's voxels inside a structure; HU in CT."""

    mean: float
    sd: float
    min: float
    max: float
    median: float


@dataclass(frozen=True)
class Measured:
    """One structure. Indices count voxels from 0 and are inclusive; coordinates are voxel centres in mm.

    ``label`` is its value in the flattened label map, ``value`` that in its ``layer``.

    ``bounds_lps_mm`` encloses the voxels' outer faces: x, y, z minimum, then maximum.
    """

    name: str
    title: str
    group: str
    label: int
    layer: int
    value: int
    voxels: int
    volume_ml: float
    intensity: Intensity | None
    index_min: tuple[int, int, int]
    index_max: tuple[int, int, int]
    bounds_lps_mm: tuple[float, ...]
    centroid_lps_mm: tuple[float, ...]
    centroid_ras_mm: tuple[float, ...]
    touches_border: bool


def measure(
    segmentation: Segmentation, volume: Volume | None, report: Report | None = None
) -> list[Measured]:
    """Measure every segment that has voxels, each within its bounding box only."""
    boxes = layer_boxes(segmentation.layers)
    labels = label_values(segmentation.segments)
    found = []
    for number, segment in enumerate(segmentation.segments):
        if report is not None:
            report.progress(number / len(segmentation.segments))
        box = boxes.get((segment.layer, segment.value))
        if box is not None:
            found.append(_measure(segmentation, segment, labels[segment.name], box, volume))
    return found


def _measure(
    segmentation: Segmentation, segment: Segment, label: int, box: Box, volume: Volume | None
) -> Measured:
    grid = segmentation.grid
    layer = segmentation.layers[segment.layer]
    start = np.array([s.start for s in box])
    stop = np.array([s.stop for s in box])
    along = axis_counts(layer, segment.value, box)
    voxels = int(along[0].sum())
    centre = [s + float(np.dot(np.arange(len(n)), n)) / voxels for s, n in zip(start, along)]
    lps = _to_lps(grid, np.array([centre[::-1]]))[0]
    low, high = start[::-1], stop[::-1] - 1
    touches = bool((start == 0).any() or (stop == np.array(grid.array_shape)).any())
    return Measured(
        name=segment.name,
        title=segment.title,
        group=segment.group,
        label=label,
        layer=segment.layer,
        value=segment.value,
        voxels=voxels,
        volume_ml=voxels * grid.voxel_ml,
        intensity=None if volume is None else _intensity(volume.array[box], layer[box] == segment.value),
        index_min=tuple(int(n) for n in low),  # type: ignore[arg-type]
        index_max=tuple(int(n) for n in high),  # type: ignore[arg-type]
        bounds_lps_mm=_bounds(grid, low, high),
        centroid_lps_mm=tuple(float(x) for x in lps),
        centroid_ras_mm=(-float(lps[0]), -float(lps[1]), float(lps[2])),
        touches_border=touches,
    )


def _to_lps(grid: Grid, indices: np.ndarray) -> np.ndarray:
    """Rows of (i, j, k) to rows of LPS mm."""
    affine = np.asarray(grid.affine)
    return indices @ affine[:3, :3].T + affine[:3, 3]


def _bounds(grid: Grid, low: np.ndarray, high: np.ndarray) -> tuple[float, ...]:
    ends = np.array([low - 0.5, high + 0.5])
    corners = [[ends[a, 0], ends[b, 1], ends[c, 2]] for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    points = _to_lps(grid, np.array(corners))
    return tuple(float(x) for x in (*points.min(axis=0), *points.max(axis=0)))


def _intensity(array: np.ndarray, mask: np.ndarray) -> Intensity:
    if array.dtype.kind in "iu" and array.dtype.itemsize <= 2:
        return _of_counts(*_histogram(array, mask))
    return _of_values(array[mask])


def _histogram(array: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers that occur under ``mask``, rising, and how often: a slice at a time, exact."""
    lowest = int(np.iinfo(array.dtype).min)
    counts = np.zeros(1 << (8 * array.dtype.itemsize), np.int64)
    for plane, inside in zip(array, mask):
        values = plane[inside]
        if len(values):
            low = int(values.min())
            found = np.bincount(values.astype(np.intp) - low)
            counts[low - lowest : low - lowest + len(found)] += found
    there = np.flatnonzero(counts)
    return there + lowest, counts[there]


def _of_counts(values: np.ndarray, counts: np.ndarray) -> Intensity:
    total = int(counts.sum())
    mean = int((values * counts).sum()) / total
    squares = float(np.dot((values - mean) ** 2, counts))
    rank = np.cumsum(counts)
    low, high = (
        values[np.searchsorted(rank, place, side="right")] for place in ((total - 1) // 2, total // 2)
    )
    return Intensity(
        mean=mean,
        sd=(squares / total) ** 0.5,
        min=float(values[0]),
        max=float(values[-1]),
        median=(float(low) + float(high)) / 2.0,
    )


def _of_values(values: np.ndarray) -> Intensity:
    """Two passes in double precision, a piece at a time: no copy of a body's voxels as doubles."""
    mean = float(values.mean(dtype=np.float64))
    squares = 0.0
    for start in range(0, len(values), _CHUNK):
        part = values[start : start + _CHUNK].astype(np.float64) - mean
        squares += float(np.dot(part, part))
    return Intensity(
        mean=mean,
        sd=(squares / len(values)) ** 0.5,
        min=float(values.min()),
        max=float(values.max()),
        median=float(np.median(values)),
    )
