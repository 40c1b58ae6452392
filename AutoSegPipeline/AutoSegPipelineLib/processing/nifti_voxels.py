"""Voxels of a NIfTI-1 or NIfTI-2 file without ITK, which refuses axes that are not orthonormal.

Sources: nifti1.h and nifti2.h of the NIfTI Data Format Working Group.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import Refused

_TYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_nifti(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Voxels ``(.., k, j, i)`` with slope and intercept applied, and the affine index to LPS mm.

    The affine is the sform where its code is set, else the qform, else the
    spacing alone. Raises :class:`Refused` for a damaged or unusual file.
    """
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise Refused("input.truncated", f"{path.name} cannot be unpacked: {error}") from error
    header = _header(data, path)
    kind = _TYPES.get(header["datatype"])
    if kind is None:
        raise Refused("input.colour", f"{path.name}: voxel type {header['datatype']} is no intensity")
    dim = header["dim"]
    shape = tuple(int(n) for n in dim[1 : 1 + int(dim[0])])[::-1]
    dtype = np.dtype(header["order"] + kind)
    count = int(np.prod(shape, dtype=np.int64))
    start = int(header["vox_offset"])
    if len(data) < start + count * dtype.itemsize:
        raise Refused("input.claims_too_much", f"{path.name} holds fewer voxels than its header says")
    array = np.frombuffer(data, dtype, count, start).reshape(shape)
    slope, intercept = header["scl_slope"], header["scl_inter"]
    if slope not in (0.0, 1.0) or (slope == 1.0 and intercept != 0.0):
        array = array * np.float32(slope) + np.float32(intercept)
    native = array.dtype.newbyteorder("=")
    return np.ascontiguousarray(array, native), _RAS_TO_LPS @ nifti_affine(header)


def _header(data: bytes, path: Path) -> dict[str, Any]:
    for size, version in ((348, 1), (540, 2)):
        for order in ("<", ">"):
            if len(data) >= size and int(np.frombuffer(data, order + "i4", 1)[0]) == size:
                return _fields(data, order, version)
    raise Refused("input.corrupt", f"{path.name} has no NIfTI header")


def _fields(data: bytes, order: str, version: int) -> dict[str, Any]:
    def take(kind: str, offset: int, count: int = 1) -> Any:
        values = np.frombuffer(data, order + kind, count, offset)
        return values if count > 1 else values[0].item()

    first = version == 1
    real = "f4" if first else "f8"
    return {
        "order": order,
        "dim": take("i2", 40, 8) if first else take("i8", 16, 8),
        "datatype": take("i2", 70 if first else 12),
        "pixdim": take(real, 76 if first else 104, 8).astype(float),
        "vox_offset": take("f4", 108) if first else take("i8", 168),
        "scl_slope": take(real, 112 if first else 176),
        "scl_inter": take(real, 116 if first else 184),
        "qform_code": take("i2", 252) if first else take("i4", 344),
        "sform_code": take("i2", 254) if first else take("i4", 348),
        "quatern": take(real, 256 if first else 352, 6).astype(float),
        "srow": take(real, 280 if first else 400, 12).astype(float).reshape(3, 4),
    }


def nifti_affine(header: dict[str, Any]) -> np.ndarray:
    """Index to RAS mm of the fields of a header: sform, else qform, else the spacing (method 1)."""
    affine = np.eye(4)
    if header["sform_code"] > 0:
        affine[:3] = header["srow"]
        return affine
    spacing = header["pixdim"][1:4]
    if header["qform_code"] <= 0:
        affine[:3, :3] = np.diag(spacing)
        return affine
    b, c, d, x, y, z = header["quatern"]
    a = np.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
        ]
    )
    handed = np.array([1.0, 1.0, -1.0 if header["pixdim"][0] < 0 else 1.0])
    affine[:3, :3] = rotation * (spacing * handed)
    affine[:3, 3] = (x, y, z)
    return affine
