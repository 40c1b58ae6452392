"""One NIfTI, NRRD or MetaImage file on the disk: its header, and whether its bytes are all there.

Reads heads and tails only, except where a compressed file's tail does not
answer: then the whole stream is decompressed, in pieces.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO, Callable, Iterator

from ..core.errors import Refused
from .durable_copy import no_check
from .formats import metaimage, nifti, nrrd
from .safe_open import check_regular, open_input
from .sniff import GZIP
from .volume_header import Header, corrupt

PIECE = 1 << 20
# A file that holds less than this part of what it claims was not cut short: its header lies.
CUT_SHORT = 0.01
Check = Callable[[], None]


@dataclass
class VolumeFile:
    """A parsed header and where its numbers lie."""

    path: str
    header: Header
    data_path: str  # the same file, or the one beside it
    data_size: int  # bytes of that file, -1 when it is not there
    offset: int  # where the (encoded) data begin in that file

    @property
    def name(self) -> str:
        """For messages."""
        return os.path.basename(self.path)

    @property
    def files(self) -> list[str]:
        """Every file that belongs to the volume and is there."""
        alone = self.data_path == self.path or self.data_size < 0
        return [self.path] if alone else [self.path, self.data_path]


def read_volume_file(path: str, fmt: str, exclusive: bool = False, name: str = "") -> VolumeFile:
    """Parse the header of ``path`` (sniffed as ``fmt``) and look for its data file.

    Raises :class:`Refused` as the parsers do, :class:`~.opening.Locked`, FileNotFoundError.
    """
    name = name or os.path.basename(path)
    with open_input(path, exclusive) as stream:
        header = _parse(stream, fmt, name)
        size = os.fstat(stream.fileno()).st_size
    data_path = path
    if header.data_file is not None:
        data_path = os.path.join(os.path.dirname(path), header.data_file)
        try:
            size = check_regular(data_path).st_size
        except FileNotFoundError:
            size = -1
    offset = header.data_offset
    if offset < 0:
        offset = max(0, size - header.data_bytes)
    return VolumeFile(path, header, data_path, size, offset)


def _parse(stream: BinaryIO, fmt: str, name: str) -> Header:
    if fmt == "nifti":
        head = stream.read(4096)
        if not head.startswith(GZIP):
            return nifti.parse(head, name)
        header = nifti.parse(_gunzip(stream, head, nifti.HEAD_BYTES, name), name)
        header.whole_gzip = True
        return header
    if fmt == "nrrd":
        return nrrd.parse(_read_text_header(stream, nrrd.HEAD_BYTES), name)
    return metaimage.parse(stream.read(metaimage.HEAD_BYTES), name)


def _gunzip(stream: BinaryIO, head: bytes, size: int, name: str) -> bytes:
    machine, out = zlib.decompressobj(31), b""
    try:
        while head and len(out) < size and not machine.eof:
            out += machine.decompress(head, size - len(out))
            head = machine.unconsumed_tail or stream.read(4096)
    except zlib.error as error:
        raise corrupt(name, f"its compression is broken, {error}") from None
    return out


def _read_text_header(stream: BinaryIO, most: int) -> bytes:
    """Up to the first empty line, in pieces, so that ten thousand small files cost little."""
    head = b""
    while len(head) < most:
        piece = stream.read(16384)
        if not piece:
            return head
        head += piece
        if b"\n\n" in head or b"\r\n\r\n" in head:
            return head
    return head


def completeness(volume: VolumeFile, check: Check = no_check) -> Refused | None:
    """``None`` when every byte is there, or why not.

    ``input.truncated`` (more may come), ``input.missing_data_file`` (likewise),
    ``input.claims_too_much`` (the file is whole and holds less than it says),
    ``input.corrupt``.
    """
    header, name = volume.header, volume.name
    if volume.data_size < 0:
        return Refused("input.missing_data_file", f"{name}: its data file {header.data_file} is not there.")
    stored = volume.data_size - volume.offset
    if header.whole_gzip:
        return _check_gzip(volume, 0, header.data_offset + header.data_bytes, check)
    if header.encoding == "gzip":
        return _check_gzip(volume, volume.offset, header.data_bytes, check)
    if header.encoding == "zlib" and header.stored_bytes is not None:
        if stored < header.stored_bytes:
            return Refused("input.truncated", f"{name} ends after {stored} of {header.stored_bytes} bytes.")
        return None
    if header.encoding == "zlib":
        return _check_stream(volume, 15, volume.offset, header.data_bytes, check)
    # A number of text takes at least a digit and a space.
    needed = 2 * header.voxels * header.extra - 1 if header.encoding == "ascii" else header.data_bytes
    if stored >= needed:
        return None
    if stored < CUT_SHORT * needed and needed > 1 << 20:
        return Refused(
            "input.claims_too_much", f"{name} claims {needed} bytes of voxels and holds {max(stored, 0)}."
        )
    return Refused("input.truncated", f"{name} holds {max(stored, 0)} of {needed} bytes of voxels.")


def _check_gzip(volume: VolumeFile, start: int, expected: int, check: Check) -> Refused | None:
    """The trailer says how long the contents are (RFC 1952, 2.3.1); where it does not fit, look at all."""
    with open_input(volume.data_path) as stream:
        stream.seek(max(start, volume.data_size - 4))
        tail = stream.read(4)
    if volume.data_size - start >= 18 and len(tail) == 4 and struct.unpack("<I", tail)[0] == expected % 2**32:
        return None
    return _check_stream(volume, 31, start, expected, check)


def _check_stream(volume: VolumeFile, window: int, start: int, expected: int, check: Check) -> Refused | None:
    total = 0
    try:
        for piece in inflate(volume.data_path, start, window, volume.name, check):
            total += len(piece)
            if total >= expected + PIECE:
                break
    except Refused as error:
        return error
    if total < expected:
        return Refused(
            "input.claims_too_much", f"{volume.name} claims {expected} bytes of contents and holds {total}."
        )
    return None


def inflate(path: str, start: int, window: int, name: str, check: Check = no_check) -> Iterator[bytes]:
    """Contents of a gzip (``window`` 31, several members) or zlib (15) stream, in pieces of at most 1 MiB.

    Raises ``input.truncated`` where it ends early, ``input.corrupt`` where it is broken.
    """
    with open_input(path) as stream:
        stream.seek(start)
        machine, data, begun = zlib.decompressobj(window), b"", False
        while True:
            check()
            data = data or stream.read(PIECE)
            if machine.eof:
                # Zeros after the last member are padding (gzip's manual); anything else ends it too.
                if window != 31 or not data.startswith(GZIP):
                    return
                machine = zlib.decompressobj(window)
            if not data:
                word = "ends in the middle of its compressed data" if begun else "has no data"
                raise Refused("input.truncated", f"{name} {word}.")
            begun = True
            try:
                out = machine.decompress(data, PIECE)
            except zlib.error as error:
                raise corrupt(name, f"its compression is broken, {error}") from None
            data = machine.unused_data if machine.eof else machine.unconsumed_tail
            if out:
                yield out
