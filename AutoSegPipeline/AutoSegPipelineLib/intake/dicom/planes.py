"""The pixels of a stack's slices, decoded by GDCM (in SimpleITK) as they are asked for."""

from __future__ import annotations

import numpy

from .instance import Instance
from .stack import Stack


class Planes:
    """Planes (rows, columns) in stack order, rescaled to the modality's units.

    Nothing is kept but the last plane and files of several frames. Reading raises RuntimeError where GDCM
    cannot decode a file.
    """

    def __init__(self, stack: Stack) -> None:
        self._instances = stack.instances
        self._files: dict[str, numpy.ndarray] = {}
        self._last: tuple[int, numpy.ndarray] | None = None

    def __len__(self) -> int:
        return len(self._instances)

    def __getitem__(self, n: int) -> numpy.ndarray:
        """Plane ``n``."""
        if self._last is None or self._last[0] != n:
            self._last = (n, self._read(self._instances[n]))
        return self._last[1]

    def _read(self, one: Instance) -> numpy.ndarray:
        if len(one.frame_list) < 2:
            plane: numpy.ndarray = _decoded(one)[0]
            return plane
        if one.path not in self._files:
            self._files[one.path] = _decoded(one)
        return _rescaled(self._files[one.path][one.frame], one)


def _decoded(one: Instance) -> numpy.ndarray:
    """All frames of a file, (frames, rows, columns)."""
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(one.path)
    array: numpy.ndarray = SimpleITK.GetArrayFromImage(reader.Execute())
    planes = array.reshape((-1, *array.shape[-2:]))
    if planes.shape[1:] != (one.rows, one.columns):
        raise RuntimeError("the pixels have another size than the header says")
    return planes


def _rescaled(plane: numpy.ndarray, one: Instance) -> numpy.ndarray:
    """GDCM applies the first frame's slope and intercept to all."""
    slope, intercept = one.frame_list[0].rescale
    own_slope, own_intercept = one.frame_list[one.frame].rescale
    if (slope, intercept) == (own_slope, own_intercept) or not slope:
        return plane
    found: numpy.ndarray = (plane.astype("float64") - intercept) / slope * own_slope + own_intercept
    return found
