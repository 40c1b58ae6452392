"""Crop a label layer to what is in it, pad it by one voxel, number its labels 1 to n."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(eq=False)
class Block:
    """``labels`` (k, j, i) whose outermost voxels are 0; ``offset`` is the index of its first voxel.

    ``counts[v]`` is the number of voxels with label ``v``.
    """

    labels: np.ndarray
    offset: np.ndarray
    counts: np.ndarray


def compact(layer: np.ndarray, values: list[int]) -> Block | None:
    """The part of ``layer`` that holds ``values``, renumbered to 1, 2, ... in their order.

    Every other value counts as background. ``None`` when no voxel is left. One
    copy of the cropped box is made, of one or two bytes a voxel.
    """
    box = _bounding_box(layer)
    if box is None or not values:
        return None
    inside = layer[box]
    kind = np.uint8 if len(values) < 256 else np.uint16
    labels = np.zeros([n + 2 for n in inside.shape], kind)
    counts = np.zeros(len(values) + 1, np.int64)
    number = _numbering(values, layer.dtype, kind)
    for k in range(inside.shape[0]):
        row = number(inside[k])
        labels[k + 1, 1:-1, 1:-1] = row
        counts += _counted(row.reshape(-1), len(counts))
    if not counts[1:].any():
        return None
    offset = np.array([box[2].start, box[1].start, box[0].start], np.float64) - 1.0
    return Block(labels, offset, counts)


def _bounding_box(layer: np.ndarray) -> tuple[slice, slice, slice] | None:
    """The smallest box (k, j, i) around all voxels that are not 0."""
    flat = np.any(layer, axis=0)
    if not np.any(flat):
        return None
    spans = []
    for hits in (np.any(layer, axis=(1, 2)), np.any(flat, axis=1), np.any(flat, axis=0)):
        where = np.flatnonzero(hits)
        spans.append(slice(int(where[0]), int(where[-1]) + 1))
    return spans[0], spans[1], spans[2]


def _counted(flat: np.ndarray, size: int) -> np.ndarray:
    """How often each of 0..``size`` - 1 is in ``flat``, by its runs: ``bincount`` would widen each voxel."""
    last = np.append(np.flatnonzero(flat[1:] != flat[:-1]), len(flat) - 1)
    return np.bincount(flat[last], np.diff(last, prepend=-1), size).astype(np.int64)


def _numbering(values: list[int], dtype: np.dtype, kind: type) -> Callable[[np.ndarray], np.ndarray]:
    """A function that renumbers an array of ``dtype``: ``values[n]`` becomes ``n + 1``, all else 0."""
    if np.iinfo(dtype).max <= 65535 and np.iinfo(dtype).min == 0:
        table: np.ndarray = np.zeros(int(np.iinfo(dtype).max) + 1, kind)
        for number, value in enumerate(values, 1):
            if value < len(table):
                table[value] = number
        return lambda array: table.take(array)
    order = np.argsort(values)
    known = np.array(values, np.int64)[order]

    def search(array: np.ndarray) -> np.ndarray:
        place = np.minimum(np.searchsorted(known, array), len(known) - 1)
        return np.where(known[place] == array, order[place] + 1, 0).astype(kind)

    return search
