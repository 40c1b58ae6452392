"""A scan in memory: its voxels, where they are, and what kind of scan it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Sequence, Union

import numpy as np

from ..core.errors import Refused
from ..core.segmentation import Affine, Grid
from ..formats.geometry import is_finite
from ..formats.header import Header
from ..formats.volume_file import read_volume_file
from ..formats.voxels import read_voxels

Rows = Union[Sequence[Sequence[float]], np.ndarray]  # three or four rows of four numbers


@dataclass
class Volume:
    """A scan: ``array`` is C-contiguous ``(k, j, i)`` on ``grid``; ``modality`` is CT, MR or empty.

    ``name`` is what messages call it; ``spacing`` the voxel's size in mm as the file states it;
    ``channels`` are further images of the same body on the same grid, for models that take several.
    """

    array: np.ndarray
    grid: Grid
    modality: str = ""
    path: Path | None = None
    name: str = "the scan"
    spacing: tuple[float, float, float] | None = None
    channels: tuple[Volume, ...] = ()

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


def read_volume(path: Path | str, affine: Rows | None = None, modality: str = "", name: str = "") -> Volume:
    """Read a volume file (NIfTI, NRRD, MetaImage), by the readers that the intake uses, too.

    ``affine`` (index to LPS mm) overrides what the file says: the intake has
    applied the options to it. Integers keep their type unless the file scales
    them, 64-bit floats become 32-bit ones. ``name`` is what messages call the file.
    Raises :class:`Refused` when the file is no scalar volume or cannot be read.
    """
    path = Path(path)
    name = name or path.name
    if not path.is_file():
        raise Refused("input.missing", f"{name}: there is no such file in {path.parent}")
    volume = read_volume_file(str(path), name=name)
    header = volume.header
    if header.extra > 1 and header.extra_kind in ("colour", "vector"):
        raise Refused("input.colour", f"{name} has several values in each voxel")
    if header.extra > 1:
        raise Refused("input.four_dimensional", f"{name} has {header.extra} volumes or components")
    if header.dimensions < 3:
        raise Refused("input.two_dimensional", f"{name} has {header.dimensions} dimensions")
    grid = Grid(header.shape, to_affine(_affine(header, name) if affine is None else affine))
    if abs(grid.determinant) < 1e-9:
        raise Refused("input.bad_affine", f"{name}: its axes do not span a volume")
    array = read_voxels(volume)[0]
    if (header.slope, header.intercept) != (1.0, 0.0):
        array = array * np.float32(header.slope) + np.float32(header.intercept)
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    return Volume(np.ascontiguousarray(array), grid, modality, path, name, header.spacing)


def read_channel(path: Path, first: Volume) -> Volume:
    """A further image of the scan ``first``; where it does not state its orientation, that of ``first``."""
    try:
        return read_volume(path, None, first.modality, path.name)
    except Refused as error:
        if error.code != "input.orientation_unstated":
            raise
    return read_volume(path, first.grid.affine, first.modality, path.name)


def _affine(header: Header, name: str) -> Affine:
    """What the file says; its sform where sform and qform differ."""
    affine = header.affine or header.choices.get("sform")
    if affine is None:
        raise Refused("input.orientation_unstated", f"{name} does not state its orientation")
    if not is_finite(affine):
        raise Refused("input.bad_affine", f"{name}: its axes are no finite numbers")
    return affine
