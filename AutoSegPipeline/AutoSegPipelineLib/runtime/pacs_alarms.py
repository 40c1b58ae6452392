"""Alarms of the dicom child as events of the pipeline: each once, also over restarts.

A crash in the moment between the event and the note of it repeats one.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3

from ..core.errors import PipelineError
from ..core.events import AlarmRaised
from ..core.pacs import store as pacs_store
from ..core.pacs.store import PacsStore
from .context import Context

log = logging.getLogger(__name__)
META = "pacs_alarms"  # the last one that was published


class PacsAlarms:
    """Looks into ``state/dicom.sqlite`` where there is one; only the child writes there."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store: PacsStore | None = None
        self._seen = -1
        self._last: int | None = None

    def look(self) -> None:
        """Publish what is new; a store that is busy or damaged is looked at again."""
        try:
            if self._store is None:
                if not pacs_store.exists(self._context.home):
                    return
                self._store = PacsStore.of(self._context.home, self._context.clock)
            version = self._store.data_version()
            if version != self._seen:
                self._publish(self._store)
                self._seen = version
        except (sqlite3.Error, PipelineError) as error:
            log.warning("dicom.sqlite cannot be read: %s", error)

    def _publish(self, store: PacsStore) -> None:
        meta = self._context.store.meta
        if self._last is None:
            self._last = int(meta.get(META, 0))
        if self._last > store.alarms.newest():  # another store in the same place
            self._last = 0
        for alarm in store.alarms.since(self._last):
            self._context.bus.publish(AlarmRaised(alarm.code, alarm.message))
            self._last = alarm.id  # a full disk must not make it an alarm every two seconds
        if meta.get(META, 0) != self._last:
            meta.set(META, self._last)

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(sqlite3.Error):
            if self._store is not None:
                self._store.close()
