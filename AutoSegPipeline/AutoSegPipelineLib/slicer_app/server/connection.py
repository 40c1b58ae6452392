"""One client: bytes in, bytes out, never waiting. Driven by Qt's socket notifiers."""

from __future__ import annotations

import logging
import socket
from typing import IO, Callable, Protocol

from ...runtime import qt
from .bodies import ChunkedBody, LengthBody, body_of
from .head import Head, take_head
from .responses import Answer, HttpError

log = logging.getLogger(__name__)

# So much is read or written before other events have their turn: well under 10 ms.
_BLOCK = 1 << 18
_HEAD_SECONDS = 20.0
_IDLE_SECONDS = 60.0
# An upload that was answered early is read on for so long: a client that is still sending
# would otherwise see its connection reset instead of the answer.
_DRAIN_BYTES = 16 << 20

Reply = Callable[[Answer], None]


class Exchange(Protocol):
    """One request on its way."""

    def data(self, data: bytes) -> None:
        """A piece of the body. May raise :class:`HttpError`."""

    def end(self, reply: Reply) -> None:
        """The body is complete; ``reply`` is called now or later, once."""

    def abandon(self) -> None:
        """The client went away before its end."""


class Site(Protocol):
    """What is served."""

    def begin(self, head: Head) -> Exchange:
        """Take a request. May raise :class:`HttpError`."""


class Connection:
    """Speaks HTTP/1.1 with one client; ``on_close`` hears of its end once."""

    def __init__(self, client: socket.socket, site: Site, on_close: Callable[[Connection], None]) -> None:
        client.setblocking(False)
        self._client = client
        self._site = site
        self._on_close = on_close
        self._received = bytearray()
        self._head: Head | None = None
        self._body: LengthBody | ChunkedBody | None = None
        self._exchange: Exchange | None = None
        self._waiting = False  # the body is complete, the reply is not there
        self._sending = bytearray()
        self._file: IO[bytes] | None = None
        self._file_left = 0
        self._close_after = False
        self._draining = 0
        self._closed = False
        self._quiet = 0.0  # seconds since anything moved
        self._head_age = 0.0
        self._reader = qt.make_notifier(client.fileno(), False, self._readable)
        self._writer = qt.make_notifier(client.fileno(), True, self._writable)
        self._writer.setEnabled(False)

    # --- in --------------------------------------------------------------------------------

    def _readable(self) -> None:
        if self._closed:
            return
        try:
            data = self._client.recv(_BLOCK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._gone(error)
            return
        self._quiet = 0.0
        if not data:
            self._gone(None)
        elif self._draining:
            self._drain(len(data))
        else:
            self._received += data
            self._go_on()

    def _go_on(self) -> None:
        """Serve what has arrived, one request after the other."""
        try:
            while not self._closed and not self._waiting and not self._answering:
                if self._head is None and not self._begin():
                    break
                if not self._feed():
                    break
        except HttpError as error:
            self._fail(error)
        self._reader.setEnabled(not self._closed and self._wants_more)

    @property
    def _answering(self) -> bool:
        return bool(self._sending) or self._file is not None or self._draining > 0

    @property
    def _wants_more(self) -> bool:
        """A client that pipelines is not read ahead of its answers without a limit."""
        return self._draining > 0 or len(self._received) < _BLOCK

    def _begin(self) -> bool:
        head = take_head(self._received)
        if head is None:
            return False
        self._head, self._head_age = head, 0.0
        self._close_after = not head.keep_alive
        self._body = body_of(head)
        self._exchange = self._site.begin(head)
        if head.expects_continue and head.has_body and not self._received:
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _feed(self) -> bool:
        """Hand the body on; whether the next request may follow."""
        body, exchange = self._body, self._exchange
        assert body is not None and exchange is not None
        if not body.done or isinstance(body, ChunkedBody):
            data = body.take(self._received)
            if data:
                exchange.data(data)
        if not body.done:
            return False
        self._waiting = True
        exchange.end(self._reply)
        return not self._waiting

    # --- out -------------------------------------------------------------------------------

    def _reply(self, answer: Answer) -> None:
        if self._closed or not self._waiting:
            return
        self._waiting = False
        self._exchange = None
        self._answer(answer)
        if not self._answering:
            self._go_on()

    def _fail(self, error: HttpError) -> None:
        """An error ends the connection: what follows of the body cannot be told from a request."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.abandon()
        self._waiting = False
        if self._body is None or not self._body.done:
            self._draining = _DRAIN_BYTES
            self._received.clear()
        self._close_after = True
        self._answer(error.answer())

    def _answer(self, answer: Answer) -> None:
        without_body = self._head is not None and self._head.method == "HEAD"
        self._head = self._body = None
        data = answer.head(self._close_after)
        if not without_body:
            data += answer.body if answer.file is None else b""
            if answer.file is not None and answer.length:
                self._file = open(answer.file, "rb")  # noqa: SIM115 - closed when sent
                self._file.seek(answer.start)
                self._file_left = answer.length
        self._send(data)

    def _send(self, data: bytes) -> None:
        self._sending += data
        self._writable()

    def _writable(self) -> None:
        if self._closed:
            return
        try:
            self._refill()
            sent = self._client.send(bytes(self._sending[:_BLOCK])) if self._sending else 0
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._gone(error)
            return
        if sent:
            self._quiet = 0.0
            del self._sending[:sent]
        if self._sending or self._file is not None:
            self._writer.setEnabled(True)
            return
        self._writer.setEnabled(False)
        self._sent()

    def _refill(self) -> None:
        if self._file is None or len(self._sending) >= _BLOCK:
            return
        data = self._file.read(min(_BLOCK, self._file_left))
        self._file_left -= len(data)
        self._sending += data
        if not data and self._file_left:
            # The length was promised: only a closed connection says that it is incomplete.
            raise OSError(0, "a file became shorter while it was sent")
        if not self._file_left:
            self._file.close()
            self._file = None

    def _sent(self) -> None:
        """Everything is out."""
        if self._head is not None or self._waiting:
            return  # that was "100 Continue"
        if self._close_after:
            if self._draining:
                self._half_close()
            else:
                self.close()
        elif self._received:
            # Not from inside the write: a client that pipelines could make this as deep as it likes.
            qt.single_shot(0, self._go_on)
        else:
            self._reader.setEnabled(True)

    def _half_close(self) -> None:
        try:
            self._client.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()

    def _drain(self, size: int) -> None:
        self._draining -= size
        if self._draining <= 0:
            self.close()

    # --- the end -----------------------------------------------------------------------------

    def tick(self, seconds: float) -> None:
        """``seconds`` have passed: a client that neither sends nor takes anything is let go."""
        self._quiet += seconds
        if self._head is None and self._received:
            self._head_age += seconds
        if self._waiting:
            return
        slow_head = self._head is None and self._head_age > _HEAD_SECONDS
        if slow_head or self._quiet > _IDLE_SECONDS:
            self._gone(None)

    def _gone(self, error: OSError | None) -> None:
        if error is not None:
            log.debug("a client went away: %s", error)
        self.close()

    def close(self) -> None:
        """End it; an upload that is incomplete is dropped. Again is fine."""
        if self._closed:
            return
        self._closed = True
        for notifier in (self._reader, self._writer):
            # Before the socket closes: its number may be another's the moment after.
            notifier.setEnabled(False)
            qt.release(notifier)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.abandon()
        if self._file is not None:
            self._file.close()
            self._file = None
        self._client.close()
        self._on_close(self)
