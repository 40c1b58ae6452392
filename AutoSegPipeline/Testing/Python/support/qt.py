"""Running the Qt loop in tests until something happens."""

from __future__ import annotations

import time
from typing import Callable

from AutoSegPipelineLib.runtime import qt

APPLICATION = qt.application()


def run_until(predicate: Callable[[], object], timeout: float = 90.0) -> None:
    """Run the Qt loop until ``predicate()`` is true; AssertionError after ``timeout`` seconds."""
    if predicate():
        return
    loop = qt.QEventLoop()
    end = time.monotonic() + timeout

    def look() -> None:
        if predicate() or time.monotonic() > end:
            loop.quit()

    timer = qt.make_timer(5, look)
    qt.run_loop(loop)
    timer.stop()
    assert predicate(), f"it did not happen within {timeout} s"


def run_for(seconds: float) -> None:
    """Run the Qt loop for some time."""
    end = time.monotonic() + seconds
    run_until(lambda: time.monotonic() >= end, seconds + 5)
