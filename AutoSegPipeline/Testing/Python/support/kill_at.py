"""A process that dies at a named moment, for the tests of crashes."""

from __future__ import annotations

import os
import signal
from typing import Callable

from AutoSegPipelineLib.core import crash_points


def kill_at(step: str, number: int) -> Callable[[str], None]:
    """End this process without a message at the Nth ``step``; the answer may be called for further steps."""
    seen = 0

    def listener(reached: str) -> None:
        nonlocal seen
        seen += reached == step
        if reached == step and seen == number:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    crash_points.listener = listener
    return listener
