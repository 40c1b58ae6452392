"""The watermark below which every door stops, before the disk is full."""

from __future__ import annotations

from ..core.errors import PipelineError
from ..core.files import free_bytes
from .context import WebContext


def room(context: WebContext) -> int:
    """Bytes that may still come in before the watermark; negative below it."""
    return free_bytes(context.home.state) - (context.config.disk_min_free_mb << 20)


def check_disk(context: WebContext, coming: int = 0) -> None:
    """Raise ``environment.disk_full`` (507) where ``coming`` more bytes would go below the watermark.

    Twice the bytes are asked for: unpacking and results need their room as well.
    """
    left = room(context)
    if left < 2 * max(coming, 0):
        raise PipelineError(
            "environment.disk_full",
            f"{max(left, 0) >> 20} MB are left for new scans; {coming >> 20} MB more would fill the disk",
            headers={"Retry-After": "600"},
        )
