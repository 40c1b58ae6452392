"""The language of the pipeline and its child processes.

One ASCII JSON object a line, at most :data:`MAX_LINE` bytes. Every message has
``v`` (:data:`VERSION`), ``type`` and, where it belongs to one, ``job`` and
``attempt``. The pipeline writes to the child's standard input, the child to
the standard output that it had at start:

=========  =====================================================================
to child   ``case`` (worker), ``task`` (intake child: ``{"task": NAME, "args": {}}``),
           ``describe``, ``cancel``, ``quit``
to parent  ``hello`` (pid, python, what), ``stage``, ``progress``, ``log``,
           ``done`` (``result``), ``failed`` (``error``: code, message, hint), ``heartbeat``
=========  =====================================================================

A child leads a session of its own (POSIX) and ends when its standard input
closes, with everything that it started: a pipeline that was killed leaves
nothing behind. It ignores Ctrl+C, because a console sends that to every
process and the pipeline decides who stops.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from typing import Any, BinaryIO, Callable, Iterator, NoReturn

from .errors import Cancelled, PipelineError

VERSION = 1
MAX_LINE = 64 * 1024

Message = dict  # a decoded line: str keys, JSON values


class ProtocolError(PipelineError):
    """A line that is not of this protocol."""

    def __init__(self, message: str) -> None:
        super().__init__("worker.protocol", message)

    def __reduce__(self) -> tuple[Any, ...]:
        return (ProtocolError, (self.message,))


def encode(message: dict[str, Any]) -> bytes:
    """One line with its newline; raises :class:`ProtocolError` when it is too long."""
    line = json.dumps({"v": VERSION, **message}, ensure_ascii=True, allow_nan=False).encode("ascii")
    if len(line) >= MAX_LINE:
        raise ProtocolError(f"a {message.get('type')} message of {len(line)} bytes is too long")
    return line + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The message of one line (with or without its newline)."""
    if len(line) > MAX_LINE:
        raise ProtocolError(f"a line of {len(line)} bytes is too long")
    try:
        message = json.loads(line.decode("ascii"))
    except ValueError as error:
        raise ProtocolError(f"not a message: {line[:80]!r}") from error
    if not isinstance(message, dict) or message.get("v") != VERSION or "type" not in message:
        raise ProtocolError(f"not a message of version {VERSION}: {line[:80]!r}")
    return message


class LineBuffer:
    """Cuts a stream of bytes into lines; the part after the last newline waits."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Each whole line in ``data`` and what waited before it, without newline."""
        self._rest += data
        while True:
            end = self._rest.find(b"\n")
            if end < 0:
                if len(self._rest) > MAX_LINE:
                    del self._rest[:]
                    raise ProtocolError("a line without an end")
                return
            line = bytes(self._rest[:end])
            del self._rest[: end + 1]
            if line:
                yield line


class ChildChannel:
    """The child's end: reads commands on a thread, so that ``cancel`` is seen at once.

    ``take()`` must be the first statement of a child's main: from then on file
    descriptor 1 is standard error, so no library's print can reach the protocol.
    """

    def __init__(self, out: BinaryIO, source: BinaryIO) -> None:
        self._out = out
        self._source = source
        self._lock = threading.Lock()
        self._commands: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._cancelled: set[tuple[str, int]] = set()
        self._current: tuple[str, int] | None = None
        self._on_closed: Callable[[], None] | None = None
        self._told_to_quit = False

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
            self.send({"type": "log", "level": "error", "text": str(error)})
        finally:
            self._commands.put(None)
            if not (self._told_to_quit and self._current is None):
                if self._on_closed is not None:
                    self._on_closed()
                end_own_group()

    def _take_line(self, line: bytes) -> None:
        message = decode(line)
        if message["type"] == "cancel":
            with self._lock:
                self._cancelled.add(_key(message))
        else:
            self._told_to_quit = self._told_to_quit or message["type"] == "quit"
            self._commands.put(message)

    def commands(self) -> Iterator[dict[str, Any]]:
        """Each command in turn, until ``quit`` or until the pipeline is gone."""
        while True:
            message = self._commands.get()
            if message is None or message["type"] == "quit":
                return
            self._current = _key(message)
            try:
                yield message
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

    def send(self, message: dict[str, Any]) -> None:
        """Write one message; safe from any thread. A closed pipe ends the child."""
        if self._current is not None and "job" not in message:
            message = {"job": self._current[0], "attempt": self._current[1], **message}
        line = encode(message)
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


def _key(message: dict[str, Any]) -> tuple[str, int]:
    return (str(message.get("job", "")), int(message.get("attempt", 0)))


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


def pack(kind: str, payload: dict[str, Any], folder: str) -> dict[str, Any]:
    """``{kind: payload}``, or ``{kind_file: path}`` in ``folder`` when it is too long for a line."""
    if len(json.dumps(payload)) < MAX_LINE // 2:
        return {kind: payload}
    path = os.path.join(folder, f"{kind}-{os.getpid()}-{os.urandom(6).hex()}.json")
    os.makedirs(folder, exist_ok=True)
    with open(path, "w", encoding="ascii") as stream:
        json.dump(payload, stream)
    return {f"{kind}_file": path}


def unpack(kind: str, message: dict[str, Any]) -> dict[str, Any]:
    """The inverse of :func:`pack`; the file is removed once it was read."""
    if kind in message:
        return dict(message[kind] or {})
    path = message.get(f"{kind}_file")
    if not path:
        return {}
    with open(path, encoding="ascii") as stream:
        payload = json.load(stream)
    os.unlink(path)
    return dict(payload)
