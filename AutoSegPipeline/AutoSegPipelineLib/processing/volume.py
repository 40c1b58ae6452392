"""A scan in memory: its voxels, where they are, and what kind of scan it is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence, Union

import numpy as np

from ..core.errors import Refused
from ..core.segmentation import Affine, Grid

Rows = Union[Sequence[Sequence[float]], np.ndarray]  # three or four rows of four numbers


@dataclass
class Volume:
    """A scan: ``array`` is C-contiguous ``(k, j, i)`` on ``grid``; ``modality`` is CT, MR or empty."""

    array: np.ndarray
    grid: Grid
    modality: str = ""
    path: Path | None = None

    def __post_init__(self) -> None:
        if tuple(self.array.shape) != self.grid.array_shape:
            raise ValueError(
                f"the voxels have shape {tuple(self.array.shape)}, the grid says {self.grid.array_shape}"
            )


def to_affine(rows: Rows) -> Affine:
    """Four (or three) rows of four numbers as the tuple that :class:`Grid` holds."""
    matrix = np.asarray(rows, dtype=float)
    if matrix.shape not in ((3, 4), (4, 4)) or not np.isfinite(matrix).all():
        raise ValueError("an affine has four rows of four finite numbers")
    a, b, c = (tuple(float(x) for x in matrix[r]) for r in range(3))
    return (a, b, c, (0.0, 0.0, 0.0, 1.0))  # type: ignore[return-value]


def read_volume(path: Path | str, affine: Rows | None = None, modality: str = "") -> Volume:
    """Read a volume file (NIfTI, NRRD, MetaImage, a single DICOM file).

    ``affine`` (index to LPS mm) overrides what the file says: the intake has
    read the header with more care than the readers do. Integers keep their
    type, 64-bit floats become 32-bit ones. Raises :class:`Refused` when the
    file is no scalar volume or cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise Refused("input.missing", f"{path.name}: there is no such file in {path.parent}")
    array, found = _read(path)
    while array.ndim > 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim > 3:
        raise Refused("input.four_dimensional", f"{path.name} has {array.ndim} dimensions")
    if array.ndim < 3:
        raise Refused("input.two_dimensional", f"{path.name} has {array.ndim} dimensions")
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    k, j, i = array.shape
    grid = Grid((i, j, k), to_affine(found if affine is None else affine))
    if abs(grid.determinant) < 1e-9:
        raise Refused("input.bad_affine", f"{path.name}: its axes do not span a volume")
    return Volume(np.ascontiguousarray(array), grid, modality, path)


def _read(path: Path) -> tuple[np.ndarray, Any]:
    """Voxels and affine by SimpleITK; NIfTI that ITK refuses by our own reader.

    ITK does not read a NIfTI file whose axes are not orthonormal to its own
    tolerance (rounded or sheared headers), whatever its voxels are like.
    """
    import SimpleITK

    try:
        image = SimpleITK.ReadImage(name_for_readers(path))
    except RuntimeError as error:
        if path.name.lower().endswith((".nii", ".nii.gz")):
            from .nifti_voxels import read_nifti

            return read_nifti(path)
        raise Refused("input.corrupt", f"{path.name} cannot be read: {_last_line(error)}") from error
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise Refused("input.colour", f"{path.name} has several values in each voxel")
    return SimpleITK.GetArrayFromImage(image), image_affine(image)


def image_affine(image: Any) -> np.ndarray:
    """Index to LPS mm, 4x4, of a SimpleITK image (of which the first three axes count)."""
    dimension = image.GetDimension()
    direction = np.asarray(image.GetDirection(), dtype=float).reshape(dimension, dimension)
    affine = np.eye(4)
    size = min(3, dimension)
    affine[:size, :size] = (direction * np.asarray(image.GetSpacing(), dtype=float))[:size, :size]
    affine[:size, 3] = image.GetOrigin()[:size]
    return affine


def name_for_readers(path: Path) -> str:
    """The file's name as ITK's readers can open it.

    Some of them open files through the C library, which on Windows knows only
    the letters of the system's code page; there the 8.3 name is taken.
    """
    name = str(path)
    if os.name != "nt" or name.isascii():
        return name
    import ctypes

    buffer = ctypes.create_unicode_buffer(32768)
    length = ctypes.windll.kernel32.GetShortPathNameW(name, buffer, len(buffer))  # type: ignore[attr-defined]
    return buffer.value if 0 < length < len(buffer) else name


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
