"""From the network's scores to labels on the image's grid: voxel for voxel nnU-Net's, with little memory.

Where the network's grid is the image's own, as TotalSegmentator arranges it, each piece of scores becomes
labels as soon as it is finished. Else, or where folds are averaged, one array holds the scores; then one
class after the other is resampled, and only the best score of each voxel is kept.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Callable, Optional, Sequence

import numpy as np

from .batches import Batches, GpuMemory
from .cells import Box, of_all
from .progress import Course
from .quick_labels import labels_of
from .trouble import is_out_of_memory

if TYPE_CHECKING:
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.utilities.label_handling.label_handling import LabelManager

Properties = dict  # what nnU-Net's preprocessor notes about an image
Resample = Callable[..., np.ndarray]  # one class (1, ...) to the image's grid

_RESAMPLING = "resample_data_or_seg_to_shape"  # of nnU-Net; class by class, and nothing for equal shapes


def label_map(
    predictor: nnUNetPredictor,
    data: torch.Tensor,
    properties: Properties,
    course: Course,
    batches: Optional[Batches] = None,
) -> np.ndarray:
    """Labels of preprocessed ``data`` (channels, ...) as nnU-Net's export makes them, in the reader's order.

    With ``batches`` all happens on the predictor's device and only labels come back; a GPU always gets them.
    Where its memory does not suffice for that, nnU-Net's own way is taken. Raises ``Cancelled``.
    """
    if not predictor.in_pieces:
        return _as_nnunet(predictor, data, properties, course)
    device = predictor.device
    if batches is None and device.type == "cuda":
        batches = Batches(GpuMemory(device))
    try:
        scan = data.to(device)
        target = _Target(predictor, scan, properties)
        predictor.each_fold(scan, target.add, batches)
        course.exporting()
        return target.labels()
    except (MemoryError, RuntimeError) as error:
        if batches is None or not is_out_of_memory(error):
            raise
    scan = target = None  # type: ignore[assignment]
    course.stepped_down(
        "The device's memory did not suffice for the scan and one window; "
        "the scores were summed in the computer's memory."
    )
    return _as_nnunet(predictor, data, properties, course)


def _as_nnunet(
    predictor: nnUNetPredictor, data: torch.Tensor, properties: Properties, course: Course
) -> np.ndarray:
    scores = predictor.logits(data).cpu()
    course.exporting()
    return _exported(predictor, scores, properties)


def _exported(predictor: nnUNetPredictor, scores: torch.Tensor, properties: Properties) -> np.ndarray:
    """Labels as nnU-Net itself makes them, all classes at once."""
    from nnunetv2.inference.export_prediction import (
        convert_predicted_logits_to_segmentation_with_correct_shape as to_labels,
    )

    plans, configuration = predictor.plans_manager, predictor.configuration_manager
    return to_labels(scores, plans, configuration, predictor.label_manager, properties)


def _known(predictor: nnUNetPredictor) -> bool:
    """Whether this module does what nnU-Net does with the scores of this model."""
    resampling = predictor.configuration_manager.resampling_fn_probabilities.func.__name__
    return resampling == _RESAMPLING and type(predictor.label_manager).__name__ == "LabelManager"


class _Target:
    """Takes the scores of each fold, piece by piece, and makes labels of them."""

    def __init__(self, predictor: nnUNetPredictor, scan: torch.Tensor, properties: Properties) -> None:
        import torch

        self._predictor = predictor
        self._manager = predictor.label_manager
        self._properties = properties
        self._folds = len(predictor.list_of_parameters)
        grid = tuple(int(size) for size in scan.shape[1:])
        self._cropped = tuple(int(n) for n in properties["shape_after_cropping_and_before_resampling"])
        self._is_known = _known(predictor)
        self._same_grid = self._is_known and grid == self._cropped
        self._scores: Optional[torch.Tensor] = None
        if self._folds > 1 or not self._same_grid:
            heads = self._manager.num_segmentation_heads
            self._scores = torch.empty((heads, *grid), dtype=torch.half, device=scan.device)
        if self._same_grid:
            kind = torch.uint8 if len(self._manager.foreground_labels) < 255 else torch.int16
            self._labels = torch.zeros(grid, dtype=kind, device=scan.device)

    def add(self, fold: int, box: Box, scores: torch.Tensor) -> None:
        """``scores`` (classes, ...) of fold ``fold`` (0, 1, ...) for ``box``, complete."""
        if self._scores is None:
            self._labels[box] = labels_of(self._manager, scores).to(self._labels.dtype)
            return
        view = self._scores[of_all(box)]
        if fold == 0:
            view.copy_(scores)
        else:
            view += scores
        if fold == self._folds - 1:
            if self._folds > 1:
                view /= self._folds
            if self._same_grid:
                self._labels[box] = labels_of(self._manager, view.contiguous()).to(self._labels.dtype)

    def labels(self) -> np.ndarray:
        """On the image's grid; nnU-Net's type."""
        if self._same_grid:
            self._scores = None
            found = self._labels.cpu().numpy()
        elif not self._is_known:
            assert self._scores is not None
            return _exported(self._predictor, self._scores.cpu(), self._properties)
        else:
            found = self._resampled()
        kind = np.uint8 if len(self._manager.foreground_labels) < 255 else np.uint16
        full = np.zeros(self._properties["shape_before_cropping"], dtype=kind)
        box = tuple(slice(int(low), int(high)) for low, high in self._properties["bbox_used_for_cropping"])
        full[box] = found
        return full.transpose(self._predictor.plans_manager.transpose_backward)

    def _resampled(self) -> np.ndarray:
        assert self._scores is not None
        scores, self._scores = self._scores.cpu(), None
        plans, configuration = self._predictor.plans_manager, self._predictor.configuration_manager
        spacing = [self._properties["spacing"][axis] for axis in plans.transpose_forward]
        own = configuration.spacing
        resample = partial(
            configuration.resampling_fn_probabilities,
            new_shape=self._cropped,
            current_spacing=own if len(own) == len(self._cropped) else [spacing[0], *own],
            new_spacing=spacing,
        )
        if self._manager.has_regions:
            return regions_by_threshold(self._manager, scores, resample)
        return best_class(scores, resample)


def best_class(scores: torch.Tensor, resample: Resample) -> np.ndarray:
    """For each voxel of the new grid the first of its best classes; ``resample`` gets one class at a time.

    ``scores`` (classes, ...) are on the CPU. As numpy does, what is not a number counts as the best.
    """
    import torch

    best = torch.as_tensor(resample(scores[:1])[0])
    kind = torch.uint8 if scores.shape[0] <= 255 else torch.int16
    labels = torch.zeros(best.shape, dtype=kind)
    for number in range(1, scores.shape[0]):
        new = torch.as_tensor(resample(scores[number : number + 1])[0])
        better = (new > best) | (new.isnan() & ~best.isnan())
        best[better] = new[better]
        labels.masked_fill_(better, number)
    return labels.numpy()


def regions_by_threshold(manager: LabelManager, scores: torch.Tensor, resample: Resample) -> np.ndarray:
    """Regions of the new grid, the later ones over the earlier."""
    labels: Optional[np.ndarray] = None
    order: Sequence[int] = manager.regions_class_order
    for number, value in enumerate(order):
        new = resample(scores[number : number + 1])
        inside = np.asarray(manager.apply_inference_nonlin(new)[0] > 0.5)
        if labels is None:
            labels = np.zeros(inside.shape, dtype=np.uint16)
        labels[inside] = value
    assert labels is not None
    return labels
