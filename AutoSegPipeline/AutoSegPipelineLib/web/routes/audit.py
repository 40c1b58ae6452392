"""``/api/v1/audit``: who saw, took and changed what; for admins."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import AsyncIterator, Iterable, List, Optional

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from ...core.clock import parse_rfc3339
from ...core.errors import PipelineError
from ...core.spreadsheet import defused
from ..accounts.audit import Line
from ..context import WebContext, context_of
from ..gate import audit_trail
from ..gate.principal import ADMIN, Principal, needs
from ..http.file_response import disposition
from ..http.streams import Streamed
from ..models import PROBLEMS

router = APIRouter(prefix="/api/v1", tags=["account"], responses=PROBLEMS)
_AT_ONCE = 500
_COLUMNS = ("id", "at", "who", "via", "address", "what", "job", "detail", "ok")


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


class Filter:
    """Which lines are wanted; a dependency of both routes."""

    def __init__(
        self,
        who: str = Query("", max_length=64),
        what: str = Query("", max_length=40, description="a beginning, such as login or result."),
        job: str = Query("", max_length=32, description="a full id"),
        since: str = Query("", max_length=40, description="RFC 3339, or a day such as 2026-11-29 (UTC)"),
        until: str = Query("", max_length=40, description="the same; a day counts to its end"),
        # No Optional: the FastAPI for Python 3.9 does not find names of this module for a class.
        ok: bool = Query(None, description="only what was allowed, or only what was refused"),
    ) -> None:
        self.who, self.what, self.job, self.ok = who, what, job, ok
        self.since, self.until = _seconds(since, False), _seconds(until, True)

    def lines(self, context: WebContext, limit: int, before: Optional[int]) -> list[Line]:
        """Some of them, the newest first."""
        return context.accounts.audit.list(
            limit, before, self.who, self.what, self.job, self.since, self.until, self.ok
        )


@router.get("/audit", response_model=AuditPage)
async def read_audit(
    request: Request,
    principal: Principal = Depends(needs(ADMIN)),
    wanted: Filter = Depends(Filter),
    before: Optional[int] = Query(None, ge=1, le=2**62, description="only lines with a smaller id"),
    limit: int = Query(100, ge=1, le=1000),
) -> object:
    """The log, some lines at a time. Reading it is written down, too."""
    context = context_of(request)
    found = wanted.lines(context, limit, before)
    if before is None:
        audit_trail.note(context, request.scope, "audit.read", principal.name, once=True)
    return {
        "lines": [line.to_dict() for line in found],
        "before": found[-1].id if len(found) == limit else None,
    }


@router.get("/audit.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
async def export_audit(
    request: Request, principal: Principal = Depends(needs(ADMIN)), wanted: Filter = Depends(Filter)
) -> Response:
    """The same lines as a table, all of them."""
    context = context_of(request)
    audit_trail.note(context, request.scope, "audit.read", principal.name, detail="export")
    return _Table(context, wanted)


class _Table(Streamed):
    def __init__(self, context: WebContext, wanted: Filter) -> None:
        headers = {"Content-Disposition": disposition("audit.csv"), "Cache-Control": "no-store"}
        super().__init__(200, headers, "text/csv; charset=utf-8")
        self._context, self._wanted = context, wanted

    async def pieces(self) -> AsyncIterator[bytes]:
        """Some hundred lines at a time."""
        yield _rows([_COLUMNS])
        before: Optional[int] = None
        while True:
            found = self._wanted.lines(self._context, _AT_ONCE, before)
            if not found:
                return
            before = found[-1].id
            yield _rows([[defused(str(line.to_dict()[name])) for name in _COLUMNS] for line in found])
            await asyncio.sleep(0)  # a million lines must not hold up the others


def _rows(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _seconds(text: str, end: bool) -> Optional[float]:
    if not text:
        return None
    is_day = len(text) == 10
    try:
        found = parse_rfc3339(f"{text}T00:00:00Z" if is_day else text)
    except ValueError:
        raise PipelineError("request.invalid", f"{text!r} is no time: 2026-11-29 is", status=422) from None
    return found + 86400 if is_day and end else found
