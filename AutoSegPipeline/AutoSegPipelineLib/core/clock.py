"""Time, passed in wherever it matters so that tests can hold it."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Protocol


class Clock(Protocol):
    """``monotonic`` for durations, ``now`` (seconds since 1970, UTC) for what is written down."""

    def monotonic(self) -> float: ...

    def now(self) -> float: ...


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> float:
        return time.time()


def rfc3339(seconds: float) -> str:
    """``2026-11-22T16:29:00.123Z``."""
    stamp = datetime.fromtimestamp(seconds, timezone.utc)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_rfc3339(text: str) -> float:
    """The inverse of :func:`rfc3339`."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
