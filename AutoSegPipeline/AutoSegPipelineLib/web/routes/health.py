"""``/healthz`` and ``/metrics``: for the supervisor and for Prometheus."""

from __future__ import annotations

import sqlite3
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from ...core.errors import PipelineError
from .. import disk, metrics
from ..ask import is_running
from ..context import WebContext, context_of
from ..gate.machine_view import may_see_machine
from ..models import PROBLEMS, Health

router = APIRouter(tags=["operation"])
lifespan = metrics.lifespan


@router.get("/healthz", response_model=Health)
async def healthz(request: Request) -> Response:
    """Always 200 while it answers; `ready` says whether work can be done.

    Details are for this machine and for whoever is logged in or brings a token.
    """
    return JSONResponse(_health(request))


@router.get("/healthz/ready", response_model=Health, responses={503: {"model": Health}})
async def ready(request: Request) -> Response:
    """200 when work can be done, else 503."""
    found = _health(request)
    return JSONResponse(found, 200 if found["ready"] else 503)


def _health(request: Request) -> dict[str, Any]:
    context = context_of(request)
    details = _details(context)
    is_ready = bool(details["pipeline"] and details["store"] and details["room"] and not details["trouble"])
    document = {"status": "ok" if is_ready else "not ready", "live": True, "ready": is_ready}
    return {**document, "details": details} if may_see_machine(request) else document


def _details(context: WebContext) -> dict[str, Any]:
    try:
        paused, counts = context.store.meta.get("paused"), context.store.jobs.counts()
    except sqlite3.Error:
        paused, counts = None, None
    # A person's pause is a wish, no trouble.
    trouble = paused if paused and paused.get("code") != "request" else None
    try:
        free = disk.room(context)
    except OSError:
        free = -1
    return {
        "version": context.config.version,
        "pipeline": is_running(context),
        "store": counts is not None,
        "counts": counts,
        "paused": paused,
        "trouble": trouble,
        "room": free > 0,
        "room_bytes": free,
    }


@router.get("/metrics", response_class=Response, responses={**PROBLEMS, 200: {"content": {"text/plain": {}}}})
async def prometheus(request: Request) -> Response:
    """Figures in Prometheus' text format, for this machine and for whoever brings a token."""
    if not may_see_machine(request):
        raise PipelineError("account.needed", "the figures are for this machine, or need a token")
    return Response(metrics.text(context_of(request)), media_type=metrics.MEDIA_TYPE)
