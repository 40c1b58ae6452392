"""What a child prints to standard error, as lines of bounded length. Pure."""

from __future__ import annotations

from collections import deque
from typing import Callable

MAX_LINE = 4000
TAIL_LINES = 60
TAIL_CHARACTERS = 8000


class StderrLines:
    """Cuts bytes into lines for ``on_line`` and remembers the last ones.

    A carriage return starts the line again, as on a terminal: of a progress bar
    only its last state is kept. Undecodable bytes are replaced.
    """

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    def feed(self, data: bytes) -> None:
        """Take more bytes; complete lines go out."""
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._out(line)
        # A trailing carriage return may be half of a Windows line end: it waits.
        head, _, last = rest[:-1].rpartition(b"\r")
        rest = last + rest[-1:] if head or _ else rest
        while len(rest) > MAX_LINE:
            self._out(rest[:MAX_LINE])
            rest = rest[MAX_LINE:]
        self._rest = rest

    def close(self) -> None:
        """The stream has ended; what waited goes out."""
        rest, self._rest = self._rest, b""
        self._out(rest)

    @property
    def tail(self) -> str:
        """The last lines, at most some thousand characters."""
        return "\n".join(self._tail)[-TAIL_CHARACTERS:]

    def _out(self, line: bytes) -> None:
        shown = line.rstrip(b"\r").rpartition(b"\r")[2]
        for start in range(0, len(shown), MAX_LINE):
            text = shown[start : start + MAX_LINE].decode("utf-8", "replace").rstrip()
            if text:
                self._tail.append(text)
                self._on_line(text)
