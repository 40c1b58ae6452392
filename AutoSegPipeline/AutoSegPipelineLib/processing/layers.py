"""Facts about label layers: where each value is, and the layers flattened into one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Sequence, Tuple

import numpy as np

from ..core.segmentation import Segment, Segmentation

Box = Tuple[slice, slice, slice]  # along k, j, i
Boxes = Dict[Tuple[int, int], Box]  # (layer, value) -> box


def layer_boxes(layers: list[np.ndarray]) -> Boxes:
    """The bounding box of every value that occurs, in one pass for each layer."""
    from scipy.ndimage import find_objects

    boxes: Boxes = {}
    for number, layer in enumerate(layers):
        for value, box in enumerate(find_objects(layer), start=1):
            if box is not None:
                boxes[(number, value)] = box
    return boxes


def values_in(labels: np.ndarray) -> set[int]:
    """Every value of ``labels`` (k, j, i), a slice at a time: bincount works on a copy in 64 bits."""
    found: set[int] = set()
    for plane in labels:
        found.update(np.flatnonzero(np.bincount(plane.reshape(-1))).tolist())
    return found


def axis_counts(layer: np.ndarray, value: int, box: Box) -> list[np.ndarray]:
    """How many voxels of ``value`` lie at each k, j and i of ``box``, a slice at a time."""
    part = layer[box]
    seen = np.zeros(part.shape[1:], np.uint32)
    slices = np.zeros(part.shape[0], np.int64)
    for k, plane in enumerate(part):
        mask = plane == value
        slices[k] = np.count_nonzero(mask)
        seen += mask
    return [slices, seen.sum(axis=1, dtype=np.int64), seen.sum(axis=0, dtype=np.int64)]


def drop_empty(segmentation: Segmentation) -> tuple[Segmentation, list[Segment]]:
    """The segmentation without segments that have no voxel, and those segments."""
    boxes = layer_boxes(segmentation.layers)
    absent = [s for s in segmentation.segments if (s.layer, s.value) not in boxes]
    if not absent:
        return segmentation, []
    kept = tuple(s for s in segmentation.segments if (s.layer, s.value) in boxes)
    return Segmentation(
        segmentation.grid, segmentation.layers, kept, segmentation.warnings, segmentation.facts
    ), absent


@dataclass(frozen=True)
class Overlap:
    """``winner`` and ``loser`` (segment names) share ``voxels``; the label map shows the winner."""

    winner: str
    loser: str
    voxels: int


@dataclass(frozen=True)
class Flat:
    """One label array (k, j, i), the label of each segment name, and what was hidden."""

    labels: np.ndarray
    values: dict[str, int]
    overlaps: tuple[Overlap, ...]


def label_values(segments: Sequence[Segment]) -> dict[str, int]:
    """The label of each segment in the flattened label map, by name; no voxel is looked at.

    Values are kept where they are unique over all layers and otherwise counted
    from 1 in the table's order.
    """
    unique = len({s.value for s in segments}) == len(segments)
    return {s.name: s.value if unique else n for n, s in enumerate(segments, start=1)}


def flatten(segmentation: Segmentation) -> Flat:
    """Lay the segments over one another by priority, the later of equals on top.

    The labels are those of :func:`label_values`. The array has the smallest unsigned type.
    """
    segments = segmentation.segments
    order = sorted(range(len(segments)), key=lambda n: (segments[n].priority, n))
    values = label_values(segments)
    rank_type = smallest_type(len(segments))
    ranked = [
        _translate(layer, _lookup(segmentation, number, order, rank_type))
        for number, layer in enumerate(segmentation.layers)
    ]
    top = ranked[0].copy()
    for rank in ranked[1:]:
        np.maximum(top, rank, out=top)
    names = [segments[n].name for n in order]
    overlaps = _overlaps(ranked, names)
    table = np.zeros(len(order) + 1, dtype=smallest_type(max(values.values(), default=0)))
    table[1:] = [values[name] for name in names]
    return Flat(_translate(top, table), values, overlaps)


def smallest_type(highest: float) -> np.dtype:
    """The smallest unsigned type that holds the labels up to ``highest``."""
    return np.dtype(np.uint8 if highest < 1 << 8 else np.uint16 if highest < 1 << 16 else np.uint32)


def _translate(layer: np.ndarray, table: np.ndarray) -> np.ndarray:
    """``table[layer]``, slice by slice: numpy would make 64-bit indices of the whole array at once."""
    out = np.empty(layer.shape, dtype=table.dtype)
    for voxels, row in zip(layer, out):
        row[...] = table[voxels]
    return out


def _lookup(segmentation: Segmentation, layer: int, order: list[int], dtype: np.dtype) -> np.ndarray:
    """Label value of ``layer`` -> rank of its segment, 0 for none."""
    table = np.zeros(int(segmentation.layers[layer].max()) + 1, dtype=dtype)
    for rank, number in enumerate(order, start=1):
        segment = segmentation.segments[number]
        if segment.layer == layer and segment.value < len(table):
            table[segment.value] = rank
    return table


def _overlaps(ranked: list[np.ndarray], names: list[str]) -> tuple[Overlap, ...]:
    """How often each two ranks meet in two layers, counted slice by slice."""
    count = len(names) + 1
    wide = np.uint16 if count < 256 else np.intp
    met = np.zeros(count * count if len(ranked) > 1 else 0, dtype=np.int64)
    for a in range(len(ranked)):
        for b in range(a + 1, len(ranked)):
            for first, second in zip(ranked[a], ranked[b]):
                pairs = np.maximum(first, second).astype(wide)
                pairs *= wide(count)
                pairs += np.minimum(first, second)
                met += np.bincount(pairs.reshape(-1), minlength=len(met))
    found = []
    for pair in np.flatnonzero(met).tolist():
        high, low = divmod(pair, count)
        if low:
            found.append(Overlap(names[high - 1], names[low - 1], int(met[pair])))
    return tuple(found)
