"""NIfTI, NRRD and MetaImage files of a phantom, headers written by hand.

By hand, because the tests need headers that libraries would not write: no
orientation stated, two that disagree, a detached data file, a tilted frame.
"""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Sequence

import numpy as np

from ..volume import Volume

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_NIFTI = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768}
_NRRD = {
    "u1": "uint8",
    "i2": "int16",
    "i4": "int32",
    "f4": "float",
    "f8": "double",
    "i1": "int8",
    "u2": "uint16",
}
_META = {
    "u1": "MET_UCHAR", "i2": "MET_SHORT", "i4": "MET_INT", "f4": "MET_FLOAT",
    "f8": "MET_DOUBLE", "i1": "MET_CHAR", "u2": "MET_USHORT",
}  # fmt: skip


def write_nifti(
    volume: Volume,
    path: Path | str,
    sform_code: int = 1,
    qform_code: int = 1,
    sform: Sequence[Sequence[float]] | None = None,
    slope: float = 1.0,
    intercept: float = 0.0,
) -> Path:
    """NIfTI-1, gzipped when ``path`` ends in ``.gz``.

    ``sform`` (index to RAS mm) may say something else than the volume's own
    affine. The qform cannot express shear; a sheared volume gets code 0.
    """
    path = Path(path)
    ras = _LPS_TO_RAS @ np.asarray(volume.grid.affine)
    quaternion, handed, straight = _quaternion(ras)
    srow = ras if sform is None else np.asarray(sform, dtype=float)
    kind = _kind(volume.array)
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *volume.grid.shape, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, _NIFTI[kind], volume.array.dtype.itemsize * 8)
    struct.pack_into("<8f", header, 76, handed, *volume.grid.spacing, 0, 0, 0, 0)
    struct.pack_into("<fff", header, 108, 352.0, slope, intercept)
    header[123] = 2  # millimetres
    struct.pack_into("<hh", header, 252, qform_code if straight else 0, sform_code)
    struct.pack_into("<6f", header, 256, *quaternion, *ras[:3, 3])
    struct.pack_into("<12f", header, 280, *srow[:3].ravel())
    header[344:348] = b"n+1\0"
    data = bytes(header) + _bytes(volume.array)
    path.write_bytes(gzip.compress(data, 1, mtime=0) if path.suffix == ".gz" else data)
    return path


def _quaternion(ras: np.ndarray) -> tuple[np.ndarray, float, bool]:
    """b, c, d of the rotation, qfac, and whether the axes are at right angles (nifti1.h)."""
    axes = ras[:3, :3] / np.linalg.norm(ras[:3, :3], axis=0)
    straight = bool(np.allclose(axes.T @ axes, np.eye(3), atol=1e-4))
    handed = 1.0 if np.linalg.det(axes) > 0 else -1.0
    rotation = axes * np.array([1.0, 1.0, handed])
    # The eigenvector of the largest eigenvalue (Bar-Itzhack 2000), stable for any angle.
    r = rotation
    matrix = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], 0, 0, 0],
            [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], 0, 0],
            [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], 0],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], np.trace(r)],
        ]
    )
    values, vectors = np.linalg.eigh(matrix / 3.0)  # reads the lower triangle
    b, c, d, a = vectors[:, int(np.argmax(values))]
    return np.array([b, c, d]) * (1.0 if a >= 0 else -1.0), handed, straight


def write_nrrd(
    volume: Volume, path: Path | str, space: str = "left-posterior-superior", compress: bool = True
) -> Path:
    """NRRD; with the suffix ``.nhdr`` a header beside a ``.raw`` or ``.raw.gz`` file.

    ``space`` may also be ``right-anterior-superior``; empty writes spacings
    only, so that nobody can know which way is left.
    """
    path = Path(path)
    affine = np.asarray(volume.grid.affine)
    lines = [
        "NRRD0004",
        f"type: {_NRRD[_kind(volume.array)]}",
        "dimension: 3",
        "sizes: " + " ".join(str(n) for n in volume.grid.shape),
    ]
    if space:
        rows = _LPS_TO_RAS @ affine if space == "right-anterior-superior" else affine
        lines += [
            f"space: {space}",
            "space directions: " + " ".join(_vector(rows[:3, n]) for n in range(3)),
            "kinds: domain domain domain",
            "space origin: " + _vector(rows[:3, 3]),
        ]
    else:
        lines.append("spacings: " + " ".join(repr(s) for s in volume.grid.spacing))
    lines += ["endian: little", f"encoding: {'gzip' if compress else 'raw'}"]
    data = gzip.compress(_bytes(volume.array), 1, mtime=0) if compress else _bytes(volume.array)
    if path.suffix == ".nhdr":
        beside = path.with_suffix(".raw.gz" if compress else ".raw")
        beside.write_bytes(data)
        lines.append(f"data file: {beside.name}")
        path.write_bytes("\n".join([*lines, ""]).encode("utf-8"))
    else:
        path.write_bytes("\n".join([*lines, "", ""]).encode("utf-8") + data)
    return path


def _vector(values: np.ndarray) -> str:
    return "(" + ",".join(repr(float(v)) for v in values) + ")"


def write_metaimage(volume: Volume, path: Path | str) -> Path:
    """``.mha`` (one file) or ``.mhd`` with its ``.raw`` beside it."""
    path = Path(path)
    affine = np.asarray(volume.grid.affine)
    directions = affine[:3, :3] / np.asarray(volume.grid.spacing)
    beside = path.with_suffix(".raw") if path.suffix == ".mhd" else None
    lines = [
        "ObjectType = Image",
        "NDims = 3",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        "CompressedData = False",
        "TransformMatrix = " + " ".join(repr(float(v)) for v in directions.T.ravel()),
        "Offset = " + " ".join(repr(float(v)) for v in affine[:3, 3]),
        "CenterOfRotation = 0 0 0",
        "AnatomicalOrientation = " + _orientation(directions),
        "ElementSpacing = " + " ".join(repr(s) for s in volume.grid.spacing),
        "DimSize = " + " ".join(str(n) for n in volume.grid.shape),
        f"ElementType = {_META[_kind(volume.array)]}",
        f"ElementDataFile = {beside.name if beside else 'LOCAL'}",
    ]
    header = ("\n".join(lines) + "\n").encode("utf-8")
    if beside is None:
        path.write_bytes(header + _bytes(volume.array))
    else:
        beside.write_bytes(_bytes(volume.array))
        path.write_bytes(header)
    return path


def _orientation(directions: np.ndarray) -> str:
    """The letter that each index comes from, as MetaIO writes it (RAI is LPS in ITK's words)."""
    letters = ("RL", "AP", "IS")
    codes = []
    for axis in range(3):
        main = int(np.argmax(np.abs(directions[:, axis])))
        codes.append(letters[main][0 if directions[main, axis] > 0 else 1])
    return "".join(codes)


def _kind(array: np.ndarray) -> str:
    return f"{array.dtype.kind}{array.dtype.itemsize}"


def _bytes(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
