"""``NAME.labels.nii.gz``: one label map on the scan's own grid, names inside.

NIfTI-1 (nifti1.h): qform and sform both say scanner coordinates in RAS mm, the
voxels keep the input's order, and a header extension carries names and colours,
so the file can be exported again without a table.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...core.errors import PipelineError
from ...core.progress import Report
from ...core.segmentation import Grid, Segmentation
from ..layers import Flat
from ..nifti_labels import label_table_extension
from ..volume import read_volume
from .unsound import unsound

if TYPE_CHECKING:
    from ..export_data import ExportData

_KINDS = {1: 2, 2: 512, 4: 768}  # bytes of an unsigned integer -> NIfTI datatype
_SLAB_BYTES = 8 << 20
_LEVEL = 4
_SCANNER, _LABEL_INTENT, _MILLIMETRES = 1, 1002, 2


def write(path: Path, data: ExportData, report: Report) -> None:
    """The flattened label map of the case. Raises as :func:`write_labels`."""
    write_labels(path, data.found.segmentation, data.flat, report)


def verify(path: Path, data: ExportData) -> None:
    """The same voxels in the same place."""
    read = read_volume(path)
    if not np.array_equal(read.array, data.flat.labels):
        raise unsound(path, "holds other voxels than were written")
    # NIfTI keeps 32-bit numbers: at 1000 mm the last digit is 0.00006 mm.
    if not np.allclose(read.grid.affine, data.found.segmentation.grid.affine, rtol=1e-6, atol=1e-3):
        raise unsound(path, "lies elsewhere than the scan")


def write_labels(path: Path, segmentation: Segmentation, flat: Flat, report: Report | None = None) -> None:
    """Write the flattened labels; raises OSError, or ``export.failed`` for a grid that NIfTI cannot hold."""
    if max(segmentation.grid.shape) > 32767:
        raise PipelineError("export.failed", f"{path.name}: NIfTI-1 ends at 32767 voxels along an axis")
    extension = label_table_extension(segmentation.segments, flat.values)
    array = np.ascontiguousarray(flat.labels, flat.labels.dtype.newbyteorder("<"))
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
    step = max(1, _SLAB_BYTES // max(1, array[0].nbytes))
    with open(path, "wb") as stream:
        stream.write(packer.compress(_header(segmentation.grid, array, len(extension)) + extension))
        for start in range(0, array.shape[0], step):
            if report is not None:
                report.check()
            stream.write(packer.compress(array[start : start + step].data))
        stream.write(packer.flush())


def _header(grid: Grid, array: np.ndarray, extension: int) -> bytes:
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(grid.affine, dtype=float)
    axes = ras[:3, :3] / np.asarray(grid.spacing)
    handed = 1.0 if np.linalg.det(axes) > 0 else -1.0
    straight = np.allclose(axes.T @ axes, np.eye(3), atol=1e-4)
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *grid.shape, 1, 1, 1, 1)
    struct.pack_into(
        "<hhh", header, 68, _LABEL_INTENT, _KINDS[array.dtype.itemsize], array.dtype.itemsize * 8
    )
    struct.pack_into("<8f", header, 76, handed, *grid.spacing, 0, 0, 0, 0)
    struct.pack_into("<fff", header, 108, 352.0 + extension, 1.0, 0.0)
    header[123] = _MILLIMETRES
    header[148:180] = b"AutoSegPipeline labels".ljust(32, b"\0")
    # A quaternion cannot express axes that are not at right angles; the sform can.
    struct.pack_into("<hh", header, 252, _SCANNER if straight else 0, _SCANNER)
    quaternion = rotation_to_quaternion(axes * np.array([1.0, 1.0, handed]))
    struct.pack_into("<6f", header, 256, *quaternion, *ras[:3, 3])
    struct.pack_into("<12f", header, 280, *ras[:3].ravel())
    header[344:348] = b"n+1\0"
    header[348] = 1  # an extension follows
    return bytes(header)


def rotation_to_quaternion(r: np.ndarray) -> tuple[float, float, float]:
    """b, c, d of a right-handed rotation, with a >= 0 (the largest term first, so nothing cancels)."""
    squares = [
        1 + r[0, 0] + r[1, 1] + r[2, 2],
        1 + r[0, 0] - r[1, 1] - r[2, 2],
        1 - r[0, 0] + r[1, 1] - r[2, 2],
        1 - r[0, 0] - r[1, 1] + r[2, 2],
    ]
    largest = int(np.argmax(squares))
    root = 2.0 * math.sqrt(max(float(squares[largest]), 0.0))
    x, y, z = r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]
    xy, xz, yz = r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[1, 2] + r[2, 1]
    table = (
        (root / 4, x / root, y / root, z / root),
        (x / root, root / 4, xy / root, xz / root),
        (y / root, xy / root, root / 4, yz / root),
        (z / root, xz / root, yz / root, root / 4),
    )
    a, b, c, d = (float(part) for part in table[largest])
    return (b, c, d) if a >= 0 else (-b, -c, -d)
