"""``/api/v1/status``: the pipeline at a glance."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request

from ...core import states
from .. import disk
from ..ask import is_running
from ..context import context_of
from ..documents import job_document
from ..events import glance
from ..gate import exposure_rule
from ..gate.principal import VIEWER, Principal, needs
from ..gate.visible_jobs import VisibleJobs
from ..models import PROBLEMS, Status

router = APIRouter(prefix="/api/v1/status", tags=["status"], responses=PROBLEMS)


@router.get("", response_model=Status)
async def status(request: Request, principal: Principal = Depends(needs(VIEWER))) -> Any:
    """Whether it runs, what it does, how much waits."""
    context = context_of(request)
    visible = VisibleJobs(context, principal)
    return {
        "running": is_running(context),
        "version": context.config.version,
        "revision": context.store.revision(),
        **glance(context, visible),
        "current": [job_document(context, job) for job in visible.list(states.RUNNING)],
        "uploads_open": disk.room(context) > 0,
        "insecure": exposure_rule.warning(context.config, context.accounts.users.exist()),
    }
