"""Reading NRRD files with one block of data inside, and nothing else of that format.

SimpleITK reads NRRD too, but drops the layers' axis and half of the key/value
pairs. Format: https://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..core.errors import PipelineError

_TYPES = {
    "signed char": "i1", "int8": "i1", "int8_t": "i1", "char": "i1",
    "uchar": "u1", "unsigned char": "u1", "uint8": "u1", "uint8_t": "u1",
    "short": "i2", "short int": "i2", "signed short": "i2", "int16": "i2", "int16_t": "i2",
    "ushort": "u2", "unsigned short": "u2", "unsigned short int": "u2", "uint16": "u2", "uint16_t": "u2",
    "int": "i4", "signed int": "i4", "int32": "i4", "int32_t": "i4",
    "uint": "u4", "unsigned int": "u4", "uint32": "u4", "uint32_t": "u4",
    "longlong": "i8", "long long": "i8", "int64": "i8", "int64_t": "i8",
    "ulonglong": "u8", "unsigned long long": "u8", "uint64": "u8", "uint64_t": "u8",
    "float": "f4", "double": "f8",
}  # fmt: skip
_MAX_HEADER = 16 << 20


@dataclass(frozen=True)
class Nrrd:
    """``fields`` with lower-case names, ``pairs`` of ``key:=value``, and where the data begin."""

    path: Path
    fields: dict[str, str]
    pairs: dict[str, str]
    offset: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Samples along each axis, the fastest first."""
        return tuple(int(n) for n in self.fields["sizes"].split())

    @property
    def dtype(self) -> np.dtype:
        """The samples' type with its byte order."""
        code = _TYPES[self.fields["type"].lower()]
        order = ">" if self.fields.get("endian", "little").lower() == "big" else "<"
        return np.dtype(order + code)


def read_header(path: Path) -> Nrrd:
    """Fields and key/value pairs; raises ``input.corrupt`` or ``input.external_data``."""
    fields: dict[str, str] = {}
    pairs: dict[str, str] = {}
    with open(path, "rb") as stream:
        if not stream.readline(16).startswith(b"NRRD000"):
            raise PipelineError("input.corrupt", f"{path.name} does not begin like an NRRD file")
        while True:
            line = stream.readline(_MAX_HEADER)
            if not line or stream.tell() > _MAX_HEADER:
                raise PipelineError("input.truncated", f"{path.name} ends within its header")
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if not text:
                break
            _take(text, fields, pairs)
        offset = stream.tell()
    if "data file" in fields or "datafile" in fields:
        raise PipelineError("input.external_data", f"{path.name} keeps its voxels in another file")
    header = Nrrd(path, fields, pairs, offset)
    _check(header)
    return header


def _take(text: str, fields: dict[str, str], pairs: dict[str, str]) -> None:
    if text.startswith("#"):
        return
    key, separator, value = text.partition(":=")
    if separator and ": " not in key:
        pairs[key] = _unescape(value)
        return
    key, _, value = text.partition(":")
    fields[key.strip().lower()] = value.strip()


def _unescape(text: str) -> str:
    parts = text.split("\\\\")
    return "\\".join(part.replace("\\n", "\n") for part in parts)


def _check(header: Nrrd) -> None:
    name, fields = header.path.name, header.fields
    missing = [key for key in ("type", "dimension", "sizes", "encoding") if key not in fields]
    if missing:
        raise PipelineError("input.corrupt", f"{name} lacks {', '.join(missing)} in its header")
    try:
        good = len(header.sizes) == int(fields["dimension"]) and min(header.sizes) > 0
    except ValueError:
        good = False
    if not good or fields["type"].lower() not in _TYPES:
        raise PipelineError("input.corrupt", f"{name} has sizes or a type that make no sense")


def read_data(header: Nrrd) -> np.ndarray:
    """The samples, C-contiguous with the slowest axis first."""
    count = int(np.prod([np.int64(n) for n in header.sizes]))
    encoding = header.fields["encoding"].lower()
    wanted = count * header.dtype.itemsize
    with open(header.path, "rb") as raw:
        raw.seek(header.offset)
        if encoding in ("gzip", "gz"):
            with gzip.open(raw, "rb") as unpacked:
                data = _read_exactly(unpacked, wanted, header.path)  # type: ignore[arg-type]
        elif encoding == "raw":
            data = _read_exactly(raw, wanted, header.path)
        else:
            raise PipelineError(
                "input.corrupt", f"{header.path.name}: encoding {encoding!r} is not known here"
            )
    array = np.frombuffer(data, dtype=header.dtype).reshape(tuple(reversed(header.sizes)))
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _read_exactly(stream: BinaryIO, wanted: int, path: Path) -> bytearray:
    data = bytearray()
    try:
        while len(data) < wanted:
            block = stream.read(min(wanted - len(data), 16 << 20))
            if not block:
                raise PipelineError(
                    "input.truncated", f"{path.name} ends after {len(data)} of {wanted} bytes"
                )
            data += block
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise PipelineError(
            "input.truncated", f"{path.name}: its compressed voxels end early: {error}"
        ) from error
    return data
