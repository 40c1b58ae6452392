"""The intake child: ``python -m AutoSegPipelineLib.intake.child``.

Everything that reads content runs here, so that a file which makes a reader
hang or crash costs this process and not the pipeline.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import Callable, TypeVar

from ..core.child_channel import ChildChannel
from ..core.child_main import heartbeats, take_channel
from ..core.errors import PipelineError
from ..core.files import is_disk_full
from ..core.messages.child_messages import Describe, Done, Failed, Hello, Log
from ..core.messages.examined_files import Examined
from ..core.messages.found_cases import Inspected
from ..core.messages.handover_messages import HandedOver, HandOver, Resumed, ResumeHandovers
from ..core.messages.intake_messages import (
    ArchivedInput,
    ArchiveInput,
    Checkpoint,
    Copied,
    Copy,
    Divide,
    Examine,
    FetchBack,
    FetchedBack,
    Hash,
    Hashed,
    Inspect,
    Link,
    Nothing,
    RunTask,
    Sync,
)
from ..core.messages.reader import ProtocolError, plain, read
from ..core.progress import Check

T = TypeVar("T")
_Run = Callable[["dict[str, object]", Check], "dict[str, object]"]


def _examine(task: Examine, check: Check) -> Examined:
    from .examine import examine

    return examine(task.paths, check)


def _copy(task: Copy, check: Check) -> Copied:
    from .durable_copy import copy_pairs

    return copy_pairs(task.pairs, check)


def _sync(task: Sync, check: Check) -> Nothing:
    from ..core.files import sync_paths

    sync_paths(task.paths)
    return Nothing()


def _hand_over(task: HandOver, check: Check) -> HandedOver:
    from .received.handover_tasks import hand_over

    return hand_over(task)


def _resume_handovers(task: ResumeHandovers, check: Check) -> Resumed:
    from .received.handover_tasks import resume

    return resume(task)


def _checkpoint(task: Checkpoint, check: Check) -> Nothing:
    from ..core.store.database import checkpoint

    checkpoint(Path(task.store))
    return Nothing()


def _hash(task: Hash, check: Check) -> Hashed:
    from .durable_copy import hash_file

    return hash_file(task.path, check)


def _inspect(task: Inspect, check: Check) -> Inspected:
    from .inspect import inspect

    return inspect(task, check)


def _archive_input(task: ArchiveInput, check: Check) -> ArchivedInput:
    from .ended_inputs import archive_input

    return ArchivedInput(str(archive_input(Path(task.folder), Path(task.parent), task.name, task.reason)))


def _fetch_back(task: FetchBack, check: Check) -> FetchedBack:
    from .ended_inputs import fetch_back

    return FetchedBack(fetch_back(Path(task.folder), Path(task.target)).id)


def _link(task: Link, check: Check) -> Nothing:
    from .ended_inputs import link_files

    link_files([(Path(source), Path(target)) for source, target in task.pairs], task.names)
    return Nothing()


def _divide(task: Divide, check: Check) -> Nothing:
    from .case_folders import divide

    divide(Path(task.folder), task.parts, task.done, check)
    return Nothing()


def _row(kind: type[T], do: Callable[[T, Check], object]) -> _Run:
    """Arguments are read and checked here, answers become JSON values."""

    def run(args: dict[str, object], check: Check) -> dict[str, object]:
        try:
            task = read(kind, args)
        except ProtocolError as error:
            raise PipelineError("request.invalid", error.message) from None
        return plain(do(task, check))

    return run


TASKS: dict[str, _Run] = {
    Examine.NAME: _row(Examine, _examine),
    Copy.NAME: _row(Copy, _copy),
    Sync.NAME: _row(Sync, _sync),
    HandOver.NAME: _row(HandOver, _hand_over),
    ResumeHandovers.NAME: _row(ResumeHandovers, _resume_handovers),
    Checkpoint.NAME: _row(Checkpoint, _checkpoint),
    Hash.NAME: _row(Hash, _hash),
    Inspect.NAME: _row(Inspect, _inspect),
    ArchiveInput.NAME: _row(ArchiveInput, _archive_input),
    FetchBack.NAME: _row(FetchBack, _fetch_back),
    Link.NAME: _row(Link, _link),
    Divide.NAME: _row(Divide, _divide),
}


def run_task(name: str, args: dict[str, object], check: Check) -> dict[str, object]:
    """The answer of one task; raises :class:`PipelineError` with a code for whatever went wrong."""
    task = TASKS.get(name)
    if task is None:
        raise PipelineError("request.invalid", f"The intake child knows no task {name!r}.")
    try:
        return task(args, check)
    except OSError as error:
        raise _of_the_system(error) from error
    except MemoryError as error:
        raise PipelineError("input.too_large", "The memory of this machine does not suffice.") from error


def _of_the_system(error: OSError) -> PipelineError:
    """A full disk makes the case wait; a disk that cannot be read refuses it."""
    if is_disk_full(error):
        where = f" to {os.path.dirname(str(error.filename))}" if error.filename else ""
        return PipelineError("environment.disk_full", f"Writing{where} failed: {error.strerror or error}.")
    where = str(error.filename or "A file")
    return PipelineError("input.unreadable", f"{where}: {error.strerror or error}.")


def _answer(channel: ChildChannel, command: RunTask) -> None:
    """The job boundary: whatever happens in a task becomes one ``done`` or ``failed``."""
    folder = tempfile.gettempdir()
    try:
        result = run_task(command.task, command.args, channel.check)
        channel.send(Done(result), folder)
    except PipelineError as error:
        channel.send(Failed(error.to_dict()))
    except Exception as error:  # a defect of ours: reported with its traceback, never swallowed
        name = type(error).__name__
        # Where, not the error's words: they may quote a header, and the pipeline's log names no patient.
        text = "".join(traceback.format_tb(error.__traceback__)) + name
        channel.send(Log(text[-8000:], "error"))
        failure = PipelineError(
            "pipeline.internal", f"The task {command.task} failed: {name}: {error}"[:2000]
        )
        channel.send(Failed(failure.to_dict()))


def main() -> int:
    """Answer tasks one after the other until standard input closes."""
    channel = take_channel()
    # pydicom's warnings quote values of the header, and standard error goes to the pipeline's log.
    warnings.simplefilter("ignore")
    channel.start()
    channel.send(Hello(os.getpid(), "intake", platform.python_version()))
    with heartbeats(channel):
        for envelope in channel.commands():
            if isinstance(envelope.message, RunTask):
                _answer(channel, envelope.message)
            elif isinstance(envelope.message, Describe):
                channel.send(Done({"tasks": sorted(TASKS)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
