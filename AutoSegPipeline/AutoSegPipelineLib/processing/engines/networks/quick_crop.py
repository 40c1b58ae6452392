"""nnU-Net's crop to what is not zero, without filling the holes of a mask that nobody looks at.

Filling takes seconds and a gigabyte for a scan of clinical size, once for each network. It never makes the
box around the mask larger, and the mask itself counts only where intensities are normalised within it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable, Iterator, List, Optional, Tuple

import numpy as np

from .cells import of_all
from .replacing import replaced

if TYPE_CHECKING:
    from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager

_Cropped = Tuple[np.ndarray, np.ndarray, List[List[int]]]  # image, segmentation, box
# nnU-Net's own, which look at the mask only where `use_mask_for_norm` says so.
_SCHEMES = {"CTNormalization", "ZScoreNormalization", "NoNormalization", "RescaleTo01Normalization"}


@contextmanager
def quick_crop(configuration: ConfigurationManager) -> Iterator[None]:
    """Within the block nnU-Net's default preprocessor crops scans for this ``configuration`` so."""
    from nnunetv2.preprocessing.preprocessors import default_preprocessor

    without_mask = set(configuration.normalization_schemes) <= _SCHEMES
    if not without_mask or any(configuration.use_mask_for_norm):
        yield
        return
    crop = _crop_with(default_preprocessor.crop_to_nonzero)
    with replaced([(default_preprocessor, "crop_to_nonzero", crop)]):
        yield


def _crop_with(own: Callable[..., _Cropped]) -> Callable[..., _Cropped]:
    def crop_to_nonzero(
        data: np.ndarray, seg: Optional[np.ndarray] = None, *more: object, **named: object
    ) -> _Cropped:
        box = None if seg is not None else box_of(data)
        if box is None:
            return own(data, seg, *more, **named)
        cut = data[of_all(tuple(slice(low, high) for low, high in box))]
        return cut, np.zeros((1, *cut.shape[1:]), dtype=np.int8), box

    return crop_to_nonzero


def box_of(data: np.ndarray) -> Optional[list[list[int]]]:
    """``[[low, high], ...]`` around what is not zero in ``data`` (channels, ...); None where all is zero."""
    box = []
    for axis in range(1, data.ndim):
        others = tuple(other for other in range(data.ndim) if other != axis)
        lines = [_any(np.take(data, n, axis)) for n in (0, data.shape[axis] - 1)]
        if all(lines):  # the usual case, decided without looking at every voxel
            box.append([0, data.shape[axis]])
            continue
        there = np.flatnonzero(np.any(data, axis=others))
        if not len(there):
            return None
        box.append([int(there[0]), int(there[-1]) + 1])
    return box


def _any(plane: np.ndarray) -> bool:
    return bool(np.any(plane))
