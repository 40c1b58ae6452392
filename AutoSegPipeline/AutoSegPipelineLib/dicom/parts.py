"""The parts of the dicom child, in the order in which they start."""

from __future__ import annotations

from typing import Callable

from .answerer import Answerer
from .context import Context, Part
from .query.fetcher import Fetcher
from .query.watcher import Watcher
from .receive.receiver import Receiver
from .send.sender import Sender

PARTS: tuple[Callable[[Context], Part], ...] = (Answerer, Receiver, Fetcher, Watcher, Sender)
