"""Named moments at which a crash must do no harm.

The code that stages and publishes says where it is; nothing listens, except
tests, which replace :data:`listener` to kill the process or fill the disk there.
"""

from __future__ import annotations

from typing import Callable, Optional

STAGING = (
    "intent written",
    "row receiving",
    "input moved",
    "row inspecting",
    "source removed",
    "row queued",
)
HANDOVER = (
    "received files durable",
    "handover planned",
    "received file moved",
    "input complete",
    "input handed over",
)
FETCHING = ("series fetched", "fetched cases adopted", "fetch done")
RECEIVING = (
    "instance noted",
    "series closed",
    "series asked for",
    "series finished",
)
PUBLISHING = (
    "row publishing",
    "old manifest removed",
    "output renamed",
    "manifest renamed",
    "row done",
    "input spent",
)

listener: Optional[Callable[[str], None]] = None


def reached(step: str) -> None:
    """``step`` is over and the next one has not begun."""
    if listener is not None:
        listener(step)
