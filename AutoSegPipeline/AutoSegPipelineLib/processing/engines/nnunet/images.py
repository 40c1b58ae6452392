"""Scans in memory for nnU-Net's readers, which take them for files.

The reader with which a model was trained decides about axes and orientation; so it runs itself, and only
the two calls that open and write a file are replaced while it does.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Iterator, Mapping, Union

import numpy as np

from ....core.errors import EngineFailed
from ...volume import Volume
from ..networks.images import to_nifti_as_stated, to_simpleitk
from ..networks.replacing import replaced

if TYPE_CHECKING:
    import nibabel
    import SimpleITK

    Image = Union[nibabel.Nifti1Image, SimpleITK.Image]


class MemoryImages:
    """``volumes`` by the names that stand for files; what nnU-Net writes is kept under its name, too."""

    def __init__(self, volumes: Mapping[str, Volume]) -> None:
        self._volumes = volumes
        self._written: dict[str, Image] = {}

    @contextmanager
    def as_files(self) -> Iterator[None]:
        """Within the block nibabel and SimpleITK read and write these images, and nothing else."""
        import nibabel
        import SimpleITK

        with replaced(
            [
                (nibabel, "load", lambda name, *_: self._image(name, to_nifti_as_stated)),
                (nibabel, "save", lambda image, name: self._keep(name, image)),
                (SimpleITK, "ReadImage", lambda name, *_: self._image(name, to_simpleitk)),
                (SimpleITK, "WriteImage", lambda image, name, *_: self._keep(name, image)),
            ]
        ):
            yield

    def labels(self, name: str) -> np.ndarray:
        """The label map that was written under ``name``: (k, j, i) on the scan's grid."""
        image = self._written[name]
        if hasattr(image, "dataobj"):
            return np.asarray(image.dataobj).transpose(2, 1, 0)
        import SimpleITK

        return SimpleITK.GetArrayFromImage(image)

    def _image(self, name: str, convert: object) -> Image:
        if name in self._written:
            return self._written[name]
        return convert(self._volumes[name])  # type: ignore[operator]

    def _keep(self, name: str, image: Image) -> None:
        self._written[name] = image


def check_one_grid(volumes: list[Volume], channels: tuple[str, ...]) -> None:
    """Raise ``engine.channels_differ`` unless every channel has the first one's grid."""
    first = volumes[0].grid
    for name, volume in zip(channels[1:], volumes[1:]):
        grid = volume.grid
        near = np.allclose(grid.affine, first.affine, rtol=0, atol=1e-3 * min(first.spacing))
        if grid.shape != first.shape or not near:
            raise EngineFailed(
                "engine.channels_differ",
                f"the channel {name} has another grid ({grid.shape}) than {channels[0]} ({first.shape})",
            )
