"""The receiver: listens, admits, and keeps what comes in the spool. A part of the dicom child."""

from __future__ import annotations

import contextlib
import itertools
import logging
import socket
import sqlite3
import ssl
import threading
import uuid

from ...core.errors import PipelineError
from ...core.files import free_bytes, is_disk_full
from .. import libraries
from ..context import Context
from . import commands
from .admission import TOO_MANY, Denied, Sender, admit
from .association import Answer, Association
from .commands import Request
from .completion import Completion
from .instance_file import InstanceFile
from .listener import Listener
from .series_folder import Origin
from .spool import FOLDER, Spool

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
STOP_SECONDS = 5.0
_STORE_FAILED = (sqlite3.Error, OSError, PipelineError)  # a full disk, say
_FULL = Answer(commands.OUT_OF_RESOURCES, "the disk is full, send again later")
# So many more may be connected to read that there are too many.
_REJECTED_AT_ONCE = 16


class Receiver:
    """Threads: one that accepts, one for each association, one that hands over complete series."""

    name = "receiver"

    def __init__(self, context: Context) -> None:
        self._context = context
        self.spool = Spool(context.home.state / FOLDER)
        self._completion = Completion(context, self.spool)
        self._min_free = int(context.settings["disk_min_free_mb"]) << 20
        self._numbers = itertools.count(1)
        self._start = uuid.uuid4().hex  # tells associations of this process from earlier ones
        self._lock = threading.Lock()
        self._connections: dict[int, socket.socket] = {}
        self._listener = Listener(self._connected)
        self._noted: dict[str, object] = {}
        self._thread = threading.Thread(target=self._watch, name="receiver", daemon=True)

    def start(self) -> None:
        """Raises OSError where the spool cannot be used. A port that is taken is tried again."""
        self.spool.recover()
        libraries.load()
        self._listen()
        self._completion.start()
        self._thread.start()

    def stop(self) -> None:
        """No new associations; those at hand are cut off, and their senders send the rest again."""
        self._listener.close()
        with self._lock:
            connections = list(self._connections.values())
        for connection in connections:
            _shut(connection)
        self._thread.join(STOP_SECONDS)
        self._completion.stop()

    def _watch(self) -> None:
        while not self._context.ended.wait(LOOK_SECONDS):
            self._listen()

    def _listen(self) -> None:
        """Listen where dicom.json says, now or as soon as that is possible; the note says how it went."""
        config, error = self._context.config().receiver, ""
        try:
            self._listener.listen(config)
        except PipelineError as failed:
            error = failed.message
        note = {"title": config.title, "host": config.host, "port": config.port, "error": error}
        if note == self._noted:
            return
        self._noted = note
        if error:
            log.error("%s", error)
        try:
            with contextlib.closing(self._context.pacs_store()) as store:
                store.set_listening(note)
        except _STORE_FAILED as failure:  # the next look notes it
            self._noted = {}
            log.error("where the receiver listens could not be noted: %s", failure)

    def new_number(self) -> int:
        """For one more association, or for what comes as one would."""
        return next(self._numbers)

    # --- connections -------------------------------------------------------------------------------

    def _connected(self, connection: socket.socket, address: str, tls: ssl.SSLContext | None) -> None:
        config = self._context.config().receiver
        number = self.new_number()
        with self._lock:
            count = len(self._connections)
            if count >= config.most_associations + _REJECTED_AT_ONCE:
                connection.close()
                return
            self._connections[number] = connection
        run = threading.Thread(
            target=self._associate,
            args=(number, connection, address, tls, count >= config.most_associations),
            name=f"association {number}",
            daemon=True,
        )
        run.start()

    def _associate(
        self, number: int, connection: socket.socket, address: str, tls: ssl.SSLContext | None, full: bool
    ) -> None:
        released = False
        try:
            try:
                connection = self._listener.secured(connection, tls)
            except OSError as error:  # somebody who speaks no TLS, or shows no certificate that we trust
                if tls is not None:
                    self._note_refusal(Sender("", "", address), _handshake(error))
                raise
            with self._lock:
                self._connections[number] = connection
            association = Association(number, connection, address, self)
            if full:
                log.warning("%s was rejected: there are too many associations", address)
                association.reject(TOO_MANY)
            else:
                released = association.run()
        except OSError as error:
            log.warning("the connection of %s failed: %s", address, error)
        except Exception:  # the thread's boundary
            log.exception("the association of %s failed", address)
        finally:
            _shut(connection)
            connection.close()
            with self._lock:
                del self._connections[number]
            self.spool.ended(number, released)

    # --- what an association asks --------------------------------------------------------------------

    def admit(self, sender: Sender) -> Denied | None:
        """As dicom.json says now; who is refused is noted with the line that would let them in."""
        answer = admit(self._context.config(), sender)
        if not isinstance(answer, Denied):
            return None
        log.warning("%r at %s was refused: %s", sender.title, sender.address, answer.reason)
        self._note_refusal(sender, answer.reason)
        return answer

    def _note_refusal(self, sender: Sender, reason: str) -> None:
        """A disk without room for the row changes nothing for the sender."""
        try:
            with contextlib.closing(self._context.pacs_store()) as store:
                store.refusals.note(sender.title, sender.called, sender.address, sender.certificate, reason)
        except _STORE_FAILED as error:
            log.error("a refusal could not be noted: %s", error)

    def is_own(self, sop_instance: str) -> bool:
        """Whether it stands among what the outbox has sent; False where that cannot be read now."""
        try:
            with contextlib.closing(self._context.pacs_store()) as store:
                return store.sent_uids.holds(sop_instance)
        except _STORE_FAILED as error:
            log.error("what was sent could not be read: %s", error)
            return False

    def open(self, request: Request, syntax: str) -> InstanceFile | Answer:
        """A new file in the spool; out of resources where the disk has no room for it."""
        try:
            if free_bytes(self.spool.root) < self._min_free:
                log.error("an instance was not taken: the disk is full")
                return _FULL
            return InstanceFile(self.spool.new_part(), request.sop_class, request.sop_instance, syntax)
        except OSError as error:
            return _failed(error)

    def keep(self, file: InstanceFile, sender: Sender, association: int) -> Answer:
        """Success once the instance is durable in its series."""
        try:
            file.check()
            study, series = file.uids()
            # An instance that names no series is one of the association that brought it.
            series = series or f"of association {self._start}-{association}"
            origin = Origin(sender.called, sender.title, sender.address, study, series, sender.account)
            self.spool.keep(file, origin, association)
        except OSError as error:
            file.discard()
            return _failed(error)
        except ValueError as error:
            file.discard()
            log.warning("an instance of %s was not taken: %s", sender.address, error)
            return Answer(commands.NOT_UNDERSTOOD, "the data set cannot be read")
        return Answer(commands.SUCCESS)


def _handshake(error: OSError) -> str:
    """One of few sentences, because each is a row."""
    why = error.reason.lower().replace("_", " ") if isinstance(error, ssl.SSLError) and error.reason else ""
    return f"the TLS handshake failed: {why or 'the connection ended'}"


def _failed(error: OSError) -> Answer:
    log.error("an instance was not taken: %s", error)
    return _FULL if is_disk_full(error) else Answer(commands.OUT_OF_RESOURCES, "the disk failed")


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
