"""uvicorn's HTTP/1.1, without patience for clients that hold a connection and say nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 15.0  # from the first byte of a request (or the connection) to the end of its headers
WRITE_SECONDS = 120.0  # for a client that takes nothing of an answer


class TimedH11(H11Protocol):
    """Cuts a connection whose headers dribble, or whose client stops reading.

    uvicorn has a limit for idle connections between requests only.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._headers_due: asyncio.TimerHandle | None = None
        self._write_due: asyncio.TimerHandle | None = None

    def connection_made(  # type: ignore[override]  # uvicorn narrows it too
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop("_headers_due")
        self._stop("_write_due")
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._expect_headers()  # the clock goes on where it ran already: dribbling gains nothing
        else:
            self._stop("_headers_due")

    def on_response_complete(self) -> None:
        self._stop("_headers_due")
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_due is None:
            self._write_due = self.loop.call_later(WRITE_SECONDS, self._cut)

    def resume_writing(self) -> None:
        self._stop("_write_due")
        super().resume_writing()

    def _expect_headers(self) -> None:
        if self._headers_due is None and not self.transport.is_closing():
            self._headers_due = self.loop.call_later(HEADER_SECONDS, self._cut)

    def _stop(self, name: str) -> None:
        handle = getattr(self, name)
        if handle is not None:
            handle.cancel()
            setattr(self, name, None)

    def _cut(self) -> None:
        self._headers_due = self._write_due = None
        self.transport.abort()
