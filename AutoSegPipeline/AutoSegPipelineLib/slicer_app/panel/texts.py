"""Translation: Slicer's where it is, else the text itself."""

from __future__ import annotations

from typing import Callable

try:
    from slicer.i18n import tr
except ImportError:
    tr = str

_: Callable[[str], str] = tr


def duration(seconds: float | None) -> str:
    """``2 min 5 s``; empty for None."""
    if seconds is None:
        return ""
    full = int(seconds + 0.5)
    if full < 60:
        return f"{full} s"
    if full < 3600:
        return f"{full // 60} min {full % 60:02d} s"
    return f"{full // 3600} h {full % 3600 // 60:02d} min"
