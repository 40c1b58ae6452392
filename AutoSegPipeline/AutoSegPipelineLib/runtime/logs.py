"""The pipeline's log: JSON lines in ``logs/pipeline.jsonl``, rotated by size."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from logging.handlers import RotatingFileHandler
from pathlib import Path

from ..core import states
from ..core.clock import rfc3339
from ..core.errors import PipelineError
from ..core.events import AlarmRaised, Event, JobChanged
from ..core.files import is_disk_full, is_sharing_violation

NAME = "pipeline.jsonl"
LIBRARY = __package__.split(".", maxsplit=1)[0]  # the logger above all of ours


class JsonLines(logging.Formatter):
    """One JSON object a line: ``at`` (RFC 3339 UTC), ``level``, ``logger``, ``message``, ``trace``."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["trace"] = _trace(record.exc_info[1])
        return json.dumps(line, ensure_ascii=True)


def _trace(error: BaseException | None) -> str:
    """The traceback; of our own errors only the code, because their words name the file or series."""
    lines = traceback.format_exception(type(error), error, error.__traceback__) if error else []
    text = "".join(lines)
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        if isinstance(error, PipelineError) and error.message:
            text = text.replace(str(error), error.code).replace(error.message, error.code)
        error = error.__cause__ or error.__context__
    return text


class RotatedLog(RotatingFileHandler):
    """A rotated file that never harms the work it tells about."""

    lost = 0  # records that a full disk or an unreachable folder did not take

    def doRollover(self) -> None:
        """Begin a new file; where Windows has the old one open elsewhere it just grows on."""
        try:
            super().doRollover()
        except OSError as error:
            if not is_sharing_violation(error):
                raise
            if self.stream is None:
                self.stream = self._open()

    def handleError(self, record: logging.LogRecord) -> None:
        """Count what a full disk swallowed; anything else is a fault of ours and is shown."""
        error = sys.exc_info()[1]
        expected = isinstance(error, (PermissionError, FileNotFoundError))
        if error is not None and (expected or is_disk_full(error)):
            self.lost += 1
            return
        super().handleError(record)


def log_to(folder: Path, megabytes: int, files: int, level: int = logging.INFO) -> RotatedLog:
    """Write the library's records into ``folder`` from now on; :func:`stop_logging` takes it back."""
    handler = RotatedLog(
        folder / NAME, maxBytes=megabytes << 20, backupCount=files, encoding="utf-8", delay=True
    )
    handler.setFormatter(JsonLines())
    logger = logging.getLogger(LIBRARY)
    logger.addHandler(handler)
    logger.setLevel(level)
    # Standard error belongs to the command line's own words.
    logger.propagate = False
    return handler


def stop_logging(handler: logging.Handler) -> None:
    """Close ``handler`` and forget it."""
    logging.getLogger(LIBRARY).removeHandler(handler)
    handler.close()


class EventLog:
    """Writes what happened to every job into the log, by id: names may be patients' names."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._log = logging.getLogger(__name__)

    def hear(self, event: Event) -> None:
        """A listener for the event bus; news within one state are no line."""
        if isinstance(event, JobChanged):
            if self._states.get(event.job_id) == event.state:
                return
            self._states[event.job_id] = event.state
            self._log.info("job %s is %s", event.job_id, event.state)
            if event.state in states.ENDS:
                del self._states[event.job_id]
        elif isinstance(event, AlarmRaised):
            self._log.warning("%s: %s", event.code, event.message)
