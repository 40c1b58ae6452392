"""The language of the pipeline and its child processes.

One ASCII JSON object a line, at most :data:`MAX_LINE` bytes. Every message has
``v`` (:data:`VERSION`), ``type`` and, where it belongs to one, ``job`` and
``attempt``. The pipeline writes to the child's standard input, the child to
the standard output that it had at start:

=========  =====================================================================
to child   ``case`` (worker), ``task`` (intake child: ``{"task": NAME, "args": {}}``),
           ``serve`` (one that is kept running), ``describe``, ``cancel``, ``quit``;
           those of :mod:`.messages.cluster_messages` (cluster child)
to parent  ``hello`` (pid, python, what), ``stage``, ``progress``, ``log``,
           ``done`` (``result``), ``failed`` (``error``: code, message, hint), ``heartbeat``
=========  =====================================================================
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Iterator, Mapping, Tuple

from .messages.child_messages import (
    Cancel,
    Describe,
    Done,
    Failed,
    Heartbeat,
    Hello,
    Log,
    Message,
    Progress,
    Quit,
    Serve,
    Stage,
    Unknown,
)  # fmt: skip
from .messages.cluster_messages import (
    AllSent,
    CaseAt,
    CaseBack,
    CaseDone,
    CaseFailed,
    CaseSettled,
    ClusterState,
    GiveUpAll,
    GiveUpCase,
    PackCase,
    SendBundle,
)
from .messages.intake_messages import RunTask
from .messages.reader import ProtocolError, as_object, plain, read
from .messages.web_messages import Serving
from .messages.worker_messages import Guard, RunCase

VERSION = 1
MAX_LINE = 64 * 1024
Key = Tuple[str, int]  # job and attempt of a command

MESSAGES: dict[str, type[Message]] = {
    kind.TYPE: kind
    for kind in (
        AllSent, Cancel, CaseAt, CaseBack, CaseDone, CaseFailed, CaseSettled, ClusterState, Describe, Done,
        Failed, GiveUpAll, GiveUpCase, Guard, Heartbeat, Hello, Log, PackCase, Progress, Quit, RunCase,
        RunTask, SendBundle, Serve, Serving, Stage,
    )
}  # fmt: skip


@dataclass(frozen=True)
class Envelope:
    """A message with the command it belongs to; ``job`` is empty where it belongs to none.

    ``folder`` is not sent: a payload that is too long for a line is written there.
    """

    message: Message
    job: str = ""
    attempt: int = 0
    folder: str = ""

    @property
    def key(self) -> Key:
        """The command it belongs to."""
        return (self.job, self.attempt)


def encode(envelope: Envelope) -> bytes:
    """One line with its newline.

    Raises :class:`ProtocolError` when it is too long, :class:`OSError` when a long payload
    cannot be written to ``envelope.folder``.
    """
    message = envelope.message
    fields = {name: value for name, value in plain(message).items() if value is not None}
    payload = fields.get(message.PAYLOAD)
    if isinstance(payload, dict) and envelope.folder:
        del fields[message.PAYLOAD]
        fields.update(pack(message.PAYLOAD, payload, envelope.folder))
    about = {"job": envelope.job, "attempt": envelope.attempt} if envelope.job else {}
    return to_line({"type": message.TYPE, **about, **fields})


def decode(line: bytes) -> Envelope:
    """The message of one line (with or without its newline), its payload read from the file that it names.

    Raises :class:`ProtocolError`, which names the field that is missing or of the wrong type.
    """
    fields = from_line(line)
    about = read(_About, fields)
    kind = MESSAGES.get(about.type)
    if kind is None:
        return Envelope(Unknown(about.type), about.job, about.attempt)
    if kind.PAYLOAD and f"{kind.PAYLOAD}_file" in fields and kind.PAYLOAD not in fields:
        fields[kind.PAYLOAD] = unpack(kind.PAYLOAD, fields)
    return Envelope(read(kind, fields, about.type), about.job, about.attempt)


@dataclass(frozen=True)
class _About:
    """What every line has."""

    type: str
    job: str = ""
    attempt: int = 0


def to_line(fields: Mapping[str, object]) -> bytes:
    """The line of a message that is a JSON object; raises :class:`ProtocolError` when it is too long."""
    line = json.dumps({"v": VERSION, **fields}, ensure_ascii=True, allow_nan=False).encode("ascii")
    if len(line) >= MAX_LINE:
        raise ProtocolError(f"a {fields.get('type')} message of {len(line)} bytes is too long")
    return line + b"\n"


def from_line(line: bytes) -> dict[str, object]:
    """The JSON object of one line, of which only the version is checked."""
    if len(line) > MAX_LINE:
        raise ProtocolError(f"a line of {len(line)} bytes is too long")
    try:
        fields = json.loads(line.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not a message: {line[:80]!r}") from error
    if not isinstance(fields, dict) or fields.get("v") != VERSION or "type" not in fields:
        raise ProtocolError(f"not a message of version {VERSION}: {line[:80]!r}")
    return fields


class LineBuffer:
    """Cuts a stream of bytes into lines; the part after the last newline waits."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Each complete line in ``data`` and what waited before it, without newline."""
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


def pack(kind: str, payload: Mapping[str, object], folder: str) -> dict[str, object]:
    """``{kind: payload}``, or ``{kind_file: path}`` in ``folder`` when it is too long for a line."""
    if len(json.dumps(payload)) < MAX_LINE // 2:
        return {kind: payload}
    path = os.path.join(folder, f"{kind}-{os.getpid()}-{os.urandom(6).hex()}.json")
    os.makedirs(folder, exist_ok=True)
    with open(path, "w", encoding="ascii") as stream:
        json.dump(payload, stream)
    return {f"{kind}_file": path}


def unpack(kind: str, fields: Mapping[str, object]) -> dict[str, object]:
    """The inverse of :func:`pack`; the file is removed once it was read."""
    if kind in fields:
        return as_object(fields[kind], kind)
    path = fields.get(f"{kind}_file")
    if not isinstance(path, str):
        raise ProtocolError(f"{kind} is missing")
    try:
        with open(path, encoding="ascii") as stream:
            payload = json.load(stream)
        os.unlink(path)
    except (OSError, ValueError, RecursionError) as error:
        raise ProtocolError(f"the file of {kind} cannot be read: {error}") from error
    return as_object(payload, kind)
