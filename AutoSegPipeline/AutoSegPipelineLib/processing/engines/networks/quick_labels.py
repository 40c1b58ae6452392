"""From scores to labels, faster than numpy and voxel for voxel the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from nnunetv2.utilities.label_handling.label_handling import LabelManager

_VOXELS = 1 << 14  # a block whose widened scores stay near the processor


def use_quick_labels(label_manager: Any) -> None:
    """Let this label manager of nnU-Net choose the best class with :func:`first_best`."""
    own = label_manager.convert_probabilities_to_segmentation

    def convert(scores: np.ndarray | torch.Tensor) -> object:
        # Regions overlap and are decided by a threshold, not by the best score.
        if label_manager.has_regions or scores.shape[0] != label_manager.num_segmentation_heads:
            return own(scores)
        return first_best(scores)

    label_manager.convert_probabilities_to_segmentation = convert


def labels_of(label_manager: LabelManager, scores: torch.Tensor) -> torch.Tensor:
    """Labels (...) of ``scores`` (classes, ...) in half precision, on the same device."""
    import torch

    if not label_manager.has_regions and scores.device.type != "cpu":
        return scores.float().max(0)[1]  # torch names the first of equals there too
    return torch.as_tensor(label_manager.convert_logits_to_segmentation(scores))


def first_best(scores: np.ndarray | torch.Tensor) -> np.ndarray:
    """For each voxel the first of its best classes, as ``numpy.argmax(scores, 0)`` says.

    ``scores`` has shape (classes, ...), half or single precision, in RAM. numpy
    compares halves in software, one voxel at a time; here blocks of voxels are
    widened, which is exact, and compared by torch, which also names the first of equals.
    """
    import torch

    values = (
        torch.from_numpy(np.ascontiguousarray(scores)) if isinstance(scores, np.ndarray) else scores.cpu()
    )
    flat = values.reshape(values.shape[0], -1)
    best = np.empty(flat.shape[1], dtype=np.uint8 if flat.shape[0] <= 256 else np.int16)
    for start in range(0, flat.shape[1], _VOXELS):
        block = flat[:, start : start + _VOXELS].float()
        best[start : start + _VOXELS] = block.max(0)[1].numpy()
    return best.reshape(tuple(values.shape[1:]))
