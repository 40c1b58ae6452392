"""The package's resampling without full copies in double precision, voxel for voxel the same.

``totalsegmentator.resampling.change_spacing`` widens every image to float64, zooms it into another such array
and copies that twice: 5 GB for a scan of 512x512x600. Here labels are picked by the indices that
``ndimage.zoom`` computes for each axis, and scans are interpolated slab by slab by the same code of scipy.
"""

from __future__ import annotations

import inspect
import math
import warnings
from typing import TYPE_CHECKING, Callable, Sequence

import numpy as np

from .native_images import image_class, native, plain

if TYPE_CHECKING:
    import nibabel

_SLAB = 16  # planes that are interpolated at once
_SMALL = ("uint8", "int8", "uint16", "int16")

# What the package must say for this module to be its equal; else its own functions run.
_SAYS = {
    "resample_img": ('ndimage.zoom(img[:, :, :, grad_idx], zoom, mode="nearest", order=order)',),
    "change_spacing": (
        "zoom = np.array(target_shape) / old_shape",
        "zoom = img_spacing / new_spacing",
        "np.array_equal(img_spacing, new_spacing)",
        "new_affine[:3, 0] = new_affine[:3, 0] / zoom[0]",
        "new_data = resample_img(data, zoom=zoom, order=order, nr_cpus=nr_cpus)",
        "new_data = new_data.astype(dtype)",
        "new_affine = force_affine",
    ),
}
_Asked = dict  # arguments by their names
_PARAMETERS = {
    "img_in", "new_spacing", "target_shape", "order", "nr_cpus", "nnunet_resample", "crop_resample", "dtype",
    "remove_negative", "force_affine", "use_gpu",
}  # fmt: skip


def is_equal() -> bool:
    """Whether the installed package resamples as :func:`change_spacing` does."""
    from totalsegmentator import resampling

    try:
        known = set(inspect.signature(resampling.change_spacing).parameters) == _PARAMETERS
        sources = {name: inspect.getsource(getattr(resampling, name)) for name in _SAYS}
    except (AttributeError, OSError, TypeError):
        return False
    return known and all(one in sources[name] for name, words in _SAYS.items() for one in words)


def change_spacing(original: Callable[..., nibabel.Nifti1Image]) -> Callable[..., nibabel.Nifti1Image]:
    """A function in the place of the package's ``original`` for a case of :func:`is_equal`."""
    signature = inspect.signature(original)

    def resampled(*arguments: object, **named: object) -> nibabel.Nifti1Image:
        bound = signature.bind(*arguments, **named)
        bound.apply_defaults()
        asked = bound.arguments
        if not _is_simple(asked):
            image = plain(asked.pop("img_in"))
            return native(original(image, **asked))
        return _resampled(asked)

    return resampled


def _is_simple(asked: _Asked) -> bool:
    from totalsegmentator import resampling

    kind = np.dtype(asked["dtype"]).name if asked["dtype"] is not None else ""
    gpu = asked["use_gpu"] and resampling.cupy_available and resampling.cucim_available
    special = asked["nnunet_resample"] or asked["crop_resample"] or asked["remove_negative"] or gpu
    image = asked["img_in"]
    thick = len(image.shape) == 3 and min(image.shape) > 1  # scipy's offset has no meaning for one plane
    known = (asked["order"], kind) in ((0, "uint8"), (1, "int32"))
    return bool(known and thick and image.dataobj.dtype.kind in "iu" and not special)


def _resampled(asked: _Asked) -> nibabel.Nifti1Image:
    """As the package computes zoom, shape and affine."""
    image = asked["img_in"]
    data = np.asanyarray(image.dataobj)
    old_shape, spacing = np.array(data.shape), np.array(image.header.get_zooms())
    if asked["target_shape"] is not None:
        zoom = np.array(asked["target_shape"]) / old_shape
        wanted = spacing / zoom
    else:
        new = asked["new_spacing"]
        wanted = np.array([new] * 3 if type(new) is float else new)
        zoom = spacing / wanted
    if np.array_equal(spacing, wanted):
        return image
    affine = np.copy(image.affine)
    for axis in range(3):
        affine[:3, axis] = affine[:3, axis] / zoom[axis]
    found = nearest(data, zoom).astype(np.uint8, copy=False) if asked["order"] == 0 else linear(data, zoom)
    if asked["force_affine"] is not None:
        affine = asked["force_affine"]
    return image_class()(found, affine)


def nearest(labels: np.ndarray, zoom: Sequence[float]) -> np.ndarray:
    """``ndimage.zoom(labels, zoom, mode="nearest", order=0)``: it chooses along each axis by itself."""
    from scipy import ndimage

    chosen = [
        ndimage.zoom(np.arange(size, dtype=float), factor, mode="nearest", order=0).astype(np.intp)
        for size, factor in zip(labels.shape, zoom)
    ]
    return labels[np.ix_(*chosen)]


def linear(data: np.ndarray, zoom: Sequence[float]) -> np.ndarray:
    """``ndimage.zoom(data as float64, zoom, mode="nearest", order=1)`` without what is after the point.

    ``data`` (i, j, k) has whole numbers. The result has int32, or the smaller type of ``data``, beyond whose
    values no interpolation goes. Planes along k follow one another in memory.
    """
    shape = tuple(round(float(size * factor)) for size, factor in zip(data.shape, zoom))
    step = [(a - 1) / (b - 1) if b > 1 else 1.0 for a, b in zip(data.shape, shape)]
    kind = data.dtype if data.dtype.name in _SMALL else np.int32
    found = np.empty(shape[::-1], dtype=kind).transpose(2, 1, 0)
    for start in range(0, shape[2], _SLAB):
        stop = min(start + _SLAB, shape[2])
        first = start
        while (offset := _exact_offset(first, step[2])) is None:
            first -= 1  # 0 always has one
        planes = _planes(data, step, offset, (shape[0], shape[1], stop - first))
        found[:, :, start:stop] = planes[:, :, start - first :]  # as astype: towards zero
    return found


def _planes(data: np.ndarray, step: Sequence[float], offset: float, shape: tuple[int, ...]) -> np.ndarray:
    from scipy import ndimage

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a meaning that changed long ago
        return ndimage.affine_transform(
            data, np.array(step), offset=[0.0, 0.0, offset], output_shape=shape, output=np.float64,
            order=1, mode="nearest", prefilter=False,
        )  # fmt: skip


def _exact_offset(plane: int, step: float) -> float | None:
    """What to give scipy so that it begins at ``plane``, or None.

    It divides by ``step``, adds that to the number of each plane and multiplies: with ``plane`` itself as the
    quotient every coordinate is the same number as without an offset.
    """
    offset = plane * step
    for _ in range(4):
        begin = offset / step
        if begin == plane:
            return offset
        offset = float(np.nextafter(offset, math.inf if begin < plane else -math.inf))
    return None
