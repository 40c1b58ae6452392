"""One association from its first byte to its last, in a thread of its own.

It answers C-STORE and C-ECHO and nothing else. pynetdicom's own acceptor passes every PDU through two
threads and several queues, which took eight times as long as dcmtk (decision 0012).
"""

from __future__ import annotations

import hashlib
import logging
import socket
import ssl
from dataclasses import dataclass
from typing import Protocol

from . import commands
from .admission import Denied, Sender
from .commands import ECHO_REQUEST, STORE_REQUEST, Request
from .instance_file import InstanceFile
from .negotiation import (
    LONGEST_PDU,
    RELEASED,
    Context,
    aborting,
    accepting,
    read_proposal,
    rejecting,
)
from .offered import REFUSED
from .wire import Disconnected, Wire

log = logging.getLogger(__name__)

REQUEST_SECONDS = 30.0  # until a connection has asked for an association
SILENT_SECONDS = 120.0  # between two pieces of an association
LONGEST_REQUEST = 1 << 20
LONGEST_COMMAND = 1 << 16
_RQ, _DATA, _RELEASE, _ABORT = 1, 4, 5, 7
_UNEXPECTED, _INVALID = 2, 6
_SLACK = 64  # some count headers differently


class Stopped(Exception):
    """The peer broke the protocol: it hears an A-ABORT with this reason."""

    def __init__(self, reason: int, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Answer:
    """The status of one C-STORE, with a comment of at most 64 letters for the sender's log."""

    status: int
    comment: str = ""


class Taker(Protocol):
    """What becomes of it; called from the threads of all associations."""

    def admit(self, sender: Sender) -> Denied | None:
        """Whether ``sender`` may send."""

    def is_own(self, sop_instance: str) -> bool:
        """Whether we have sent the object ourselves."""

    def open(self, request: Request, syntax: str) -> InstanceFile | Answer:
        """Where the data set of a C-STORE goes, or why it is not taken."""

    def keep(self, file: InstanceFile, sender: Sender, association: int) -> Answer:
        """Make a complete file count."""


class Association:
    """``number`` tells associations apart as long as this process lives."""

    def __init__(self, number: int, connection: socket.socket, address: str, taker: Taker) -> None:
        self.number = number
        self._connection = connection
        self._address = address
        self._taker = taker
        self._wire = Wire(connection, SILENT_SECONDS)
        self._sender = Sender("", "", address)
        self._contexts: dict[int, Context] = {}
        self._command = bytearray()
        # A C-STORE whose data set is coming: its request, where it goes.
        self._request: Request | None = None
        self._target: InstanceFile | Answer | None = None

    def run(self) -> bool:
        """Until the peer releases it, or either side stops; whether it was released."""
        try:
            return self._begin() and self._serve()
        except Disconnected as gone:
            log.info("the association of %s ended early: it %s", self._address, gone)
        except Stopped as stopped:
            log.warning("the association of %s was aborted: %s", self._address, stopped)
            self._last_words(aborting(stopped.reason))
        finally:
            if isinstance(self._target, InstanceFile):
                self._target.discard()
        return False

    def reject(self, codes: tuple[int, int, int]) -> None:
        """Read the request for an association and reject it."""
        try:
            self._wire.limit(REQUEST_SECONDS)
            self._read_request()
            self._last_words(rejecting(codes))
        except (Disconnected, Stopped, ValueError):
            pass

    def _last_words(self, pdu: bytes) -> None:
        """Say so and wait a little for the peer to hang up, or it might never read it."""
        try:
            self._wire.send(pdu)
            self._connection.settimeout(2.0)
            self._connection.recv(1)
        except (Disconnected, OSError):
            pass

    # --- the beginning -----------------------------------------------------------------------------

    def _begin(self) -> bool:
        self._wire.limit(REQUEST_SECONDS)
        try:
            proposal = read_proposal(self._read_request())
        except ValueError as error:
            raise Stopped(_INVALID, f"its request cannot be read: {error}") from error
        self._sender = Sender(proposal.calling, proposal.called, self._address, self._certificate())
        denied = self._taker.admit(self._sender)
        if denied is not None:
            self._last_words(rejecting(denied.codes))
            return False
        self._contexts = proposal.accepted
        self._wire.send(accepting(proposal))
        self._wire.limit(None)
        return True

    def _read_request(self) -> bytes:
        kind, length = self._wire.header()
        if kind != _RQ or length > LONGEST_REQUEST:
            raise Stopped(_UNEXPECTED, "it did not begin with a request for an association")
        return bytes((kind, 0)) + length.to_bytes(4, "big") + self._wire.exactly(length)

    def _certificate(self) -> str:
        if not isinstance(self._connection, ssl.SSLSocket):
            return ""
        shown = self._connection.getpeercert(binary_form=True)
        return f"sha256:{hashlib.sha256(shown).hexdigest()}" if shown else ""

    # --- messages ----------------------------------------------------------------------------------

    def _serve(self) -> bool:
        while True:
            kind, length = self._wire.header()
            if kind == _DATA:
                if length > LONGEST_PDU + _SLACK:
                    raise Stopped(_INVALID, f"a PDU of {length} bytes is longer than was agreed")
                self._fragments(length)
            elif kind == _RELEASE:
                self._wire.exactly(min(length, LONGEST_COMMAND))
                self._last_words(RELEASED)
                return True
            elif kind == _ABORT:
                return False
            else:
                raise Stopped(_UNEXPECTED, f"a PDU of type {kind} has no place here")

    def _fragments(self, left: int) -> None:
        """The presentation data values of one P-DATA-TF PDU (PS3.8, 9.3.5 and Annex E)."""
        while left:
            if left < 6:
                raise Stopped(_INVALID, "a PDU that ends within a header")
            head = self._wire.exactly(6)
            size, number, control = int.from_bytes(head[:4], "big") - 2, head[4], head[5]
            left -= size + 6
            if size < 0 or left < 0:
                raise Stopped(_INVALID, "a value that is longer than its PDU")
            context = self._contexts.get(number)
            if context is None:
                raise Stopped(_INVALID, f"presentation context {number} was not agreed upon")
            if control & 1:
                self._command_part(context, size, bool(control & 2))
            else:
                self._data_part(context, size, bool(control & 2))

    def _command_part(self, context: Context, size: int, last: bool) -> None:
        if self._request is not None or len(self._command) + size > LONGEST_COMMAND:
            raise Stopped(_UNEXPECTED, "a command within a message, or a very long one")
        self._command += self._wire.exactly(size)
        if not last:
            return
        try:
            request = commands.read_request(bytes(self._command))
        except ValueError as error:
            raise Stopped(_INVALID, str(error)) from error
        self._command.clear()
        if request.field == ECHO_REQUEST and not request.has_data:
            self._answer(context, request, Answer(commands.SUCCESS))
        elif request.field == STORE_REQUEST and request.has_data:
            self._request, self._target = request, self._open(context, request)
        elif not request.has_data:
            self._answer(context, request, Answer(commands.UNKNOWN_OPERATION))
        else:
            self._request, self._target = request, Answer(commands.UNKNOWN_OPERATION)

    def _open(self, context: Context, request: Request) -> InstanceFile | Answer:
        name = REFUSED.get(request.sop_class)
        if name and self._taker.is_own(request.sop_instance):
            return Answer(commands.CLASS_NOT_SUPPORTED, "this was sent from here and is not taken back")
        if name:
            log.warning("%s at %s sent a %s, which was refused", self._sender.title, self._address, name)
            return Answer(commands.CLASS_NOT_SUPPORTED, f"{name} objects are not taken, send the images")
        if request.sop_class != context.sop_class:
            return Answer(commands.CLASS_NOT_SUPPORTED, "another class than was agreed upon")
        if not request.sop_instance:
            return Answer(commands.NOT_UNDERSTOOD, "the request names no SOP instance")
        return self._taker.open(request, context.syntax)

    def _data_part(self, context: Context, size: int, last: bool) -> None:
        request, target = self._request, self._target
        if request is None or target is None:
            raise Stopped(_UNEXPECTED, "a data set without a command")
        self._wire.stream(size, target.write if isinstance(target, InstanceFile) else len)
        if not last:
            return
        self._request = None
        if isinstance(target, InstanceFile):
            target = self._taker.keep(target, self._sender, self.number)
        self._target = None
        self._answer(context, request, target)

    def _answer(self, context: Context, request: Request, answer: Answer) -> None:
        self._wire.send(commands.response(context.number, request, answer.status, answer.comment))
