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
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
