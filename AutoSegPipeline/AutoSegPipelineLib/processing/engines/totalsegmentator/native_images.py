"""Images that the package keeps in the type of their voxels, and hands to nnU-Net without a file.

The package asks nibabel for ``get_fdata()``, which makes and keeps float64: 1.3 GB for a scan of 512x512x600,
several times. All that it does with these numbers is to compare, cut and copy them, so whole numbers do.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Sequence

import numpy as np

if TYPE_CHECKING:
    import nibabel

_INPUT = re.compile(r".+_\d{4}\.nii\.gz")


@lru_cache(maxsize=1)
def image_class() -> type[nibabel.Nifti1Image]:
    """A ``Nifti1Image`` whose ``get_fdata()`` gives whole numbers as they are."""
    from nibabel.nifti1 import Nifti1Image

    class NativeImage(Nifti1Image):
        def get_fdata(self, *how: object, **named: object) -> np.ndarray:
            data = np.asanyarray(self.dataobj)
            if data.dtype.kind in "iu":
                return data
            return super().get_fdata(*how, **named)  # type: ignore[arg-type]

    return NativeImage


def native(image: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    """The same image as one of :func:`image_class`."""
    if isinstance(image, image_class()):
        return image
    return image_class()(np.asanyarray(image.dataobj), image.affine, image.header)


def native_scan(image: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    """:func:`native` of an image whose voxels nobody may change."""
    data = np.asanyarray(image.dataobj).view()
    data.flags.writeable = False
    return image_class()(data, image.affine, image.header)


def plain(image: nibabel.Nifti1Image) -> nibabel.Nifti1Image:
    """The same image for code that wants float64."""
    from nibabel.nifti1 import Nifti1Image

    return Nifti1Image(image.dataobj, image.affine, image.header)


class Inputs:
    """The networks' inputs (``s01_0000.nii.gz``) that the package saves and each network loads again.

    They stay in memory, and an empty file takes the place of each.
    """

    def __init__(self, save: Callable[..., None], load: Callable[..., object]) -> None:
        self._save, self._load = save, load
        self._kept: dict[str, nibabel.Nifti1Image] = {}

    def save(self, image: nibabel.Nifti1Image, filename: str | Path, **more: object) -> None:
        """In nibabel's place."""
        path = Path(filename)
        if not _INPUT.fullmatch(path.name):
            self._save(image, filename, **more)
            return
        path.touch()
        # As a file would give it back, whose header holds the affine in single precision.
        header = image.header
        self._kept[str(path)] = image_class()(image.dataobj, header.get_best_affine(), header)

    def load(self, filename: str | Path, **more: object) -> nibabel.Nifti1Image:
        """In nibabel's place."""
        kept = self._kept.get(str(filename))
        return kept if kept is not None else native(self._load(filename, **more))  # type: ignore[arg-type]

    def write(self) -> None:
        """Make files of them, for whoever reads without nibabel."""
        while self._kept:
            path, image = self._kept.popitem()
            self._save(image, path)


def undo_crop(
    image: nibabel.Nifti1Image, reference: nibabel.Nifti1Image, box: Sequence[Sequence[int]]
) -> nibabel.Nifti1Image:
    """As ``totalsegmentator.cropping.undo_crop``, in the type of the labels."""
    data = np.asanyarray(image.dataobj)
    full = np.zeros(reference.shape, dtype=data.dtype)
    full[tuple(slice(low, high) for low, high in box)] = data
    return image_class()(full, reference.affine)
