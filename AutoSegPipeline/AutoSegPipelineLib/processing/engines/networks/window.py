"""nnU-Net's sliding window with its own arithmetic, but never the scores of a complete scan.

:mod:`.cells` holds the sums. On the CPU window after window is computed, and there is no thread to feed them:
copying a window takes no time beside a network on the CPU. With :class:`~.batches.Batches` the scan, the
windows and their sums stay on its device, several windows at a time.
"""

from __future__ import annotations

import inspect
from collections import Counter
from typing import TYPE_CHECKING, Iterator, Optional, Sequence, Tuple

from .cells import Box, Cells, Finished, overlap, relative

if TYPE_CHECKING:
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    from .batches import Batches

# What nnU-Net's own functions must say for these to be their equals; else nnU-Net's run.
_SAYS = {
    "_internal_predict_sliding_window_return_logits": (
        "sigma_scale=1. / 8",
        "value_scaling_factor=10",
        "dtype=torch.half",
        "torch.div(predicted_logits, n_predictions",
    ),
    "predict_sliding_window_return_logits": (
        "pad_nd_image(input_image, self.configuration_manager.patch_size",
        "'constant', {'value': 0}, True",
        "predicted_logits[(slice(None), *slicer_revert_padding[1:])]",
    ),
    "predict_logits_from_preprocessed_data": (
        "prediction += self.predict_sliding_window_return_logits(data)",
        "prediction /= len(self.list_of_parameters)",
    ),
}


def is_equal(predictor_class: type) -> bool:
    """Whether this nnU-Net pads, weighs, sums and averages as the versions do that :func:`walk` follows."""
    for name, words in _SAYS.items():
        try:
            source = inspect.getsource(inspect.unwrap(getattr(predictor_class, name)))
        except (AttributeError, OSError, TypeError):
            return False
        if not all(one in source for one in words):
            return False
    return True


def walk(
    predictor: nnUNetPredictor,
    scan: torch.Tensor,
    finished: Finished,
    batches: Optional[Batches] = None,
) -> None:
    """Take all windows of ``scan`` (channels, ...), preprocessed, through the network.

    ``finished`` gets the scores of :class:`~.cells.Cells`, boxes in voxels of ``scan``. Scores of the margin
    with which nnU-Net pads a scan that is smaller than a window are not summed. Raises ``Cancelled`` from
    within the network, and RuntimeError for a score that is infinite.
    """
    import torch
    from acvl_utils.cropping_and_padding.padding import pad_nd_image

    patch = tuple(int(size) for size in predictor.configuration_manager.patch_size)
    data, inner = pad_nd_image(scan, patch, "constant", {"value": 0}, True, None)
    real = tuple(slice(int(one.start), int(one.stop)) for one in inner[1:])
    tiles = predictor._internal_get_sliding_window_slicers(data.shape[1:])
    cells = Cells([tile[1:] for tile in tiles], real, _weights(predictor, patch, data.device), finished)
    course = predictor.course
    if course is not None:
        course.tiles_begin(len(tiles))
    for tile, found in _scores(predictor, data, tiles, real, batches):
        cells.add(tile[1:], found)
        if course is not None:
            course.tile_done()
    if data.device.type == "cuda":
        torch.cuda.empty_cache()


def _weights(predictor: nnUNetPredictor, patch: tuple[int, ...], device: torch.device) -> torch.Tensor:
    import torch
    from nnunetv2.inference.sliding_window_prediction import compute_gaussian

    if not predictor.use_gaussian:
        return torch.ones(patch, dtype=torch.half, device=device)
    return compute_gaussian(patch, sigma_scale=1.0 / 8, value_scaling_factor=10, device=device)


def _scores(
    predictor: nnUNetPredictor,
    data: torch.Tensor,
    tiles: Sequence[Box],
    real: Box,
    batches: Optional[Batches],
) -> Iterator[tuple[Box, torch.Tensor]]:
    """Each tile with the scores of its part in ``real``, in the order of ``tiles``.

    A network gives the same scores for the same window, so of windows that hold one value only (clipped air,
    say) the first is computed and the others are its copies.
    """
    same = _same_windows(data, tiles, real)
    known: dict[_Window, torch.Tensor] = {}
    waiting: list[Box] = []
    for number, tile in enumerate(tiles):
        window = same.get(number)
        if window is None or window not in known:
            waiting.append(tile)
            if window is None and len(waiting) < (1 if batches is None else batches.size):
                continue
        for one, found in _computed(predictor, data, waiting, real, batches):
            if window is not None and one is tile:
                known[window] = found.clone()
            yield one, found
        if not waiting or waiting[-1] is not tile:
            yield tile, known[same[number]].clone()
        waiting = []
    yield from _computed(predictor, data, waiting, real, batches)


def _computed(
    predictor: nnUNetPredictor,
    data: torch.Tensor,
    tiles: Sequence[Box],
    real: Box,
    batches: Optional[Batches],
) -> Iterator[tuple[Box, torch.Tensor]]:
    import torch

    if batches is not None:
        yield from batches.scores(predictor, data, tiles, real)
        return
    for tile in tiles:
        piece = torch.clone(data[tile][None], memory_format=torch.contiguous_format)
        yield tile, predictor.scores_of(piece, relative(overlap(tile[1:], real), tile[1:]))[0]


_Window = Tuple[object, ...]  # the value of each channel, and which part of the tile counts


def _same_windows(data: torch.Tensor, tiles: Sequence[Box], real: Box) -> dict[int, _Window]:
    """What constant windows hold, by their number among ``tiles``; those that have no twin are left out."""
    import torch

    found: dict[int, _Window] = {}
    for number, tile in enumerate(tiles):
        values = []
        for channel in data[tile]:
            # Only where the corners agree is it worth to look at every voxel.
            if channel[0, 0, 0] != channel[-1, -1, -1]:
                break
            low, high = torch.aminmax(channel)
            if low != high:  # not a number, too, is not equal to anything
                break
            values.append(float(low))
        else:
            part = relative(overlap(tile[1:], real), tile[1:])
            found[number] = (*values, *((one.start, one.stop) for one in part))
    times = Counter(found.values())
    return {number: window for number, window in found.items() if times[window] > 1}
