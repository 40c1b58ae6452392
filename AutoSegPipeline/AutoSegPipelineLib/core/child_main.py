"""What the mains of child processes have in common."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import threading
from typing import Callable, Iterator

from .child_channel import ChildChannel
from .errors import PipelineError
from .messages.child_messages import Failed, Heartbeat, Hello, Log, Serve
from .messages.intake_messages import RunTask
from .protocol import Envelope

HEARTBEAT_SECONDS = 5.0
_LONGEST = 8000  # characters of a record: a line of the protocol is bounded


def take_channel() -> ChildChannel:
    """:meth:`.child_channel.ChildChannel.take`; the files of this process belong to its user alone."""
    channel = ChildChannel.take()
    if os.name != "nt":
        os.umask(0o077)
    return channel


@contextlib.contextmanager
def heartbeats(channel: ChildChannel) -> Iterator[None]:
    """Tell the pipeline every few seconds that this process is alive, until the block ends."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            channel.send(Heartbeat())

    threading.Thread(target=beat, name="heartbeat", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def serve_first(channel: ChildChannel, serve: Callable[[Serve, Iterator[Envelope]], None]) -> int:
    """Call ``serve`` with the first ``serve`` message and the commands after it, which it takes to their end.

    The exit code: 1 where it raised :class:`.errors.PipelineError`, which the pipeline hears as ``failed``;
    0 otherwise, also where ``quit`` came first.
    """
    commands = channel.commands()
    with heartbeats(channel):
        first = next((one.message for one in commands if isinstance(one.message, Serve)), None)
        try:
            if first is not None:
                serve(first, commands)
        except PipelineError as error:
            channel.send(Failed(error.to_dict()))
            return 1
    return 0


def answer_tasks(name: str, answer: Callable[[ChildChannel, RunTask], None]) -> int:
    """Say hello as ``name`` and ``answer`` tasks one after the other until standard input closes.

    ``answer`` sends one ``done`` or ``failed`` for each. Returns the exit code.
    """
    channel = take_channel()
    channel.start()
    channel.send(Hello(os.getpid(), name, platform.python_version()))
    for envelope in channel.commands():
        if isinstance(envelope.message, RunTask):
            answer(channel, envelope.message)
    return 0


class LogToPipeline(logging.Handler):
    """Log records as ``log`` messages."""

    def __init__(self, channel: ChildChannel) -> None:
        super().__init__(logging.INFO)
        self._channel = channel
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._channel.send(Log(self.format(record)[-_LONGEST:], record.levelname.lower()))
