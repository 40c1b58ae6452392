"""Keeps the store's journal short; another process syncs, so that the loop need not wait."""

from __future__ import annotations

import logging
from pathlib import Path

from ..core.errors import PipelineError
from ..core.messages.intake_messages import Checkpoint as CheckpointTask
from ..core.messages.intake_messages import Nothing
from .processes.intake_client import IntakeClient

log = logging.getLogger(__name__)
_JOURNAL_BYTES = 4 << 20


class Checkpoint:
    """Asks ``child`` to bring the journal of ``store`` in when it has grown long."""

    def __init__(self, store: Path, child: IntakeClient) -> None:
        self._store = store
        self._child = child
        self._under_way = False
        self._done = 0  # when the journal was written that was last brought in

    def look(self) -> None:
        """Every two seconds."""
        journal = self._store.with_name(self._store.name + "-wal")
        if self._under_way or not journal.exists():
            return
        found = journal.stat()
        if found.st_size < _JOURNAL_BYTES or found.st_mtime_ns == self._done:
            return
        self._under_way, self._done = True, found.st_mtime_ns
        self._child.ask(CheckpointTask(str(self._store)), self._answered)

    def _answered(self, _: Nothing | None, error: PipelineError | None) -> None:
        self._under_way = False
        if error is not None:
            log.warning("the store's journal stays long: %s", error)
