"""What happened and where, for errors whose own words may quote the header of a scan."""

from __future__ import annotations

import traceback
from pathlib import Path


def origin_of(error: BaseException) -> str:
    """The kind of ``error`` with the file and line that raised it, and nothing else of it."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    return f"{type(error).__name__} in {Path(frames[-1].filename).name}, line {frames[-1].lineno}"


def stack_of(error: BaseException) -> str:
    """Every call that led to ``error``, for a log."""
    return "".join([*traceback.format_tb(error.__traceback__), type(error).__name__])
