"""Translation: Slicer's where it is, else the text itself."""

from __future__ import annotations

from typing import Callable, Mapping

try:
    from slicer.i18n import tr
except ImportError:
    tr = str

_: Callable[[str], str] = tr


def review_text(review: Mapping[str, object]) -> str:
    """``Marked good by ada: liver complete``; empty without a review."""
    if not review:
        return ""
    marks = {"good": _("Marked good"), "bad": _("Marked bad"), "": _("Remark")}
    text = marks[str(review["mark"])]
    if review["by"]:
        text += " " + _("by {name}").format(name=review["by"])
    if review["remark"]:
        text += f": {review['remark']}"
    return text + (" " + _("(of an earlier result)") if review["outdated"] else "")


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
