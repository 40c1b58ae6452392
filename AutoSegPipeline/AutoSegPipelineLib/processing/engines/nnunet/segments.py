"""From nnU-Net's label map to layers and named segments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ....core.segmentation import Segment
from ....formats.label_rows import Entry
from ...foreign_names import segment_of
from ...layers import smallest_type, values_in
from .record import ModelClass
from .request import Run

_PRIORITY = 30  # as other engines' organs


def layers_of(
    run: Run, labels: np.ndarray, first: int, taken: set[str]
) -> tuple[list[np.ndarray], list[Segment], list[str]]:
    """Layers from number ``first`` on, their segments, and the titles of structures asked for and absent.

    Structures of plain labels share one layer. A region is the union of labels, and regions overlap, so
    each has a layer; the later one in the model's order wins in a flat label map, as in nnU-Net's.
    ``taken`` are names used in this segmentation; those given here are added.
    """
    there = values_in(labels)
    has_regions = any(one.labels != (one.value,) for one in run.model.classes)
    layers = [] if has_regions else [_small(labels)]
    segments, absent = [], []
    for number, one in enumerate(run.model.classes):
        if run.structures and one.name not in run.structures:
            continue
        segment = _segment(one, taken, number)
        if there.isdisjoint(one.labels):
            absent.append(segment.title)
            continue
        taken.add(segment.name)
        if has_regions:
            layers.append(
                np.where(np.isin(labels, one.labels), one.value, 0).astype(smallest_type(one.value))
            )
        layer = first + len(layers) - 1
        # Of regions the order decides; plain labels never meet in one layer.
        segments.append(replace(segment, layer=layer, priority=_PRIORITY + (number if has_regions else 0)))
    return layers, segments, absent if run.structures else []


def title_of(one: ModelClass) -> str:
    """What people read for a structure."""
    return _segment(one, set(), 0).title


def _segment(one: ModelClass, taken: set[str], number: int) -> Segment:
    return segment_of(Entry(one.value, one.name, one.colour, codes=one.codes), taken, number)


def _small(labels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(labels, dtype=smallest_type(int(labels.max(initial=0))))
