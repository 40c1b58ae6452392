"""``/api/v1/audit``: who saw, took and changed what; for admins."""

from __future__ import annotations

from typing import Any, List, Optional

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from ..context import context_of
from ..gate import audit_trail
from ..gate.principal import ADMIN, Principal, needs
from ..models import PROBLEMS

router = APIRouter(prefix="/api/v1/audit", tags=["account"], responses=PROBLEMS)


class AuditLine(BaseModel):
    """One line. ``via`` says how ``who`` was known: open, session, token, share, command."""

    id: int
    at: str
    who: str
    via: str
    address: str
    what: str
    job: str
    detail: str
    ok: bool


class AuditPage(BaseModel):
    """Lines, the newest first, and the ``before`` with which to go on."""

    lines: List[AuditLine]
    before: Optional[int]


@router.get("", response_model=AuditPage)
async def read_audit(
    request: Request,
    principal: Principal = Depends(needs(ADMIN)),
    before: Optional[int] = Query(None, ge=1, le=2**62, description="only lines with a smaller id"),
    limit: int = Query(100, ge=1, le=1000),
    who: str = Query("", max_length=64),
    what: str = Query("", max_length=40, description="a beginning, such as login or result."),
    job: str = Query("", max_length=32, description="a full id"),
) -> Any:
    """The log, some lines at a time. Reading it is written down, too."""
    context = context_of(request)
    found = context.accounts.audit.list(limit, before, who, what, job)
    if before is None:
        audit_trail.note(context, request.scope, "audit.read", principal.name, once=True)
    return {
        "lines": [line.to_dict() for line in found],
        "before": found[-1].id if len(found) == limit else None,
    }
