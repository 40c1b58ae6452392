"""``multipart/form-data`` (RFC 7578) part by part, as it arrives: memory stays flat."""

from __future__ import annotations

from email.message import Message
from email.parser import HeaderParser
from email.utils import collapse_rfc2231_value
from typing import Protocol

from .responses import HttpError

_HEAD_BYTES = 16384
_PARTS = 50000


class Parts(Protocol):
    """Who takes the parts."""

    def begin(self, field: str, filename: str | None) -> None:
        """A part begins; ``filename`` is None for a plain form field."""

    def data(self, data: bytes) -> None:
        """More of it."""

    def end(self) -> None:
        """It is complete."""


def boundary_of(content_type: str) -> bytes:
    """The boundary in a Content-Type header. Raises :class:`HttpError` where there is none."""
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_type() != "multipart/form-data" or not boundary or len(boundary) > 200:
        raise HttpError(
            415, "send the files as multipart/form-data, for example: curl -F file=@scan.nii.gz ADDRESS"
        )
    return boundary.encode("latin-1", "replace")


class Multipart:
    """``feed`` it the body; ``done`` after the closing boundary."""

    def __init__(self, boundary: bytes, parts: Parts) -> None:
        self._parts = parts
        self._delimiter = b"\r\n--" + boundary
        self._held = bytearray(b"\r\n")  # the first boundary has no line before it
        self._read = self._preamble
        self._count = 0
        self.done = False

    def feed(self, data: bytes) -> None:
        """More of the body. Raises :class:`HttpError` for what is no form."""
        self._held += data
        while self._read():
            pass

    def _preamble(self) -> bool:
        at = self._held.find(self._delimiter)
        if at < 0:
            del self._held[: max(0, len(self._held) - len(self._delimiter))]
            return False
        del self._held[: at + len(self._delimiter)]
        self._read = self._after_boundary
        return True

    def _after_boundary(self) -> bool:
        if len(self._held) < 2:
            return False
        if self._held.startswith(b"--"):
            self.done, self._read = True, self._epilogue
            return True
        end = self._held.find(b"\r\n")
        if end < 0:
            if len(self._held) > 200:
                raise HttpError(400, "a boundary of the form cannot be read")
            return False
        if bytes(self._held[:end]).strip(b" \t"):
            raise HttpError(400, "a boundary of the form cannot be read")
        # The line end stays: a part without headers has its empty line at once.
        del self._held[:end]
        self._read = self._headers
        return True

    def _headers(self) -> bool:
        end = self._held.find(b"\r\n\r\n")
        if end < 0 or end > _HEAD_BYTES:
            if len(self._held) > _HEAD_BYTES:
                raise HttpError(400, "the headers of a part are too long")
            return False
        # Browsers and curl send names as bare UTF-8.
        head = HeaderParser().parsestr(self._held[2 : end + 4].decode("utf-8", "replace"))
        del self._held[: end + 4]
        self._count += 1
        if self._count > _PARTS:
            raise HttpError(413, f"a form may have {_PARTS} parts; send the folder as a zip archive")
        field = head.get_param("name", header="Content-Disposition")
        self._parts.begin(_text(field) or "", _text(head.get_param("filename", header="Content-Disposition")))
        self._read = self._data
        return True

    def _data(self) -> bool:
        at = self._held.find(self._delimiter)
        keep = len(self._delimiter) - 1
        cut = at if at >= 0 else len(self._held) - keep
        if cut > 0:
            self._parts.data(bytes(self._held[:cut]))
            del self._held[:cut]
        if at < 0:
            return False
        del self._held[: len(self._delimiter)]
        self._parts.end()
        self._read = self._after_boundary
        return True

    def _epilogue(self) -> bool:
        self._held.clear()
        return False


def _text(value: object) -> str | None:
    """A parameter's text; the form of RFC 2231 comes as (charset, language, text)."""
    if isinstance(value, tuple):
        try:
            return collapse_rfc2231_value(value)
        except (LookupError, ValueError):  # a character set that nobody knows
            return str(value[2])
    return value if isinstance(value, str) else None
