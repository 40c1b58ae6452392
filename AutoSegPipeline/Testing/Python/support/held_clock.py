"""A clock that stands still until a test sets it."""

from __future__ import annotations


class HeldClock:
    """``at`` is both kinds of time, in seconds."""

    def __init__(self, at: float = 1_000_000.0) -> None:
        self.at = at

    def monotonic(self) -> float:
        return self.at

    def now(self) -> float:
        return self.at
