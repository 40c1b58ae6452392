"""What the pipeline and the web child say about the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict

from .child_messages import Message


@dataclass(frozen=True)
class HomeFolders:
    """The folders of the pipeline's home."""

    root: str
    inbox: str
    results: str
    state: str


@dataclass(frozen=True)
class Serve(Message):
    """To the web child: serve this home by these settings."""

    TYPE: ClassVar[str] = "serve"

    home: HomeFolders
    settings: Dict[str, object]


@dataclass(frozen=True)
class Serving(Message):
    """The page is there."""

    TYPE: ClassVar[str] = "serving"

    url: str
    port: int
