"""What each part of the dicom child works with."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import Dict, Protocol

from ..core.clock import Clock, SystemClock
from ..core.errors import PipelineError
from ..core.home import Home
from ..core.pacs.config import FILE, PacsConfig, read_config
from ..core.pacs.store import PacsStore
from ..core.settings import Settings
from ..core.store import Store

log = logging.getLogger(__name__)


class LiveConfig:
    """``dicom.json`` as it stands now; while it is wrong, the last one that was right."""

    def __init__(self, home: Home) -> None:
        """Raises ``pacs.configuration`` where it is wrong from the start."""
        self._root = home.root
        self._lock = threading.Lock()
        self._config = read_config(self._root)
        self._stamp = self._look()
        self.error: PipelineError | None = None

    def _look(self) -> tuple[int, int] | None:
        try:
            found = (self._root / FILE).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size

    def __call__(self) -> PacsConfig:
        """The configuration; the file is read again when it has changed."""
        with self._lock:
            stamp = self._look()
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._config = read_config(self._root)
                    self.error = None
                    log.info("%s was read again", FILE)
                except PipelineError as error:
                    self.error = error
                    log.error("%s is not used, the one before it still is: %s", FILE, error)
            return self._config


@dataclass(frozen=True)
class Context:
    """Shared by the parts, each in threads of its own. ``ended`` is set when the child is to end."""

    home: Home
    settings: Settings
    config: LiveConfig
    ended: threading.Event = field(default_factory=threading.Event)
    clock: Clock = field(default_factory=SystemClock)
    parts: Dict[str, Part] = field(default_factory=dict)  # those that have started, by name

    def pacs_store(self) -> PacsStore:
        """A connection for the calling thread; close it there."""
        return PacsStore.of(self.home, self.clock)

    def store(self) -> Store:
        """The pipeline's store, for the calling thread; close it there."""
        return Store(self.home.store, self.clock)


class Part(Protocol):
    """One thing that the child does, in threads of its own."""

    name: str

    def start(self) -> None:
        """Begin; raises :class:`~..core.errors.PipelineError` where it cannot."""

    def stop(self) -> None:
        """End within some seconds; what is not done is done after the next start."""
