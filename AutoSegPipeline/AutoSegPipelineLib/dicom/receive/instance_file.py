"""One instance on its way to the disk: preamble, file meta information, then the bytes as they come."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from .data_set_uids import HEAD, NotFound, uids_of

# Who wrote the file meta information (PS3.10, 7.1): the library's UID below 2.25, as pydicom makes them.
IMPLEMENTATION = "2.25.228713370187193870914284037466195216721"
VERSION = "AUTOSEG"
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class InstanceFile:
    """Writes to ``path``, which is new. What a full disk does not take is lost; :meth:`check` says so."""

    def __init__(self, path: Path, sop_class: str, sop_instance: str, syntax: str) -> None:
        """Raises OSError."""
        self.path, self.sop_class, self.sop_instance, self.syntax = path, sop_class, sop_instance, syntax
        self.size = 0
        self._head = bytearray()
        self._uids: tuple[str, str] | None = None
        self._error: OSError | None = None
        self._descriptor = os.open(path, _FLAGS, 0o600)
        self._put(memoryview(_file_meta(sop_class, sop_instance, syntax)))

    def write(self, piece: memoryview) -> None:
        """More of the data set."""
        if self._uids is None and len(self._head) < HEAD:
            self._look(piece)
        self._put(piece)

    def _look(self, piece: memoryview) -> None:
        """Mostly the first piece says it, and nothing needs to be copied."""
        if not self._head:
            try:
                self._uids = uids_of(piece[:HEAD], self.syntax)
                return
            except NotFound:
                pass
        self._head += piece[: HEAD - len(self._head)]

    def _put(self, piece: memoryview) -> None:
        while piece and self._error is None:
            try:
                count = os.write(self._descriptor, piece)
            except OSError as error:
                self._error = error
                return
            self.size += count
            piece = piece[count:]

    def check(self) -> None:
        """Raise the OSError that ended the writing, if there was one."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Wait for the disk; again is fine. Raises OSError, and what the disk has is worth nothing then."""
        if self._descriptor < 0:
            return
        try:
            os.fsync(self._descriptor)
        finally:
            os.close(self._descriptor)
            self._descriptor = -1

    def discard(self) -> None:
        """Remove it; again is fine."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self.path.unlink(missing_ok=True)

    def uids(self) -> tuple[str, str]:
        """(study, series), empty where headers do not say it; raises ValueError for what is no data set."""
        if self._uids is not None:
            return self._uids
        try:
            return uids_of(memoryview(self._head), self.syntax)
        except NotFound:
            return _by_pydicom(self.path)


def _by_pydicom(path: Path) -> tuple[str, str]:
    """The same from the file, for headers that begin with very much else or are odd."""
    from pydicom import dcmread

    try:
        found = dcmread(
            path, specific_tags=["StudyInstanceUID", "SeriesInstanceUID"], stop_before_pixels=True
        )
        return str(found.get("StudyInstanceUID", "")), str(found.get("SeriesInstanceUID", ""))
    except Exception as error:  # damaged bytes fail in it in many ways
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _file_meta(sop_class: str, sop_instance: str, syntax: str) -> bytes:
    elements = b"".join(
        (
            struct.pack("<HH2sxxL", 2, 1, b"OB", 2) + b"\0\1",
            _text(0x02, b"UI", sop_class),
            _text(0x03, b"UI", sop_instance),
            _text(0x10, b"UI", syntax),
            _text(0x12, b"UI", IMPLEMENTATION),
            _text(0x13, b"SH", VERSION, b" "),
        )
    )
    length = struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(elements))
    return bytes(128) + b"DICM" + length + elements


def _text(element: int, kind: bytes, text: str, padding: bytes = b"\0") -> bytes:
    value = text.encode("ascii", "replace")
    value += padding * (len(value) % 2)
    return struct.pack("<HH2sH", 2, element, kind, len(value)) + value
