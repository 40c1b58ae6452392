"""Bodies of large uploads past the HTTP parser: from the socket into blocks, from those to the disk.

h11 reads the head of every request and every small or chunked body. A large body of a known length is only
counted: the socket is read straight into blocks of some megabytes, which the application is lent one after
the other, where h11 and uvicorn would copy each byte five times and wake the application for every 64 KB.
Measured: 1.5 times as fast for a raw body, 1.9 times for tus (docs/benchmarks.md).
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import deque
from typing import Any, Optional

import h11

from ..gate.body_limits import SMALL
from .timeouts import TimedH11

BLOCK = 4 << 20  # each is one visit to a thread; with a megabyte, visits are a fifth of the CPU
MANY = 4  # uploads at once: with more, a block is a quarter of that
AHEAD = 2  # full blocks that may wait while one is written; then the socket is left alone
PATIENCE_SECONDS = 0.5  # after which a block is handed on that is not full
_SCRATCH_BYTES = 64 << 10  # less than SMALL: no large body comes complete with its head
_local = threading.local()
# Blocks for the next upload: fresh memory costs as much as what is written into it. Thread of the loop only.
_spare: list[bytearray] = []
_under_way: weakref.WeakSet[LargeBody] = weakref.WeakSet()


def _scratch() -> memoryview:
    """What is read that is no large body; it is copied before anything else is read in this thread."""
    found: Optional[memoryview] = getattr(_local, "scratch", None)
    if found is None:
        found = _local.scratch = memoryview(bytearray(_SCRATCH_BYTES))
    return found


class LargeBody:
    """One body on its way; :meth:`receive` stands in for that of uvicorn's cycle.

    The ``body`` of its messages is a memoryview that is valid until the next message is asked for.
    """

    def __init__(self, cycle: Any, length: int, first: bytes) -> None:
        self.missing = length  # bytes that have not come
        self._cycle = cycle
        self._plain = cycle.receive
        self._free: list[bytearray] = []
        _under_way.add(self)
        self._size = BLOCK if len(_under_way) <= MANY else BLOCK // 4
        self._block = self._fresh()
        self._filled = 0
        self._ready: deque[tuple[bytearray, int]] = deque()
        self._lent: Optional[bytearray] = None
        self._end_reported = False
        self._block[: len(first)] = first
        self.arrived(len(first))

    # --- from the socket --------------------------------------------------------------------

    def buffer(self) -> memoryview:
        """Where the next bytes go; never more than the body still has."""
        return memoryview(self._block)[self._filled : self._filled + self.missing]

    def arrived(self, count: int) -> None:
        """So many bytes are in :meth:`buffer`."""
        self._filled += count
        self.missing -= count
        if self._filled == self._size or not self.missing:
            self._cycle.more_body = self.missing > 0
            self._pass_on()
            if len(self._ready) >= AHEAD and self.missing:
                self._cycle.flow.pause_reading()

    def _fresh(self) -> bytearray:
        if self._free:
            return self._free.pop()
        return _spare.pop() if _spare and self._size == BLOCK else bytearray(self._size)

    def _pass_on(self) -> None:
        if self._filled:
            self._ready.append((self._block, self._filled))
            self._block, self._filled = self._fresh(), 0
        self._cycle.message_event.set()

    # --- to the application -----------------------------------------------------------------

    async def receive(self) -> Any:
        """The next message; takes the piece of the last one back."""
        cycle = self._cycle
        if self._end_reported:
            return await self._plain()
        if self._lent is not None:
            self._free.append(self._lent)
            self._lent = None
        if cycle.waiting_for_100_continue and not cycle.transport.is_closing():
            go_on = h11.InformationalResponse(status_code=100, headers=[], reason="Continue")
            cycle.transport.write(cycle.conn.send(go_on))
            cycle.waiting_for_100_continue = False
        while not self._ready:
            if cycle.response_complete or (cycle.disconnected and not self._filled):
                return {"type": "http.disconnect"}
            await self._more()
        block, size = self._ready.popleft()
        if len(self._ready) < AHEAD:
            cycle.flow.resume_reading()
        self._lent = block
        self._end_reported = not self.missing and not self._ready
        if self._end_reported:
            cycle.message_event.clear()
        return {"type": "http.request", "body": memoryview(block)[:size], "more_body": not self._end_reported}

    async def _more(self) -> None:
        """Until a block is full, or for a while: what dribbles in is handed on as well."""
        cycle = self._cycle
        if cycle.disconnected:
            self._pass_on()  # what came before the line broke
            return
        cycle.message_event.clear()
        cycle.flow.resume_reading()
        timer = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._pass_on)
        try:
            await cycle.message_event.wait()
        finally:
            timer.cancel()

    def close(self) -> None:
        """The answer is out: the blocks are not kept as long as the connection."""
        _under_way.discard(self)
        if self._lent is not None and self._end_reported:  # else somebody may still be writing it
            self._free.append(self._lent)
        if self._size == BLOCK:
            _spare.extend([self._block, *self._free][: MANY - len(_spare)])
        self._ready.clear()
        self._free.clear()
        self._lent = None
        self._block, self._filled = bytearray(), 0


class LargeBodyH11(TimedH11, asyncio.BufferedProtocol):
    """uvicorn's HTTP/1.1 with :class:`LargeBody` for large bodies; made by the server for each connection."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._large_body: Optional[LargeBody] = None
        self._early = b""  # of the next request, while this one is answered

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._large_body is not None and self._large_body.missing:
            return self._large_body.buffer()
        return _scratch()

    def buffer_updated(self, nbytes: int) -> None:
        if self._large_body is None:
            self.data_received(bytes(_scratch()[:nbytes]))
        elif self._large_body.missing:
            self._large_body.arrived(nbytes)
        else:
            self._early += bytes(_scratch()[:nbytes])
            self.flow.pause_reading()  # as uvicorn does for pipelined requests

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._begin()

    def _begin(self) -> None:
        """The parser has read a head: a large body that follows goes past it."""
        fields = dict(self.headers)
        if self.conn.their_state is not h11.SEND_BODY or b"transfer-encoding" in fields:
            return
        length = int(fields.get(b"content-length", b"0"))  # h11 has checked it
        if length <= SMALL or self.conn.trailing_data[0]:
            return
        # The application's task has been made, and runs after this: it has not asked yet.
        first, self.cycle.body = bytes(self.cycle.body), bytearray()
        self._large_body = LargeBody(self.cycle, length, first)
        self.cycle.receive = self._large_body.receive  # type: ignore[method-assign]

    def on_response_complete(self) -> None:
        body, self._large_body = self._large_body, None
        early, self._early = self._early, b""
        if body is not None:
            if body.missing:
                self.transport.close()  # what still comes would be taken for a request
            else:
                # The old one waits for a body that it never sees.
                self.conn = h11.Connection(h11.SERVER, self.config.h11_max_incomplete_event_size or 65536)
            body.close()
        super().on_response_complete()
        if early and not self.transport.is_closing():
            self.data_received(early)
