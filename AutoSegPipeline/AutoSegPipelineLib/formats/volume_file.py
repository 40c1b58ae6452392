"""One NIfTI, NRRD or MetaImage file on the disk: its header, and whether its bytes are all there.

Reads heads and tails only, except where a compressed file's tail does not
answer: then all of the stream is decompressed, in pieces.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from ..core.errors import Refused
from ..core.incoming import ending_of, image_names
from ..core.progress import Check, no_check
from ..core.safe_open import check_regular, open_input
from . import metaimage, nifti, nrrd
from .compressed import GZIP, decompressed, gunzip_head
from .header import Header

PIECE = 1 << 20
NIFTI, NRRD, METAIMAGE = "nifti", "nrrd", "metaimage"
# A file that holds less than this part of what it claims was not cut short: its header lies.
CUT_SHORT = 0.01


@dataclass
class VolumeFile:
    """A parsed header and where its numbers lie; ``name`` is what messages call it."""

    path: str
    name: str
    header: Header
    data_path: str  # the same file, or the one beside it
    data_size: int  # bytes of that file, -1 when it is not there
    offset: int  # where the (encoded) data begin in that file

    @property
    def data_name(self) -> str:
        """What messages call the file at ``data_path``."""
        if self.data_path == self.path:
            return self.name
        base = os.path.basename(self.data_path)
        if self.header.format == NIFTI:  # a pair: both are called alike
            stem = image_names(self.name)[0][: -len(ending_of(image_names(self.name)[0]))]
            return stem + base[len(base) - len(ending_of(base)) :]
        return base

    @property
    def files(self) -> list[str]:
        """Every file that belongs to the volume and is there."""
        alone = self.data_path == self.path or self.data_size < 0
        return [self.path] if alone else [self.path, self.data_path]


def format_of(head: bytes) -> str:
    """``nifti``, ``nrrd``, ``metaimage``, or nothing, for a file that begins with ``head`` (4096 bytes)."""
    plain = gunzip_head(head, nifti.HEAD_BYTES) if head.startswith(GZIP) else head
    if nifti.version_of(plain):
        return NIFTI
    if nrrd.MAGIC.match(head):
        return NRRD
    return METAIMAGE if metaimage.looks_like(head) else ""


def read_volume_file(path: str, fmt: str = "", exclusive: bool = False, name: str = "") -> VolumeFile:
    """Parse the header of ``path`` and look for its data file; ``fmt`` is :func:`format_of`'s answer.

    Raises :class:`Refused` as the parsers do, ``input.unknown_format`` for a file of no known
    format, :class:`~..core.safe_open.Locked`, FileNotFoundError.
    """
    name = name or os.path.basename(path)
    with open_input(path, exclusive, name) as stream:
        if not fmt:
            fmt = format_of(stream.read(4096))
            stream.seek(0)
        header = _parse(stream, fmt, name, path)
        size = os.fstat(stream.fileno()).st_size
    data_path = path
    if header.data_file is not None:
        data_path = os.path.join(os.path.dirname(path), header.data_file)
        try:
            size = check_regular(data_path, header.data_file).st_size
        except FileNotFoundError:
            size = -1
    offset = header.data_offset
    if offset < 0:
        offset = max(0, size - header.data_bytes)
    elif header.line_skip and size >= 0:
        offset = _after_lines(data_path, offset, header.line_skip, header.data_file or name)
    if header.encoding in ("raw", "ascii", "hex"):
        offset += header.byte_skip
    return VolumeFile(path, name, header, data_path, size, offset)


def _parse(stream: BinaryIO, fmt: str, name: str, path: str) -> Header:
    if fmt == NIFTI:
        return _parse_nifti(stream.read(4096), name, path)
    if fmt == NRRD:
        return nrrd.parse(_read_text_header(stream, nrrd.HEAD_BYTES), name)
    if fmt == METAIMAGE:
        return metaimage.parse(stream.read(metaimage.HEAD_BYTES), name)
    raise Refused("input.unknown_format", f"{name} is no volume file in a format that is known here.")


def _parse_nifti(head: bytes, name: str, path: str) -> Header:
    gzipped = head.startswith(GZIP)
    plain = gunzip_head(head, nifti.HEAD_BYTES) if gzipped else head
    header = nifti.parse(plain, name)
    if not nifti.is_pair(plain):
        header.file_gzipped = gzipped
        return header
    names = image_names(os.path.basename(path))
    folder = os.path.dirname(path)
    found = [one for one in names if os.path.lexists(os.path.join(folder, one))]
    header.data_file = (found or names)[0]
    if header.data_file.lower().endswith(".gz"):
        header.encoding, header.byte_skip, header.data_offset = "gzip", header.data_offset, 0
    return header


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


def _after_lines(path: str, offset: int, lines: int, name: str) -> int:
    """Where the data begin after so many lines; the end of the file where there are fewer."""
    with open_input(path, name=name) as stream:
        stream.seek(offset)
        for _ in range(lines):
            # A line without end is data; it is not read into memory as one.
            while True:
                piece = stream.readline(PIECE)
                if not piece or piece.endswith(b"\n"):
                    break
            if not piece:
                break
        return stream.tell()


def completeness(volume: VolumeFile, check: Check = no_check) -> Refused | None:
    """``None`` when every byte is there, or why not.

    ``input.truncated`` (more may come), ``input.missing_data_file`` (likewise),
    ``input.claims_too_much`` (the file is complete and holds less than it says),
    ``input.corrupt``.
    """
    header, name = volume.header, volume.name
    if volume.data_size < 0:
        return Refused("input.missing_data_file", f"{name}: its data file {volume.data_name} is not there.")
    stored = volume.data_size - volume.offset
    if header.file_gzipped:
        return _check_gzip(volume, 0, header.data_offset + header.data_bytes, check)
    if header.encoding == "gzip":
        return _check_gzip(volume, volume.offset, header.byte_skip + header.data_bytes, check)
    if header.encoding == "zlib" and header.stored_bytes is not None:
        if stored < header.stored_bytes:
            return Refused("input.truncated", f"{name} ends after {stored} of {header.stored_bytes} bytes.")
        return None
    if header.encoding in ("zlib", "bzip2"):
        return _check_stream(
            volume, header.encoding, volume.offset, header.byte_skip + header.data_bytes, check
        )
    # A number of text takes at least a digit and a space, a byte of hexadecimal two digits.
    needed = {"ascii": 2 * header.voxels * header.extra - 1, "hex": 2 * header.data_bytes}.get(
        header.encoding, header.data_bytes
    )
    if stored >= needed:
        return None
    if stored < CUT_SHORT * needed and needed > 1 << 20:
        return Refused(
            "input.claims_too_much", f"{name} claims {needed} bytes of voxels and holds {max(stored, 0)}."
        )
    return Refused("input.truncated", f"{name} holds {max(stored, 0)} of {needed} bytes of voxels.")


def _check_gzip(volume: VolumeFile, start: int, expected: int, check: Check) -> Refused | None:
    """The trailer says how long the contents are (RFC 1952, 2.3.1); where it does not fit, look at all."""
    with open_input(volume.data_path, name=volume.data_name) as stream:
        stream.seek(max(start, volume.data_size - 4))
        tail = stream.read(4)
    if volume.data_size - start >= 18 and len(tail) == 4 and struct.unpack("<I", tail)[0] == expected % 2**32:
        return None
    return _check_stream(volume, "gzip", start, expected, check)


def _check_stream(volume: VolumeFile, kind: str, start: int, expected: int, check: Check) -> Refused | None:
    total = 0
    try:
        for piece in decompressed(volume.data_path, start, kind, volume.name, check):
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
