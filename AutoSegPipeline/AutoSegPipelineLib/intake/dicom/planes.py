"""The pixels of a stack's slices, decoded by GDCM (in SimpleITK)."""

from __future__ import annotations

from typing import Sequence

import numpy

from ...core.progress import Check
from .instance import Instance
from .stack import Stack


def read_planes(stack: Stack, check: Check) -> list[numpy.ndarray]:
    """Planes (rows, columns) in stack order, rescaled to the modality's units.

    Raises RuntimeError where GDCM cannot decode a file.
    """
    frames: dict[tuple[str, int], numpy.ndarray] = {}
    files: dict[str, list[Instance]] = {}
    for one in stack.instances:
        files.setdefault(one.path, []).append(one)
    for path, own in files.items():
        check()
        for one, plane in zip(own, _decoded(own)):
            frames[path, one.frame] = plane
    return [frames[one.path, one.frame] for one in stack.instances]


def _decoded(own: Sequence[Instance]) -> list[numpy.ndarray]:
    """Planes of the wanted frames of one file."""
    import SimpleITK

    first = own[0]
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(first.path)
    array = SimpleITK.GetArrayFromImage(reader.Execute())
    planes = array.reshape((-1, *array.shape[-2:]))
    if planes.shape[1:] != (first.rows, first.columns):
        raise RuntimeError("the pixels have another size than the header says")
    return [_rescaled(planes[one.frame], one) for one in own]


def _rescaled(plane: numpy.ndarray, one: Instance) -> numpy.ndarray:
    """GDCM applies the first frame's slope and intercept to all."""
    if not one.frame_list:
        return plane
    (slope, intercept), (own_slope, own_intercept) = (
        one.frame_list[0].rescale,
        one.frame_list[one.frame].rescale,
    )
    if (slope, intercept) == (own_slope, own_intercept) or not slope:
        return plane
    return (plane.astype("float64") - intercept) / slope * own_slope + own_intercept
