"""The body of a request, chunk by chunk. Who sends too slowly was cut off on the way (``web.body``)."""

from __future__ import annotations

from typing import AsyncIterator

from starlette.requests import Request

from ...core.errors import PipelineError
from .file_writer import Data

READ = "autoseg.body_read"  # in the ASGI scope, once all of it was


class Interrupted(Exception):
    """The sender went away before the end, or stopped sending."""


def length_of(request: Request) -> int | None:
    """What ``Content-Length`` says; None for a chunked body. Raises ``request.invalid``."""
    text = request.headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise PipelineError("request.invalid", "Content-Length is no number", status=400)
    return int(text)


async def chunks(request: Request) -> AsyncIterator[Data]:
    """The bytes as they come; a memoryview is valid until the next. Raises :class:`Interrupted`."""
    receive = request.receive
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Interrupted("the connection broke or nothing came for too long")
        more = message.get("more_body", False)
        request.scope[READ] = not more
        data = message.get("body", b"")
        if data:
            yield data
        if not more:
            return
