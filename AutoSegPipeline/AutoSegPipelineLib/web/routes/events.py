"""``/api/v1/events``: what changes, as server-sent events, or asked for by revision."""

from __future__ import annotations

from typing import Any, AsyncIterator, Optional

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from ...core.errors import PipelineError
from .. import events
from ..context import WebContext, context_of
from ..documents import job_document
from ..gate.identify import still_holds
from ..gate.principal import VIEWER, Principal, needs
from ..gate.visible_jobs import VisibleJobs
from ..http.streams import Streamed
from ..models import PROBLEMS, Changes

router = APIRouter(prefix="/api/v1/events", tags=["events"], responses=PROBLEMS)
lifespan = events.lifespan
_KIND = "text/event-stream"
_MOST_REVISION = 2**62


@router.get("", response_model=Changes, responses={200: {"content": {_KIND: {}}}})
async def follow(
    request: Request,
    principal: Principal = Depends(needs(VIEWER, share=True)),
    since: Optional[int] = Query(None, ge=0, le=_MOST_REVISION, description="the last revision seen"),
    wait: float = Query(0, ge=0, le=30, description="without server-sent events: wait this long for news"),
) -> Response:
    """Server-sent events where the client accepts `text/event-stream`, else one answer.

    Events: `job` (a job as of `/api/v1/jobs/ID`), `deleted`, `status`, `hello`, `reset`. Their ids
    are revisions: a client that comes back with `Last-Event-ID` misses nothing.
    """
    context = context_of(request)
    visible = VisibleJobs(context, principal)
    if _KIND in request.headers.get("accept", ""):
        return _stream(context, principal, visible, _last_seen(request, since))
    news = await _news(context, visible, since or 0, wait)
    if not still_holds(context, principal):
        raise PipelineError("account.needed", "the login has ended")
    return JSONResponse(news)


def _last_seen(request: Request, since: Optional[int]) -> Optional[int]:
    """``Last-Event-ID`` (browsers come back to the address of the first time), or ``since``."""
    header = request.headers.get("last-event-id", "").strip()
    if header.isascii() and header.isdigit() and len(header) < 19:
        return int(header)
    return since


def _stream(
    context: WebContext, principal: Principal, visible: VisibleJobs, since: Optional[int]
) -> Response:
    hub: events.Hub = context.shared["hub"]
    if hub.streams >= events.MOST_STREAMS:
        raise PipelineError(
            "web.unavailable",
            "too many listen already; ask without text/event-stream",
            headers={"Retry-After": "30"},
        )
    source = events.stream(context, visible, since, lambda: still_holds(context, principal))
    return _EventStream(hub, source)


class _EventStream(Streamed):
    def __init__(self, hub: events.Hub, source: AsyncIterator[bytes]) -> None:
        # X-Accel-Buffering: nginx in front would collect the events otherwise.
        super().__init__(200, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}, _KIND)
        self._hub, self._source = hub, source
        hub.streams += 1

    async def pieces(self) -> AsyncIterator[bytes]:
        async for piece in self._source:
            yield piece

    def close(self) -> None:
        self._hub.streams -= 1


async def _news(context: WebContext, visible: VisibleJobs, since: int, wait: float) -> dict[str, Any]:
    hub: events.Hub = context.shared["hub"]
    newest = context.store.revision()
    reset = since > newest
    since = 0 if reset else since
    until = context.clock.monotonic() + wait
    while True:
        found, more = events.changes(context, since)
        seen = [one for one in found if events.seen(one, visible)]
        left = until - context.clock.monotonic()
        if seen or more or reset or left <= 0:
            break
        await hub.wait(left)
    jobs = {one.job.id: one.job for one in seen if one.job is not None}
    upto = found[-1].revision if found else max(since, newest)
    return {
        "revision": upto,
        "more": more,
        "reset": reset,
        "jobs": [job_document(context, visible.shown(job)) for job in jobs.values()],
        "deleted": [one.deleted for one in seen if one.job is None],
    }
