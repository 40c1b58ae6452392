"""One image through one network, as nnU-Net does it, but in this process from end to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Sequence

import numpy as np

from ... import heap
from .batches import Batches
from .label_map import label_map
from .progress import Course
from .quick_crop import quick_crop

if TYPE_CHECKING:
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

# Voxels from which on freed memory is given back after each network: kept, it lies in many pieces, and
# what is kept grows from network to network. Clearing its pages again takes no time beside such a network.
_LARGE = 1 << 25


def predict_labels(
    predictor: nnUNetPredictor,
    course: Course,
    files: Sequence[str],
    previous: Optional[str] = None,
    batches: Optional[Batches] = None,
) -> tuple[np.ndarray, dict[str, object]]:
    """Labels on the image's grid, in the reader's order, and the properties that its writer wants.

    ``files`` are the image's channels; ``previous`` has the labels of the stage before, for a cascade.
    ``batches`` as in :func:`.label_map.label_map`. Raises ``Cancelled`` and whatever nnU-Net raises.
    """
    import torch

    plans, configuration = predictor.plans_manager, predictor.configuration_manager
    preprocessor = configuration.preprocessor_class(verbose=False)
    with quick_crop(configuration):
        data, seg, properties = preprocessor.run_case(
            list(files), previous, plans, configuration, predictor.dataset_json
        )
    course.check()
    if previous is not None:
        from nnunetv2.utilities.label_handling.label_handling import convert_labelmap_to_one_hot

        foreground = predictor.label_manager.foreground_labels
        data = np.vstack((data, convert_labelmap_to_one_hot(seg[0], foreground, data.dtype)))
    del seg
    tensor = torch.from_numpy(data).to(dtype=torch.float32, memory_format=torch.contiguous_format)
    del data
    labels = label_map(predictor, tensor, properties, course, batches)
    if tensor.numel() > _LARGE:
        del tensor
        heap.give_back()
    return labels, properties


def torch_device(device: object) -> torch.device:
    """``device`` in torch's form; ``gpu:1`` and ``gpu`` are CUDA's."""
    import torch

    if isinstance(device, torch.device):
        return device
    return torch.device(str(device).replace("gpu", "cuda"))
