"""What the web child says about the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .child_messages import Message


@dataclass(frozen=True)
class Serving(Message):
    """The page is there."""

    TYPE: ClassVar[str] = "serving"

    url: str
    port: int
