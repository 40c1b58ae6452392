"""What a bundle's worker writes while it works: heartbeats, progress, the case's log."""

from __future__ import annotations

import logging
import platform
from contextlib import suppress
from dataclasses import replace
from typing import IO, Callable

from ... import __version__
from ...core import eta
from ...core.bundles.claims import Claim, Owner
from ...core.bundles.layout import PROGRESS, WORKERS, Bundle, CaseProgress, WorkerAlive
from ...core.clock import Clock, rfc3339
from ...core.files import write_json
from ...core.messages.reader import plain

log = logging.getLogger(__name__)
HEARTBEAT_SECONDS = 5.0
_PROGRESS_SECONDS = 1.0  # a share has better things to do than to show every percent
_MOST_LOG_BYTES = 4 << 20


class Notes:
    """Writes the worker's file and those of the case at hand; a share that fails costs the note alone."""

    def __init__(self, bundle: Bundle, owner: Owner, clock: Clock) -> None:
        self._clock = clock
        self._place = bundle.path / WORKERS / f"{owner.host}-{owner.pid}.json"
        self.worker = WorkerAlive(
            0, owner.host, owner.pid, owner.scheduler_job, __version__, platform.python_version()
        )
        self._claim: Claim | None = None
        self._progress = CaseProgress(0)
        self._begun = 0.0
        self._written = 0.0
        self._changed = False
        self._log: IO[str] | None = None
        self._log_bytes = 0

    def begin(self, claim: Claim) -> None:
        """The case at hand from now on."""
        self._claim = claim
        # Another claim's count may have been higher: what matters is that it changes.
        owner = self.worker
        self._progress = CaseProgress(
            0, claim.number, host=owner.host, pid=owner.pid, scheduler_job=owner.scheduler_job
        )
        self._begun = self._clock.monotonic()
        self._log = None
        self._log_bytes = 0
        self.worker = replace(owner, case=claim.folder.name)
        self._write_progress()

    def end(self, done: bool) -> None:
        """No case is at hand; ``done`` adds one to those with a result."""
        self._close_log()
        self._claim = None
        self.worker = replace(self.worker, case="", done=self.worker.done + done)

    def stage(self, name: str, message: str = "") -> None:
        """The case enters a stage."""
        self._progress = replace(self._progress, stage=name, message=message or self._progress.message)
        self._changed = True

    def progress(self, fraction: float, message: str = "") -> None:
        """``fraction`` 0..1 of the case; it never falls."""
        so_far = min(max(fraction, self._progress.progress), 1.0)
        left = eta.remaining(None, self._clock.monotonic() - self._begun, so_far)
        self._progress = replace(
            self._progress,
            progress=so_far,
            message=message or self._progress.message,
            eta_s=None if left is None else round(left, 1),
        )
        self._changed = True

    def tick(self) -> None:
        """Now and then: write what changed, and the heartbeat when it is due."""
        silent = self._clock.monotonic() - self._written
        if silent >= HEARTBEAT_SECONDS or (self._changed and silent >= _PROGRESS_SECONDS):
            self._write_progress()

    def heartbeat(self) -> None:
        """Write the worker's own file."""
        self.worker = replace(self.worker, count=self.worker.count + 1)
        self._try(lambda: self._place.parent.mkdir(exist_ok=True))
        self._try(lambda: write_json(self._place, plain(self.worker), durable=False))

    def _write_progress(self) -> None:
        self._written, self._changed = self._clock.monotonic(), False
        if self._claim is None:
            return
        self._progress = replace(self._progress, count=self._progress.count + 1)
        path = self._claim.folder.path / PROGRESS
        self._try(lambda: write_json(path, plain(self._progress), durable=False))

    def log(self, level: str, text: str) -> None:
        """A line of the case's log, ``TIME LEVEL TEXT``; without a case at hand one of this process's."""
        if self._claim is None:
            log.info("%s: %s", level, text)
            return
        lines = "".join(
            f"{rfc3339(self._clock.now())} {level} {line}\n" for line in text.splitlines() or [""]
        )
        self._log_bytes += len(lines)
        if self._log_bytes <= _MOST_LOG_BYTES:
            self._try(lambda: self._append(lines))

    def _append(self, lines: str) -> None:
        assert self._claim is not None
        if self._log is None:
            self._log = open(self._claim.folder.log, "a", encoding="utf-8", errors="replace")  # noqa: SIM115 - kept open
        try:
            self._log.write(lines)
            self._log.flush()
        except OSError:
            self._close_log()  # the next line opens it again: this file may have ended with the share
            raise

    def _close_log(self) -> None:
        log_file, self._log = self._log, None
        if log_file is not None:
            with suppress(OSError):  # what could not be written before is tried once more by close
                log_file.close()

    def _try(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            log.warning("a note could not be written: %s", error)
