"""What each part of the dicom child works with."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from dataclasses import dataclass, field
from typing import Dict, Iterator, Protocol

from ..core.clock import Clock, SystemClock
from ..core.errors import PipelineError
from ..core.home import Home
from ..core.pacs.config import FILE, Caller, Entry, PacsConfig, read_config
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
        self._stamp = self._look()  # first: a change while it is read is seen by the next call
        self._config = read_config(self._root)
        self.error: PipelineError | None = None
        self._guests: list[tuple[Caller, Entry]] = []

    @contextlib.contextmanager
    def guest(self, caller: Caller, entry: Entry) -> Iterator[None]:
        """Let ``caller`` in and receive under the title of ``entry``, until the block ends."""
        one = (caller, entry)
        with self._lock:
            self._guests.append(one)
        try:
            yield
        finally:
            with self._lock:
                self._guests.remove(one)

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
            if not self._guests:
                return self._config
            return dataclasses.replace(
                self._config,
                callers=[*self._config.callers, *(caller for caller, _ in self._guests)],
                entries=[*self._config.entries, *(entry for _, entry in self._guests)],
            )


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
