"""nnU-Net's sliding window on the CPU with its own arithmetic, but a few classes at a time.

nnU-Net adds the scores of all classes of a tile at once, in mixed precision, for
which torch makes temporary copies of hundreds of megabytes. The same additions on
a few classes after the others stay in the processor's cache. There is no thread to feed
tiles either: copying a tile takes no time beside a network on the CPU.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Sequence

import numpy as np

if TYPE_CHECKING:
    import torch

_ELEMENTS = 1 << 20

# What nnU-Net's own function must say for this one to be its equal; else nnU-Net's runs.
_SAYS = (
    "sigma_scale=1. / 8",
    "value_scaling_factor=10",
    "dtype=torch.half",
    "torch.div(predicted_logits, n_predictions",
)


def is_equal(predictor_class: type) -> bool:
    """Whether this nnU-Net weighs and sums as the versions do that :func:`scores` follows."""
    own = getattr(predictor_class, "_internal_predict_sliding_window_return_logits", None)
    if own is None:
        return False
    try:
        source = inspect.getsource(inspect.unwrap(own))
    except (OSError, TypeError):
        return False
    return all(words in source for words in _SAYS)


def scores(
    predictor: Any, data: torch.Tensor, tiles: Sequence[Box], scan: torch.Tensor | None = None
) -> object:
    """Scores (classes, ...) in half precision for preprocessed ``data`` (channels, ...), on the CPU.

    ``scan`` is ``data`` before it was padded to a complete tile: scores of the margin are
    thrown away by nnU-Net, so they are not summed and may be anything. Raises ``Cancelled``
    from within the network, and RuntimeError for a score that is infinite.
    """
    import torch
    from nnunetv2.inference.sliding_window_prediction import compute_gaussian

    data = data.to("cpu")
    shape = data.shape[1:]
    real = _unpadded(data, scan)
    total = torch.empty((predictor.label_manager.num_segmentation_heads, *shape), dtype=torch.half)
    wanted = (slice(None), *real)
    total[wanted] = 0
    weight = torch.zeros(shape, dtype=torch.half)
    window: torch.Tensor = torch.ones(tuple(predictor.configuration_manager.patch_size), dtype=torch.half)
    if predictor.use_gaussian:
        size = tuple(predictor.configuration_manager.patch_size)
        window = compute_gaussian(
            size, sigma_scale=1.0 / 8, value_scaling_factor=10, device=torch.device("cpu")
        )
    wide = window.float()  # exact, and spares a conversion for each class
    course = predictor.course
    if course is not None:
        course.tiles_begin(len(tiles))
    for tile in tiles:
        piece = torch.clone(data[tile][None], memory_format=torch.contiguous_format)
        there, inside = _overlap(tile[1:], real)
        found = predictor.scores_of(piece, inside)[0]
        for block in _blocks([found.shape[0], *(part.stop - part.start for part in inside)]):
            here = (block, *there)
            view = total[here]
            # Widened, added, rounded to half: what torch does for `half += single`, without its detours.
            view.copy_(view.float().add_(found[block].mul_(wide[inside])))
        weight[there] += window[inside]
        del found
        if course is not None:
            course.tile_done()
    divisor = weight[real].float()
    for block in _blocks([total.shape[0], *divisor.shape]):
        here = (block, *real)
        view = total[here]
        view.copy_(view.float().div_(divisor))
        if _has_infinity(view):
            raise RuntimeError("a score of the network is infinite in half precision")
    return total


Box = tuple  # of slices with a start and a stop


def _unpadded(data: torch.Tensor, scan: torch.Tensor | None) -> Box:
    """Where ``scan`` lies in ``data``; all of it where that cannot be decided for certain."""
    import torch

    everything = tuple(slice(0, size) for size in data.shape[1:])
    if scan is None or scan.ndim != data.ndim:
        return everything
    starts = [(full - part) // 2 for full, part in zip(data.shape[1:], scan.shape[1:])]
    box = tuple(slice(start, start + size) for start, size in zip(starts, scan.shape[1:]))
    every_channel = (slice(None), *box)
    return box if torch.equal(data[every_channel], scan.to(data.device)) else everything


def _overlap(tile: Box, real: Box) -> tuple[Box, Box]:
    """The part of ``tile`` that lies in ``real``: in the full volume, and counted from the tile's corner."""
    there = tuple(slice(max(t.start, r.start), min(t.stop, r.stop)) for t, r in zip(tile, real))
    return there, tuple(slice(w.start - t.start, w.stop - t.start) for w, t in zip(there, tile))


def _has_infinity(part: object) -> bool:
    """As ``isinf(part).any()``, which takes several times as long."""
    import torch

    low, high = torch.aminmax(part)
    if torch.isnan(low):  # it hides the others
        return bool(torch.isinf(part).any())
    return bool(torch.isinf(low) or torch.isinf(high))


def _blocks(shape: Sequence[int]) -> list[slice]:
    """Classes in portions that are large enough to keep every thread busy, and no larger."""
    voxels = int(np.prod(shape[1:]))
    step = max(1, -(-_ELEMENTS // max(voxels, 1)))
    return [slice(start, start + step) for start in range(0, shape[0], step)]
