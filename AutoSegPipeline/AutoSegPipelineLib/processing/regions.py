"""Structures that are the union of several labels, as nnU-Net's regions are."""

from __future__ import annotations

from dataclasses import replace
from typing import Sequence

import numpy as np

from ..core.segmentation import Segment, Segmentation


def add_regions(segmentation: Segmentation, regions: Sequence[tuple[Segment, Sequence[int]]]) -> Segmentation:
    """``segmentation`` with a layer for each of ``regions``: a segment, and the labels of the first layer.

    A region lies below the structures that it holds where all are flattened: the more labels, the lower.
    Labels that only regions name are no structures of their own.
    """
    array = segmentation.layers[0]
    size = int(array.max()) + 1
    layers, segments = list(segmentation.layers), list(segmentation.segments)
    if not segments:
        layers = []
    used = {segment.value for segment in segments}
    free = (value for value in range(1, len(used) + len(regions) + 1) if value not in used)
    for segment, labels in regions:
        value = next(free)
        table = np.zeros(size, dtype=np.uint16 if value > 255 else np.uint8)
        table[[label for label in labels if label < size]] = value
        segments.append(replace(segment, layer=len(layers), value=value, priority=-len(labels)))
        layers.append(_translated(array, table))
    return Segmentation(segmentation.grid, layers, tuple(segments), segmentation.warnings, segmentation.facts)


def _translated(array: np.ndarray, table: np.ndarray) -> np.ndarray:
    """``table[array]``, slice by slice: numpy would make 64-bit indices of the complete array at once."""
    out = np.empty(array.shape, dtype=table.dtype)
    for voxels, row in zip(array, out):
        row[...] = table[voxels]
    return out
