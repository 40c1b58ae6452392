"""Where a request's body ends: by its length, or chunk by chunk (RFC 9112 section 7.1)."""

from __future__ import annotations

from .head import Head
from .responses import HttpError

_LINE = 1024  # of a chunk's size with its extensions, or of one trailer
_TRAILERS = 50


class LengthBody:
    """A body of a length known beforehand."""

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def done(self) -> bool:
        return self._left == 0

    def take(self, received: bytearray) -> bytes:
        """What of ``received`` belongs to the body; it is cut off."""
        data = bytes(received[: self._left])
        del received[: len(data)]
        self._left -= len(data)
        return data


class ChunkedBody:
    """A body in chunks; trailers are read and dropped."""

    def __init__(self) -> None:
        self._left = 0  # of the present chunk
        self._between = False  # its data is over, its line end is not
        self._trailers = 0  # 0 before the last chunk, then how many lines may follow
        self.done = False

    def take(self, received: bytearray) -> bytes:
        """The data in ``received``, as far as it goes; what was read is cut off."""
        data = bytearray()
        while not self.done:
            if self._left:
                data += received[: self._left]
                cut = min(self._left, len(received))
                del received[:cut]
                self._left -= cut
                self._between = self._left == 0
                if self._left:
                    break
                continue
            line = self._line(received)
            if line is None:
                break
            self._read(line)
        return bytes(data)

    @staticmethod
    def _line(received: bytearray) -> bytes | None:
        end = received.find(b"\r\n")
        if end < 0 or end > _LINE:
            if len(received) > _LINE:
                raise HttpError(400, "a line between the chunks is too long")
            return None
        line = bytes(received[:end])
        del received[: end + 2]
        return line

    def _read(self, line: bytes) -> None:
        if self._between:
            if line:
                raise HttpError(400, "a chunk is longer than it says")
            self._between = False
        elif self._trailers:
            self.done = not line
            self._trailers -= 1
            if not self.done and not self._trailers:
                raise HttpError(400, "too many trailers")
        else:
            size = line.split(b";")[0].strip()
            if not size or len(size) > 12 or any(c not in b"0123456789abcdefABCDEF" for c in size):
                raise HttpError(400, "the size of a chunk is no number")
            self._left = int(size, 16)
            self._trailers = 0 if self._left else _TRAILERS


def body_of(head: Head) -> LengthBody | ChunkedBody:
    """The reader of the body that follows ``head``."""
    return ChunkedBody() if head.chunked else LengthBody(head.length or 0)
