"""A scan in the forms in which nnU-Net's readers know images, without a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...volume import Volume

if TYPE_CHECKING:
    import nibabel
    import SimpleITK

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_TYPES = ("uint8", "int8", "int16", "uint16", "int32", "uint32", "float32")  # what a NIfTI image may hold
_SAME = 1e-4  # a stated spacing that differs more from the affine's is not the affine's


def to_nifti(volume: Volume) -> nibabel.Nifti1Image:
    """The scan with index (i, j, k) and its affine to RAS; the voxels are not copied."""
    import nibabel

    affine = _LPS_TO_RAS @ np.asarray(volume.grid.affine, dtype=float)
    return nibabel.Nifti1Image(storable(volume.array).transpose(2, 1, 0), affine)


def to_nifti_as_stated(volume: Volume) -> nibabel.Nifti1Image:
    """The same with the voxel's size that the file states: an affine gives it to seven digits only."""
    image = to_nifti(volume)
    image.header.set_zooms(stated_spacing(volume))
    return image


def to_simpleitk(volume: Volume) -> SimpleITK.Image:
    """The scan as SimpleITK would have read it."""
    import SimpleITK

    image = SimpleITK.GetImageFromArray(storable(volume.array))
    affine = np.asarray(volume.grid.affine, dtype=float)
    image.SetSpacing(stated_spacing(volume))
    image.SetOrigin(tuple(affine[:3, 3].tolist()))
    image.SetDirection((affine[:3, :3] / np.asarray(volume.grid.spacing)).reshape(-1).tolist())
    return image


def storable(array: np.ndarray) -> np.ndarray:
    """``array`` in a type that image files hold."""
    return array if array.dtype.name in _TYPES else array.astype(_wider(array))


def stated_spacing(volume: Volume) -> tuple[float, float, float]:
    """The voxel's size along i, j and k in mm, as the file says it where it agrees with the grid."""
    own, stated = volume.grid.spacing, volume.spacing
    if stated is None or not np.allclose(own, stated, rtol=_SAME):
        return own
    return stated


def _wider(array: np.ndarray) -> str:
    if array.dtype.kind in "iu" and int(array.min()) >= -(2**31) and int(array.max()) < 2**31:
        return "int32"
    return "uint8" if array.dtype.kind == "b" else "float32"
