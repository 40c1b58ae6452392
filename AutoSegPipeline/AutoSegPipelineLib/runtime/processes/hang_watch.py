"""Whether a child makes progress. A laptop that slept is not a child that hangs."""

from __future__ import annotations

from typing import Any, Callable

from ...core.clock import Clock
from .. import qt

_MOST_SECONDS_BETWEEN_LOOKS = 5.0


class HungWatch:
    """Calls ``on_silent(seconds)`` once when nothing moved for ``limit`` seconds.

    Time in which this process itself did not run (a suspended machine, a busy
    event loop) does not count, and the verdict falls one look after the limit
    passed, so that what waited in the pipe has been read by then.
    """

    def __init__(self, limit: float | None, on_silent: Callable[[float], None], clock: Clock) -> None:
        self._limit = limit
        self._on_silent = on_silent
        self._clock = clock
        self._interval = min(_MOST_SECONDS_BETWEEN_LOOKS, limit / 4) if limit else 0.0
        self._last_progress: float | None = None  # None: nothing is under way
        self._last_look = 0.0
        self._suspected = False
        self._reported = False
        self._timer: Any = None

    def begin(self) -> None:
        """A command is under way from now on."""
        self.progress(force=True)
        if self._limit and self._timer is None:
            self._timer = qt.make_timer(max(1, int(self._interval * 1000)), self.look)

    def end(self) -> None:
        """Nothing is under way."""
        self._last_progress = None
        if self._timer is not None:
            self._timer.stop()
            qt.release(self._timer)  # this may be its own signal
            self._timer = None

    def progress(self, force: bool = False) -> None:
        """Something moved."""
        if force or self._last_progress is not None:
            self._last_progress = self._last_look = self._clock.monotonic()
            self._suspected = self._reported = False

    def silent_for(self) -> float:
        """Seconds since something moved; 0.0 when nothing is under way."""
        if self._last_progress is None:
            return 0.0
        return self._clock.monotonic() - self._last_progress

    def look(self) -> None:
        """One look, every now and then."""
        if self._last_progress is None or not self._limit:
            return
        now = self._clock.monotonic()
        late = now - self._last_look - self._interval
        self._last_look = now
        if late > self._interval:
            self._last_progress += late
            self._suspected = False
        silent = now - self._last_progress
        if silent < self._limit or self._reported:
            return
        if self._suspected:
            self._reported = True
            self._on_silent(silent)
        self._suspected = True
