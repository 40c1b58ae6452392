"""How a request for an upload is answered, well or not."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from ...core.errors import PipelineError
from ..context import WebContext
from ..pages.error_pages import as_sentence, message_page
from ..pages.problems import of_error, problem, status_of
from .body import READ
from .digests import repr_digest
from .service import Outcome

_DRAIN_BYTES = 8 << 20
_DRAIN_SECONDS = 2.0


def wants_page(request: Request) -> bool:
    """Whether a browser's plain form asks, and not a program."""
    accept = request.headers.get("accept", "")
    return "text/html" in accept and "application/json" not in accept


def outcome_response(request: Request, outcome: Outcome, context: WebContext, status: int) -> Response:
    """The jobs, ``202`` where the pipeline has yet to take them; a browser goes back to the page."""
    request.scope["autoseg.jobs"] = [job["id"] for job in outcome.jobs]  # for the audit log
    if wants_page(request):
        return RedirectResponse(f"{context.config.base_path}/upload", 303)
    headers = {}
    if len(outcome.files) == 1:
        headers["Repr-Digest"] = repr_digest(outcome.files[0].sha256)
    return JSONResponse(outcome_document(outcome), status if outcome.taken else 202, headers)


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """``jobs``, and the received files with their checksums."""
    files = [{"name": one.name, "size": one.size, "sha256": one.sha256} for one in outcome.files]
    return {"jobs": outcome.jobs, "files": files}


async def failed(request: Request, error: PipelineError, **headers: str) -> Response:
    """The problem. What is still under way is read for a moment, or the answer would be cut off too."""
    await _drain(request)
    if wants_page(request):
        status = error.data.get("status") or status_of(error.code)
        return message_page(request, "Not uploaded", as_sentence(error.message), error.hint, status)
    return of_error(error, headers)


def interrupted(why: str, **headers: str) -> Response:
    """Mostly nobody is left to read it."""
    return problem("web.upload_interrupted", f"the upload was cut off: {why}", status=408, headers=headers)


async def _drain(request: Request) -> None:
    headers = request.headers
    if headers.get("expect", "").lower() == "100-continue":
        return  # the client waits for our word before it sends
    if request.scope.get(READ) or (
        headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
    ):
        return  # there is nothing to come

    async def read() -> None:
        left = _DRAIN_BYTES
        while left > 0:
            message = await request.receive()
            if message["type"] != "http.request" or not message.get("more_body", False):
                return
            left -= len(message.get("body", b""))

    try:
        await asyncio.wait_for(read(), _DRAIN_SECONDS)
    except asyncio.TimeoutError:
        return
