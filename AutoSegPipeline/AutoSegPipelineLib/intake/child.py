"""The intake child: ``python -m AutoSegPipelineLib.intake.child``.

Everything that reads content runs here, so that a file which makes a reader
hang or crash costs this process and not the pipeline.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import threading
import traceback
import warnings
from pathlib import Path
from typing import Any, Callable

from ..core.child_channel import ChildChannel
from ..core.errors import PipelineError
from ..core.files import is_disk_full
from ..core.messages.child_messages import Describe, Done, Failed, Heartbeat, Hello, Log
from ..core.messages.intake_messages import RunTask
from ..core.progress import Check

HEARTBEAT_SECONDS = 5.0


def _examine(args: dict[str, Any], check: Check) -> dict[str, object]:
    from .examine import examine

    return examine([str(path) for path in args.get("paths", [])], check)


def _copy(args: dict[str, Any], check: Check) -> dict[str, object]:
    from .durable_copy import copy_pairs

    return copy_pairs(args.get("pairs", []), check)


def _sync(args: dict[str, Any], check: Check) -> dict[str, Any]:
    from ..core.files import sync_paths

    sync_paths([str(path) for path in args.get("paths", [])])
    return {}


def _hand_over(args: dict[str, Any], check: Check) -> dict[str, Any]:
    from .received.handover_tasks import hand_over

    return hand_over(args)


def _resume_handovers(args: dict[str, Any], check: Check) -> dict[str, Any]:
    from .received.handover_tasks import resume

    return resume(args)


def _checkpoint(args: dict[str, Any], check: Check) -> dict[str, object]:
    from ..core.store.database import checkpoint

    checkpoint(Path(args["store"]))
    return {}


def _hash(args: dict[str, object], check: Check) -> dict[str, object]:
    from .durable_copy import hash_file

    return hash_file(str(args["path"]), check)


def _inspect(args: dict[str, object], check: Check) -> dict[str, object]:
    from .inspect import inspect

    return inspect(args, check)


def _archive_input(args: dict[str, Any], check: Check) -> dict[str, object]:
    from .ended_inputs import archive_input

    folder = archive_input(
        Path(args["folder"]), Path(args["parent"]), str(args["name"]), dict(args["reason"])
    )
    return {"folder": str(folder)}


def _fetch_back(args: dict[str, Any], check: Check) -> dict[str, object]:
    from .ended_inputs import fetch_back

    return {"id": fetch_back(Path(args["folder"]), Path(args["target"])).id}


def _link(args: dict[str, Any], check: Check) -> dict[str, object]:
    from .ended_inputs import link_files

    pairs = [(Path(source), Path(target)) for source, target in args["pairs"]]
    link_files(pairs, dict(args["names"]))
    return {}


def _divide(args: dict[str, Any], check: Check) -> dict[str, object]:
    from .case_folders import divide

    divide(Path(args["folder"]), args["parts"], args["done"], check)
    return {}


TASKS: dict[str, Callable[[dict[str, object], Check], dict[str, object]]] = {
    "examine": _examine,
    "copy": _copy,
    "sync": _sync,
    "hand_over": _hand_over,
    "resume_handovers": _resume_handovers,
    "checkpoint": _checkpoint,
    "hash": _hash,
    "inspect": _inspect,
    "archive_input": _archive_input,
    "fetch_back": _fetch_back,
    "link": _link,
    "divide": _divide,
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


def _beat(channel: ChildChannel, ended: threading.Event) -> None:
    while not ended.wait(HEARTBEAT_SECONDS):
        channel.send(Heartbeat())


def main() -> int:
    """Answer tasks one after the other until standard input closes."""
    channel = ChildChannel.take()
    if os.name != "nt":
        os.umask(0o077)
    # pydicom's warnings quote values of the header, and standard error goes to the pipeline's log.
    warnings.simplefilter("ignore")
    channel.start()
    channel.send(Hello(os.getpid(), "intake", platform.python_version()))
    ended = threading.Event()
    threading.Thread(target=_beat, args=(channel, ended), name="heartbeat", daemon=True).start()
    for envelope in channel.commands():
        if isinstance(envelope.message, RunTask):
            _answer(channel, envelope.message)
        elif isinstance(envelope.message, Describe):
            channel.send(Done({"tasks": sorted(TASKS)}))
    ended.set()
    return 0


if __name__ == "__main__":
    sys.exit(main())
