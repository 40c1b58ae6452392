"""From scores to labels, faster than numpy and voxel for voxel the same."""

from __future__ import annotations

from typing import Any

import numpy as np

_VOXELS = 1 << 14  # a block of scores that stays in the processor's cache


def use_quick_labels(label_manager: Any) -> None:
    """Let this label manager of nnU-Net choose the best class with :func:`first_best`."""
    own = label_manager.convert_probabilities_to_segmentation

    def convert(scores: Any) -> Any:
        # Regions overlap and are decided by a threshold, not by the best score.
        if label_manager.has_regions or scores.shape[0] != label_manager.num_segmentation_heads:
            return own(scores)
        return first_best(scores)

    label_manager.convert_probabilities_to_segmentation = convert


def first_best(scores: Any) -> np.ndarray:
    """For each voxel the first of its best classes, as ``numpy.argmax(scores, 0)`` says.

    ``scores`` has shape (classes, ...), half or single precision, in RAM. numpy
    compares halves in software, one voxel at a time; here blocks of voxels are
    widened (which is exact) and compared by torch.
    """
    import torch

    values = torch.from_numpy(np.ascontiguousarray(scores)) if isinstance(scores, np.ndarray) else scores.cpu()
    flat = values.reshape(values.shape[0], -1)
    best = np.empty(flat.shape[1], dtype=np.uint8 if flat.shape[0] <= 256 else np.int16)
    for start in range(0, flat.shape[1], _VOXELS):
        block = flat[:, start : start + _VOXELS].float()
        if torch.isnan(block).any():  # numpy takes the first NaN for the best
            best[start : start + _VOXELS] = block.numpy().argmax(0)
            continue
        top = block[0].clone()
        chosen = torch.zeros(block.shape[1], dtype=torch.int16)
        for number in range(1, block.shape[0]):
            higher = block[number] > top
            chosen[higher] = number
            torch.maximum(top, block[number], out=top)
        best[start : start + _VOXELS] = chosen.numpy()
    return best.reshape(tuple(values.shape[1:]))
