"""What a client may send: how much, and how slowly."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from ...core.errors import PipelineError

SMALL = 1 << 20  # bytes of a body that is no upload
TOTAL_SECONDS = 60.0  # for a small body
IDLE_SECONDS = 30.0  # without a byte
SLOWEST = 16 << 10  # bytes that an upload brings at least in each ...
WINDOW_SECONDS = 60.0
_TOO_LARGE = f"the body of this request may have {SMALL} bytes at most"


_timeout: Any = getattr(asyncio, "timeout", None)  # of Python 3.11: no task for each piece of an upload


async def _within(seconds: float, receive: Receive) -> Message:
    """``receive()``; raises TimeoutError when it takes longer."""
    if _timeout is None:
        return await asyncio.wait_for(receive(), seconds)
    async with _timeout(seconds):
        return await receive()


class Body:
    """The request's body through a gate; afterwards the plain channel, which tells of a hang-up.

    What is too large is answered with 413. A client that is too slow counts as gone.
    """

    def __init__(self, receive: Receive, declared: int | None, small: bool) -> None:
        self._receive = receive
        self._small = small
        self._bytes = 0
        self._begun = time.monotonic()
        self._window = (self._begun, 0)
        self.complete = declared == 0
        if small and declared is not None and declared > SMALL:
            raise PipelineError("request.too_large", _TOO_LARGE)

    async def __call__(self) -> Message:
        """The next message of the channel."""
        if self.complete:
            return await self._receive()
        left = IDLE_SECONDS
        if self._small:
            left = min(left, self._begun + TOTAL_SECONDS - time.monotonic())
        try:
            message = await _within(max(left, 0.001), self._receive)
        except asyncio.TimeoutError:
            return self._gone()
        if message["type"] != "http.request":
            self.complete = True
            return message
        self._bytes += len(message.get("body", b""))
        if self._small and self._bytes > SMALL:
            # Of the framework's own kind: while it parses a body it takes any other for a broken body.
            raise HTTPException(413, _TOO_LARGE)
        self.complete = not message.get("more_body", False)
        if not self.complete and not self._small and self._too_slow():
            return self._gone()
        return message

    def _too_slow(self) -> bool:
        now = time.monotonic()
        begun, before = self._window
        if now - begun < WINDOW_SECONDS:
            return False
        self._window = (now, self._bytes)
        return self._bytes - before < SLOWEST

    def _gone(self) -> dict[str, str]:
        return {"type": "http.disconnect"}
