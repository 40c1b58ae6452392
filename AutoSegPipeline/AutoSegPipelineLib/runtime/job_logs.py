"""One log per case: JSON lines with what its worker said and which states it went through."""

from __future__ import annotations

import json
import logging
from typing import IO, Any

from ..core import states
from ..core.clock import rfc3339
from ..core.events import JobChanged
from .context import Context, disk_is_full

log = logging.getLogger(__name__)
_MOST_BYTES = 4 << 20
_OPEN = 8


class JobLogs:
    """Appends lines ``{"at", "level", "text"}`` to ``logs/jobs/<id>.log``."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._states: dict[str, str] = {}
        self._files: dict[str, IO[str]] = {}

    def write(self, job_id: str, level: str, text: str) -> None:
        """One line; what belongs to no case goes to the pipeline's log."""
        if not job_id:
            log.info("worker: %s", text)
            return
        line = {"at": rfc3339(self._context.clock.now()), "level": level, "text": text}
        try:
            stream = self._file(job_id)
            if stream.tell() < _MOST_BYTES:
                stream.write(json.dumps(line) + "\n")
                stream.flush()
        except OSError as error:
            if not disk_is_full(error):
                raise
            log.warning("the log of %s is incomplete: the disk is full", job_id)

    def _file(self, job_id: str) -> IO[str]:
        found = self._files.get(job_id)
        if found is None:
            if len(self._files) >= _OPEN:
                self._files.pop(next(iter(self._files))).close()
            found = open(self._context.home.job_log(job_id), "a", encoding="ascii")  # noqa: SIM115 - kept open
            self._files[job_id] = found
        return found

    def on_event(self, event: Any) -> None:
        """Note each new state of a case."""
        if not isinstance(event, JobChanged) or self._states.get(event.job_id) == event.state:
            return
        self._states[event.job_id] = event.state
        self.write(event.job_id, "info", f"{event.state}: {event.message}".rstrip(": "))
        if event.state in states.ENDS:
            self._states.pop(event.job_id, None)
            stream = self._files.pop(event.job_id, None)
            if stream is not None:
                stream.close()

    def close(self) -> None:
        """Close what is open."""
        for stream in self._files.values():
            stream.close()
        self._files.clear()
