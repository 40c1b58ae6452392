"""One mask for each structure, read as one segmentation; masks may overlap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Tuple

import numpy as np

from ..core.errors import PipelineError
from ..core.mask_plan import MaskPlan
from ..core.segmentation import Affine, Grid, Segment, Segmentation
from ..formats.label_rows import Entry
from .foreign_names import segment_of
from .layers import smallest_type
from .same_grid import placement
from .volume import read_volume

Box = Tuple[slice, slice, slice]


def read_masks(path: Path, affine: Affine | None = None) -> Segmentation:
    """The segmentation that the plan at ``path`` lists; ``affine`` (index to LPS mm) holds for every mask.

    One mask is in memory at a time, beside the layers. Each goes into the first layer where its voxels
    are free. Where masks overlap the smaller one is on top when all are flattened.
    Raises :class:`PipelineError`: ``input.*``, ``export.empty``.
    """
    plan = MaskPlan.read(path)
    dtype = smallest_type(len(plan.masks))
    grid: Grid | None = None
    layers: list[np.ndarray] = []
    segments: list[Segment] = []
    sizes: list[int] = []
    taken: set[str] = set()
    for value, mask in enumerate(plan.masks, 1):
        volume = read_volume(path.parent / mask.file, affine, name=mask.label)
        grid = grid or volume.grid
        lies = placement(volume.grid, grid)
        if lies is None or not lies.is_identity or volume.grid.shape != grid.shape:
            raise PipelineError(
                "export.other_grid", f"{mask.label} lies on another grid than the other masks"
            )
        inside = volume.array != 0
        box = box_of(inside)
        if box is None:
            plan.empty.append(mask.name)
            continue
        layer = _free_layer(layers, box, inside[box])
        if layer == len(layers):
            layers.append(np.zeros(grid.array_shape, dtype))
        layers[layer][box][inside[box]] = value
        sizes.append(int(np.count_nonzero(inside[box])))
        segments.append(replace(segment_of(Entry(value, mask.name), taken, value - 1), layer=layer))
    if grid is None or not segments:
        raise PipelineError("export.empty", "no mask has a voxel")
    if len(layers) > 1:
        order = sorted(range(len(segments)), key=lambda n: -sizes[n])
        rank = {n: priority for priority, n in enumerate(order)}
        segments = [replace(segment, priority=rank[n]) for n, segment in enumerate(segments)]
    segmentation = Segmentation(grid, layers, tuple(segments))
    if plan.empty:
        segmentation.warnings.append(_empty(plan.empty))
    return segmentation


def box_of(inside: np.ndarray) -> Box | None:
    """The bounding box of the true voxels along k, j, i; None where there is none."""
    found = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        where = np.flatnonzero(inside.any(axis=others))
        if not len(where):
            return None
        found.append(slice(int(where[0]), int(where[-1]) + 1))
    return (found[0], found[1], found[2])


def _free_layer(layers: list[np.ndarray], box: Box, inside: np.ndarray) -> int:
    """The first layer that is background wherever ``inside`` is true; one more than there are for none."""
    for number, layer in enumerate(layers):
        if not layer[box][inside].any():
            return number
    return len(layers)


def _empty(names: list[str]) -> dict[str, str]:
    some = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return {
        "code": "segmentation.absent",
        "message": f"{len(names)} masks have no voxel and were left out: {some}"
        if len(names) > 1
        else f"the mask {some} has no voxel and was left out",
    }
