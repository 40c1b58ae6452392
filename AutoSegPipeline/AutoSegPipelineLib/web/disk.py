"""How much may still come in before the disk is as full as it may be."""

from __future__ import annotations

from ..core.files import free_bytes
from .context import WebContext


def room(context: WebContext) -> int:
    """Bytes above the watermark ``disk_min_free_mb``; negative below it, where every door is closed."""
    return free_bytes(context.home.state) - (context.config.disk_min_free_mb << 20)
