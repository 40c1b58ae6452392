"""From label layers to one closed, smooth surface per segment."""

from __future__ import annotations

from .budget import Budget
from .follow import Scan
from .make import make_surfaces
from .surface import Surface

__all__ = ["Budget", "Scan", "Surface", "make_surfaces"]
