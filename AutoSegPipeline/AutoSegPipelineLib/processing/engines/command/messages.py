"""What a program writes while it works: drained at once, kept in small, read for its progress."""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from typing import Callable, Deque, Mapping

LINE_CHARS = 500
TAIL_LINES = 60
MOST_LOGGED = 4000  # lines of one case; what follows is counted
MOST_BYTES = 64 << 20
_PIECE = 1 << 16
_ENDS = re.compile(rb"[\r\n]+")


class Messages:
    """A thread of its own reads the pipe, so that the program never waits for us; memory stays small.

    ``fraction`` is the progress by ``pattern``, None before the first match.
    """

    def __init__(self, descriptor: int, pattern: re.Pattern[str] | None) -> None:
        self._descriptor = descriptor
        self._pattern = pattern
        self._lock = threading.Lock()
        self._waiting: Deque[str] = deque()
        self._tail: Deque[str] = deque(maxlen=TAIL_LINES)
        self._logged = self._dropped = 0
        self.bytes = 0
        self.fraction: float | None = None
        self._thread = threading.Thread(target=self._read, name="messages of a program", daemon=True)
        self._thread.start()

    @property
    def tail(self) -> list[str]:
        """The last lines."""
        with self._lock:
            return list(self._tail)

    def flush(self, log: Callable[[str], None]) -> None:
        """Hand the lines that came since the last time to ``log``."""
        with self._lock:
            lines = list(self._waiting)
            self._waiting.clear()
        if lines:
            log("\n".join(lines))

    def finish(self, seconds: float) -> None:
        """Wait until everything was read; a process that left the tree may hold the pipe open."""
        self._thread.join(seconds)
        with self._lock:
            if self._dropped:
                self._waiting.append(f"... and {self._dropped} lines more, which were not kept")
                self._dropped = 0

    def _read(self) -> None:
        rest = b""
        while True:
            try:
                piece = os.read(self._descriptor, _PIECE)
            except OSError:
                piece = b""
            if not piece:
                break
            self.bytes += len(piece)
            *lines, rest = _ENDS.split(rest + piece)
            rest = rest[-4 * LINE_CHARS :]
            for line in lines:
                self._take(line)
        self._take(rest)

    def _take(self, line: bytes) -> None:
        text = line[: 4 * LINE_CHARS].decode("utf-8", "replace").rstrip()[:LINE_CHARS]
        if not text.strip():
            return
        fraction = None if self._pattern is None else fraction_of(self._pattern, text)
        with self._lock:
            self._tail.append(text)
            if fraction is not None:
                self.fraction = fraction  # progress has a place of its own; the log would be all bars
            elif self._logged < MOST_LOGGED:
                self._logged += 1
                self._waiting.append(text)
            else:
                self._dropped += 1


def fraction_of(pattern: re.Pattern[str], line: str) -> float | None:
    """0..1 of the last match in ``line``; None where it says nothing."""
    matches = list(pattern.finditer(line))
    if not matches:
        return None
    groups: Mapping[str, str | None] = matches[-1].groupdict()
    try:
        if groups.get("percent") is not None:
            found = float(groups["percent"] or "") / 100.0
        elif groups.get("fraction") is not None:
            found = float(groups["fraction"] or "")
        else:
            found = float(groups.get("done") or "") / float(groups.get("total") or "")
    except (ValueError, ZeroDivisionError):
        return None
    return found if 0.0 <= found <= 1.0 else None
