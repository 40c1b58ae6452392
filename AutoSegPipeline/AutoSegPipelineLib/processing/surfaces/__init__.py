"""From label layers to one closed, smooth surface per segment."""

from __future__ import annotations

from .make import make_surfaces
from .surface import Surface

__all__ = ["Surface", "make_surfaces"]
