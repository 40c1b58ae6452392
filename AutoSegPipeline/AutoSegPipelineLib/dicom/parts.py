"""The parts of the dicom child, in the order in which they start."""

from __future__ import annotations

from typing import Callable

from .answerer import Answerer
from .context import Context, Part

PARTS: tuple[Callable[[Context], Part], ...] = (Answerer,)
