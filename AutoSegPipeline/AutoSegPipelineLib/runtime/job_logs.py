"""One log per case: JSON lines with what its worker said and which states it went through."""

from __future__ import annotations

import json
import logging
from typing import IO

from ..core import states
from ..core.clock import rfc3339
from ..core.events import JobChanged
from .context import Context, disk_is_full

log = logging.getLogger(__name__)
_MOST_BYTES = 4 << 20
_OPEN = 8


class JobLogs:
    """Appends lines ``{"at", "level", "text"}`` to ``logs/jobs/<id>.log``.

    A case that only waits has no file yet: ten thousand of them would take longer to
    log than to take in. Its first line brings the earlier states from its row.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._states: dict[str, str] = {}
        self._files: dict[str, IO[str]] = {}

    def write(self, job_id: str, level: str, text: str) -> None:
        """One line; what belongs to no case goes to the pipeline's log."""
        if not job_id:
            log.info("worker: %s", text)
            return
        try:
            stream = self._file(job_id)
            if stream.tell() < _MOST_BYTES:
                stream.write(_line(rfc3339(self._context.clock.now()), level, text))
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
            if found.tell() == 0:
                self._begin(job_id, found)
        return found

    def _begin(self, job_id: str, stream: IO[str]) -> None:
        job = self._context.store.jobs.find(job_id)
        if job is None:
            return
        for name, at in job.times.items():
            if name in states.WAITING and name != job.state:
                stream.write(_line(at, "info", name))

    def on_event(self, event: object) -> None:
        """Note each new state of a case."""
        if not isinstance(event, JobChanged) or self._states.get(event.job_id) == event.state:
            return
        if event.state in states.WAITING and not self._context.home.job_log(event.job_id).exists():
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


def _line(at: str, level: str, text: str) -> str:
    return json.dumps({"at": at, "level": level, "text": text}) + "\n"
