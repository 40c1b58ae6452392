"""The worker's main: ``python -m AutoSegPipelineLib.processing.worker``.

It speaks :mod:`AutoSegPipelineLib.core.protocol` with the pipeline, keeps its
libraries and models warm from case to case, and ends when its standard input
closes. ``PYTHONPATH`` must name the folder that holds ``AutoSegPipelineLib``.
"""

from __future__ import annotations

import errno
import os
import platform
import shutil
import sys
import threading
import time
import traceback

from .. import __version__
from ..core.child_channel import ChildChannel
from ..core.errors import PipelineError
from ..core.messages.child_messages import (
    Describe,
    Done,
    Failed,
    Heartbeat,
    Hello,
    Log,
    Progress,
    Stage,
    Unknown,
)  # fmt: skip
from ..core.messages.reader import plain
from ..core.messages.worker_messages import Guard, RunCase, used_texts
from ..core.protocol import ProtocolError
from . import heap
from .child_processes import end_children, guard

HEARTBEAT_SECONDS = 5.0
PROGRESS_SECONDS = 0.1  # more often than this nobody can see
NO_SPACE_BYTES = 1 << 20
_WINDOWS_DISK_FULL = (39, 112)  # ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL


class ChannelReport:
    """A :class:`~AutoSegPipelineLib.core.progress.Report` that speaks the worker protocol.

    A stage's 0..1 becomes its share of the whole case; progress never falls.
    """

    def __init__(self, channel: ChildChannel, engine_runs: bool) -> None:
        self._channel = channel
        self._engine_runs = engine_runs
        self._share = (0.0, 0.0)
        self._last = 0.0
        self._sent_at = 0.0

    def stage(self, state: str, message: str = "") -> None:
        """Say that ``state`` begins."""
        from .stage_progress import stage_share

        self._channel.check()
        self._share = stage_share(state, self._engine_runs)
        self._channel.send(Stage(state, message))
        self._sent_at = 0.0
        self.progress(0.0, message)

    def progress(self, fraction: float, message: str = "") -> None:
        """``fraction`` 0..1 of the current stage; raises ``Cancelled`` when asked to."""
        self._channel.check()
        start, end = self._share
        self._last = max(self._last, start + (end - start) * min(max(fraction, 0.0), 1.0))
        now = time.monotonic()
        if now - self._sent_at < PROGRESS_SECONDS and self._last < 1.0:
            return
        self._sent_at = now
        self._channel.send(Progress(round(self._last, 4), message[:500]))

    def log(self, text: str, level: str = "info") -> None:
        """Lines for the case's log."""
        send_log(self._channel, text, level)

    def check(self) -> None:
        """Raise ``Cancelled`` when the case was cancelled."""
        self._channel.check()


def send_log(channel: ChildChannel, text: str, level: str) -> None:
    """``text`` in pieces that fit a line of the protocol (a character may take 12 bytes there)."""
    for start in range(0, max(len(text), 1), 4000):
        channel.send(Log(text[start : start + 4000], level))


def _heartbeats(channel: ChildChannel, stop: threading.Event) -> None:
    from .heap import give_back_when_idle
    from .memory import used_mb

    while not stop.wait(HEARTBEAT_SECONDS):
        give_back_when_idle()
        channel.send(Heartbeat(round(used_mb(), 1)))


def as_pipeline_error(error: BaseException, folder: str) -> PipelineError:
    """The coded error that the pipeline is reported; ``folder`` is where the outputs were written."""
    disk_full = PipelineError("environment.disk_full", f"no space left while writing into {folder}")
    if isinstance(error, OSError):
        full = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
        if error.errno in full or getattr(error, "winerror", None) in _WINDOWS_DISK_FULL:
            return disk_full
    # A library that swallowed the system's error leaves a broken file, and a full disk or none at all.
    broken_write = isinstance(error, PipelineError) and error.code in ("export.failed", "export.verification")
    if folder and (broken_write or isinstance(error, OSError)) and not os.path.isdir(folder):
        return PipelineError("environment.results_unreachable", f"{folder} is gone or cannot be reached")
    if isinstance(error, PipelineError):
        return disk_full if broken_write and _is_full(folder) else error
    if isinstance(error, MemoryError):
        return PipelineError("engine.no_memory", "the memory did not suffice for this case")
    if _is_full(folder):
        return disk_full
    return PipelineError("pipeline.internal", f"{type(error).__name__}: {error}"[:2000])


def _is_full(folder: str) -> bool:
    try:
        return bool(folder) and shutil.disk_usage(folder).free < NO_SPACE_BYTES
    except OSError:
        return False


def _run_case(channel: ChildChannel, command: RunCase) -> None:
    folder = str(command.case.get("out", ""))
    try:
        from .case import Case
        from .process import process_case

        case = Case.from_dict(command.case)
        report = ChannelReport(channel, engine_runs=case.runs_engine)
        result = process_case(case, report)
        channel.send(Done(plain(result), *_memory()), str(case.work))
    except Exception as error:  # the job boundary: whatever happened, the pipeline is reported
        _fail(channel, error, folder)


def _fail(channel: ChildChannel, error: Exception, folder: str) -> None:
    known = as_pipeline_error(error, folder)
    if known is not error:
        send_log(
            channel, "".join(traceback.format_exception(type(error), error, error.__traceback__)), "error"
        )
    error_fields = {key: text[:4000] for key, text in known.to_dict().items()}
    channel.send(Failed(error_fields, used_texts(known.data.get("used") or {}), *_memory()))


def _memory() -> tuple[float, int]:
    """What this process holds, told when a case is over: heartbeats are too far apart for that."""
    from .memory import models_seen, used_mb

    return round(used_mb(), 1), models_seen()


def describe_engines() -> dict[str, object]:
    """What every engine is, can do and lacks on this machine."""
    from .engines import describe, engines

    return {"engines": [describe(engine) for engine in engines().values()]}


def _describe(channel: ChildChannel) -> None:
    try:
        import tempfile

        channel.send(Done(describe_engines()), tempfile.gettempdir())
    except Exception as error:  # the same boundary for a question
        _fail(channel, error, "")


def main() -> int:
    """Serve commands until ``quit`` or until the pipeline is gone."""
    channel = ChildChannel.take()
    stop = threading.Event()
    channel.start(on_closed=end_children)
    channel.send(Hello(os.getpid(), "worker", platform.python_version(), __version__))
    threading.Thread(target=_heartbeats, args=(channel, stop), name="heartbeat", daemon=True).start()
    for envelope in channel.commands():
        message = envelope.message
        if isinstance(message, RunCase):
            heap.case_begins()
            _run_case(channel, message)
            heap.case_ends()
        elif isinstance(message, Guard):
            guard(message.pid)
        elif isinstance(message, Describe):
            _describe(channel)
        else:
            kind = message.type if isinstance(message, Unknown) else message.TYPE
            error = ProtocolError(f"the worker does not know {kind!r}")
            channel.send(Failed(error.to_dict()))
    stop.set()
    end_children()
    return 0


if __name__ == "__main__":
    sys.exit(main())
