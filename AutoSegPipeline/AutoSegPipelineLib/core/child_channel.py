"""The child's end of the protocol: commands come from standard input, messages go to standard output.

A child leads a session of its own (POSIX) and ends when its standard input
closes, with everything that it started: a pipeline that was killed leaves
nothing behind. It ignores Ctrl+C, because a console sends that to every
process and the pipeline decides who stops.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from dataclasses import replace
from typing import BinaryIO, Callable, Iterator, NoReturn

from .errors import Cancelled
from .messages.child_messages import Cancel, Log, Message, Quit
from .protocol import Envelope, Key, LineBuffer, ProtocolError, decode, encode


class ChildChannel:
    """The child's end: reads commands on a thread, so that ``cancel`` is seen at once.

    ``take()`` must be the first statement of a child's main: from then on file
    descriptor 1 is standard error, so no library's print can reach the protocol.
    """

    def __init__(self, out: BinaryIO, source: BinaryIO) -> None:
        self._out = out
        self._source = source
        self._lock = threading.Lock()
        self._commands: queue.Queue[Envelope | None] = queue.Queue()
        self._cancelled: set[Key] = set()
        self._current: Key | None = None
        self._on_closed: Callable[[], None] | None = None
        self._asked_to_quit = False

    @classmethod
    def take(cls) -> ChildChannel:
        """Duplicate standard output for the protocol and point 1 at 2."""
        sys.stdout.flush()
        out = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        # A protocol pipe that a grandchild inherits would never close for the reader.
        os.set_inheritable(out.fileno(), False)
        source = os.fdopen(os.dup(0), "rb", buffering=0)
        os.set_inheritable(source.fileno(), False)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if hasattr(signal, "SIGBREAK"):  # Windows: Ctrl+Break and closing the console
            signal.signal(signal.SIGBREAK, signal.SIG_IGN)
        _lead_a_session()
        return cls(out, source)

    def start(self, on_closed: Callable[[], None] | None = None) -> None:
        """Read commands from now on.

        When the pipeline is gone ``on_closed`` runs, then :func:`end_own_group`. An idle
        child that was told to quit first is left alone: it ends by itself, with its exit code.
        """
        self._on_closed = on_closed
        threading.Thread(target=self._read, name="commands", daemon=True).start()

    def _read(self) -> None:
        try:
            for line in _lines(self._source):
                self._take_line(line)
        except ProtocolError as error:
            self.send(Log(str(error), "error"))
        finally:
            self._commands.put(None)
            if not (self._asked_to_quit and self._current is None):
                if self._on_closed is not None:
                    self._on_closed()
                end_own_group()

    def _take_line(self, line: bytes) -> None:
        envelope = decode(line)
        if isinstance(envelope.message, Cancel):
            with self._lock:
                self._cancelled.add(envelope.key)
        else:
            self._asked_to_quit = self._asked_to_quit or isinstance(envelope.message, Quit)
            self._commands.put(envelope)

    def commands(self) -> Iterator[Envelope]:
        """Each command in turn, until ``quit`` or until the pipeline is gone."""
        while True:
            envelope = self._commands.get()
            if envelope is None or isinstance(envelope.message, Quit):
                return
            self._current = envelope.key
            try:
                yield envelope
            finally:  # also when nobody asks for the next one
                with self._lock:
                    self._cancelled.discard(self._current)
                self._current = None

    @property
    def cancelled(self) -> bool:
        """Whether the command at hand was cancelled."""
        with self._lock:
            return self._current in self._cancelled

    def check(self) -> None:
        """Raise :class:`~.errors.Cancelled` when the command at hand was cancelled."""
        if self.cancelled:
            raise Cancelled()

    def send(self, message: Message, folder: str = "") -> None:
        """Write a message about the command at hand; see :meth:`post`."""
        self.post(Envelope(message, folder=folder))

    def post(self, envelope: Envelope) -> None:
        """Write one message; safe from any thread. A closed pipe ends the child."""
        if self._current is not None and not envelope.job:
            envelope = replace(envelope, job=self._current[0], attempt=self._current[1])
        line = encode(envelope)
        with self._lock:
            view = memoryview(line)
            try:
                while view:
                    view = view[self._out.write(view) or 0 :]
            except (BrokenPipeError, ValueError, OSError):
                # The pipeline is gone: nobody reads what this child would say.
                end_own_group()


def _lead_a_session() -> None:
    """POSIX: a group of its own, so that the whole tree can be ended and a terminal's signals pass by."""
    if sys.platform != "win32":
        try:
            os.setsid()
        except PermissionError:
            pass  # whoever started it has made it a leader already


def end_own_group() -> NoReturn:
    """End this child and all that it started, at once.

    On Windows the job object, which closes with the pipeline, ends the others.
    """
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)


def _lines(source: BinaryIO) -> Iterator[bytes]:
    buffer = LineBuffer()
    while True:
        try:
            data = source.read(65536)
        except OSError:
            return
        if not data:
            return
        yield from buffer.feed(data)
