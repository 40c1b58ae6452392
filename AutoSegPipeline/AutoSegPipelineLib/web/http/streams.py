"""Answers that are made while they are sent, and that stop when nobody listens any more."""

from __future__ import annotations

import asyncio
from typing import Any, AsyncIterator, Generator, Mapping, Optional

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Streamed(Response):
    """Sends :meth:`pieces`; the server itself would let them run on after the client has gone."""

    def __init__(self, status: int, headers: Mapping[str, str], kind: str) -> None:
        super().__init__(None, status, headers, kind)
        if "content-length" not in {name.lower() for name in headers}:
            self.raw_headers = [one for one in self.raw_headers if one[0] != b"content-length"]

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, bit by bit."""
        yield b""

    def close(self) -> None:
        """Let go of what the body is made from; called once, however it ended."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone: Optional[asyncio.Future[None]] = None
        source = self.pieces()
        try:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            if scope["method"] != "HEAD":
                gone = asyncio.ensure_future(_disconnected(receive))
                async for piece in _until(source, gone):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    if gone.done():
                        return
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if gone is not None:
                gone.cancel()
            await source.aclose()  # type: ignore[attr-defined]
            self.close()


class FromGenerator(Streamed):
    """Sends what ``source`` yields; a thread makes each piece, and closes it however it ended."""

    def __init__(self, source: Generator[bytes, None, None], headers: Mapping[str, str], kind: str) -> None:
        super().__init__(200, headers, kind)
        self._source = source

    async def pieces(self) -> AsyncIterator[bytes]:
        """Bit by bit."""
        step = self._step()
        try:
            while (piece := await asyncio.shield(step)) is not None:
                yield piece
                step = self._step()
        finally:
            # Nobody can stop a thread, and a generator may only be closed when it stands still.
            await asyncio.wait({step})
            await asyncio.get_running_loop().run_in_executor(None, self._source.close)

    def _step(self) -> asyncio.Future[Optional[bytes]]:
        return asyncio.get_running_loop().run_in_executor(None, lambda: next(self._source, None))


async def _until(source: AsyncIterator[bytes], gone: asyncio.Future[None]) -> AsyncIterator[bytes]:
    """The pieces of ``source``, also broken off while the next one is waited for."""
    while True:
        following: asyncio.Future[Any] = asyncio.ensure_future(source.__anext__())
        try:
            await asyncio.wait({following, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                return
            yield following.result()
        except StopAsyncIteration:
            return
        finally:
            if not following.done():
                following.cancel()
                # Its generator may only be closed when it stands still.
                await asyncio.wait({following})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
