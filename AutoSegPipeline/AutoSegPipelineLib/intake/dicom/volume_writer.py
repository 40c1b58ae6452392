"""A NIfTI file written plane by plane, in the narrowest of three kinds that holds all values."""

from __future__ import annotations

import struct
from typing import Callable, Iterable

import numpy

from ...core.segmentation import Affine
from ...formats.geometry import ras_to_lps, spacing_of

# Kind of numpy, datatype of NIfTI.
KINDS = (("<i2", 4), ("<i4", 8), ("<f4", 16))
_HEADER = 352
_MILLIMETRES, _SCANNER = 2, 1


class _DoesNotFit(Exception):
    """A value is out of the kind's range, or has a fraction."""


def write_planes(
    path: str, shape: tuple[int, int, int], affine: Affine, planes: Callable[[], Iterable[numpy.ndarray]]
) -> None:
    """Write planes (j, i), k ascending, on the grid of ``shape`` (i, j, k) and ``affine`` (LPS mm).

    ``planes`` is called again where a wider kind is needed: most scans fit the first, and no volume is
    held in memory.
    """
    for kind, code in KINDS:
        with open(path, "wb") as stream:
            stream.write(_header(shape, affine, numpy.dtype(kind), code))
            try:
                for plane in planes():
                    stream.write(_as_kind(plane, kind).tobytes())
            except _DoesNotFit:
                continue
            return


def _as_kind(plane: numpy.ndarray, kind: str) -> numpy.ndarray:
    wanted = numpy.dtype(kind)
    if wanted.kind == "f":
        return plane.astype(wanted)
    if plane.dtype.kind not in "iu" and not numpy.array_equal(plane, numpy.rint(plane)):
        raise _DoesNotFit
    if not numpy.can_cast(plane.dtype, wanted):
        limits = numpy.iinfo(wanted)
        if plane.min() < limits.min or plane.max() > limits.max:
            raise _DoesNotFit
    return plane.astype(wanted)


def _header(shape: tuple[int, int, int], affine: Affine, kind: numpy.dtype, code: int) -> bytes:
    """NIfTI-1 with an sform, which every reader here takes and which holds any affine."""
    header = bytearray(_HEADER)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *shape, 1, 1, 1, 1)
    struct.pack_into("<hhh", header, 68, 0, code, kind.itemsize * 8)
    struct.pack_into("<8f", header, 76, 1.0, *spacing_of(affine), 0, 0, 0, 0)
    struct.pack_into("<fff", header, 108, float(_HEADER), 1.0, 0.0)
    header[123] = _MILLIMETRES
    ras = ras_to_lps(affine)  # its own inverse
    struct.pack_into("<hh", header, 252, 0, _SCANNER)
    struct.pack_into("<12f", header, 280, *(value for row in ras[:3] for value in row))
    header[344:348] = b"n+1\0"
    return bytes(header)
