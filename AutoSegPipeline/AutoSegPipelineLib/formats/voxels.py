"""The numbers of a volume file: in pieces, so that memory stays flat, or all of them as one array."""

from __future__ import annotations

from typing import Any, Iterator

import numpy

from ..core.errors import Refused
from ..core.progress import Check, no_check
from ..core.safe_open import open_input
from .compressed import decompressed
from .header import corrupt
from .volume_file import PIECE, VolumeFile, completeness

Array = numpy.ndarray[Any, Any]
_NOT_HEX = bytes(byte for byte in range(256) if byte not in b"0123456789abcdefABCDEF")


def read_voxels(volume: VolumeFile, check: Check = no_check) -> Array:
    """Stored numbers ``(extra, k, j, i)`` in native byte order; slope and intercept are not applied.

    ``extra`` runs over all axes that are not in space (layers, times, colours), wherever the
    file has them. Raises as :func:`completeness` and :func:`voxel_arrays`.
    """
    header = volume.header
    problem = completeness(volume, check)
    if problem is not None:
        raise problem
    count = header.voxels * header.extra
    try:
        flat = numpy.empty(count, numpy.dtype(header.dtype))
    except (MemoryError, ValueError):
        raise Refused(
            "input.too_large", f"{volume.name} needs {header.data_bytes} bytes of memory."
        ) from None
    if header.encoding == "raw" and not header.file_gzipped:
        _read_raw(volume, flat)
    else:
        at = 0
        for values in voxel_arrays(volume, check):
            flat[at : at + len(values)] = values
            at += len(values)
        if at < count:
            raise too_few(volume)
    native = flat.astype(flat.dtype.newbyteorder("="), copy=False)
    return _in_order(native, volume)


def too_few(volume: VolumeFile) -> Refused:
    """``input.claims_too_much``: its data end before its header's promise is kept."""
    return Refused("input.claims_too_much", f"{volume.name} holds fewer voxels than its header says.")


def _read_raw(volume: VolumeFile, flat: Array) -> None:
    view = flat.data.cast("B")
    with open_input(volume.data_path, name=volume.data_name) as stream:
        stream.seek(volume.offset)
        at = 0
        while at < len(view):
            got: int = stream.readinto(view[at : at + (256 << 20)])  # type: ignore[attr-defined]
            if not got:
                raise too_few(volume)
            at += got


def _in_order(flat: Array, volume: VolumeFile) -> Array:
    """Axes that are not in space first, then k, j, i."""
    header = volume.header
    i, j, k = header.shape
    dims = len(header.sizes)
    last = [dims - 1 - axis for axis in reversed(header.spatial)]  # in numpy's order, the slowest first
    first = [axis for axis in range(dims) if axis not in last]
    array = flat.reshape(tuple(reversed(header.sizes))).transpose([*first, *last])
    return numpy.ascontiguousarray(array.reshape((header.extra, k, j, i)))


def voxel_arrays(volume: VolumeFile, check: Check = no_check) -> Iterator[Array]:
    """The stored numbers in the file's order and byte order, at most a few MiB at a time.

    Ends early where the data do. Raises ``input.truncated``, ``input.corrupt``,
    :class:`~..core.errors.Cancelled`.
    """
    header = volume.header
    if header.encoding == "ascii":
        yield from _ascii_arrays(volume, check)
        return
    left, rest = header.data_bytes, b""
    for piece in _pieces(volume, check):
        data = rest + piece if rest else piece
        data = data[: min(len(data), left)]
        complete = len(data) - len(data) % header.item_bytes
        rest = data[complete:]
        left -= complete
        if complete:
            yield numpy.frombuffer(data, numpy.dtype(header.dtype), complete // header.item_bytes)
        if left <= 0:
            return


def _pieces(volume: VolumeFile, check: Check) -> Iterator[bytes]:
    """Decoded bytes from the first sample on."""
    header = volume.header
    if header.encoding == "hex":
        yield from _hex_pieces(volume, check)
        return
    if header.file_gzipped:
        yield from _after(header.data_offset, decompressed(volume.path, 0, "gzip", volume.name, check))
    elif header.encoding in ("gzip", "zlib", "bzip2"):
        pieces = decompressed(volume.data_path, volume.offset, header.encoding, volume.name, check)
        yield from _after(header.byte_skip, pieces)
    else:
        yield from _plain_pieces(volume, check)


def _plain_pieces(volume: VolumeFile, check: Check) -> Iterator[bytes]:
    with open_input(volume.data_path, name=volume.data_name) as stream:
        stream.seek(volume.offset)
        while True:
            check()
            piece = stream.read(4 * PIECE)
            if not piece:
                return
            yield piece


def _after(skip: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if skip >= len(piece):
            skip -= len(piece)
            continue
        yield piece[skip:] if skip else piece
        skip = 0


def _hex_pieces(volume: VolumeFile, check: Check) -> Iterator[bytes]:
    """Two digits a byte, anything between them ignored."""
    rest = b""
    for piece in _plain_pieces(volume, check):
        if piece.translate(None, b"0123456789abcdefABCDEF \t\r\n"):
            raise corrupt(volume.name, "its voxels are not hexadecimal")
        digits = rest + piece.translate(None, _NOT_HEX)
        even = len(digits) - len(digits) % 2
        rest = digits[even:]
        yield bytes.fromhex(digits[:even].decode("ascii"))


def _ascii_arrays(volume: VolumeFile, check: Check) -> Iterator[Array]:
    left, rest = volume.header.voxels * volume.header.extra, b""
    with open_input(volume.data_path, name=volume.data_name) as stream:
        stream.seek(volume.offset)
        while left > 0:
            check()
            piece = stream.read(PIECE)
            words = (rest + piece).replace(b",", b" ").split()
            rest = b""
            if piece and words and not piece[-1:].isspace():
                rest = words.pop()
            values = _numbers(words[:left], volume)
            left -= len(values)
            if len(values):
                yield values
            if not piece:
                return


def _numbers(words: list[bytes], volume: VolumeFile) -> Array:
    """Text as the header's type; raises ``input.corrupt`` for what that type cannot hold."""
    try:
        values = numpy.array([float(word) for word in words], dtype=numpy.float64)
    except ValueError:
        raise corrupt(volume.name, "its voxels are no numbers") from None
    dtype = numpy.dtype(volume.header.dtype)
    if dtype.kind == "f" or not len(values):
        return values.astype(dtype)
    limits = numpy.iinfo(dtype)
    fits = numpy.isfinite(values) & (values >= limits.min) & (values <= limits.max)
    if not bool(numpy.all(fits & (values == numpy.rint(values)))):
        raise corrupt(volume.name, "its voxels are no numbers of its type")
    return values.astype(dtype)
