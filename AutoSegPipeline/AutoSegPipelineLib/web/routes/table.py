"""``/table`` and ``/api/v1/table``: all cases as one table, its files, and the methods paragraph."""

from __future__ import annotations

import contextlib
from typing import AsyncIterator, Optional

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from ...core.cohort import table as cohort_table
from ...core.errors import PipelineError
from ..context import WebContext, context_of
from ..gate.principal import VIEWER, Principal, needs
from ..gate.visible_jobs import VisibleJobs
from ..http.file_response import disposition
from ..http.streams import FromGenerator
from ..models import PROBLEMS, MethodsDocument, TablePage
from ..pages.render import page
from ..tables.parquet import can_write
from ..tables.service import CSV, KEY, PARQUET, TableService, table_of

router = APIRouter(responses=PROBLEMS, tags=["table"])
_FILES = {CSV: "text/csv; charset=utf-8", PARQUET: "application/vnd.apache.parquet"}
MOST_JOBS = 500


@contextlib.asynccontextmanager
async def lifespan(context: WebContext) -> AsyncIterator[None]:
    """The service lives as long as the application."""
    service = context.shared[KEY] = TableService(context.home)
    try:
        yield
    finally:
        service.close()


def wanted(
    sort: str = Query("", max_length=40, description="name of a column"),
    descending: bool = False,
    search: str = Query("", max_length=200, description="part of the case, label or structure"),
    structure: str = Query("", max_length=200, description="exactly this structure"),
    flag: str = Query("", max_length=20, description="border, absent, side, outlier"),
    review: str = Query("", max_length=20, description="good, bad, none"),
) -> cohort_table.Query:
    """Which rows, in which order. Raises ``request.invalid``."""
    return cohort_table.Query(sort, descending, search, structure, flag, review)


@router.get("/table", include_in_schema=False)
async def table_page(request: Request, principal: Principal = Depends(needs(VIEWER))) -> Response:
    """The table, sortable, with reviews and downloads."""
    return page(request, "table", "Table")


@router.get("/api/v1/table", response_model=TablePage)
async def show_table(
    request: Request,
    principal: Principal = Depends(needs(VIEWER)),
    query: cohort_table.Query = Depends(wanted),
    limit: int = Query(50, ge=1, le=1000),
    offset: int = Query(0, ge=0, le=10**9),
) -> object:
    """Rows for each case and structure that one may see; outliers are those among these cases."""
    context = context_of(request)
    return await table_of(context).page(query, VisibleJobs(context, principal).own, limit, offset)


@router.get("/api/v1/table/methods", response_model=MethodsDocument)
async def show_methods(
    request: Request,
    principal: Principal = Depends(needs(VIEWER)),
    job: Optional[list[str]] = Query(None, max_length=MOST_JOBS, description="ids; without any, all cases"),
) -> object:
    """A methods paragraph for a paper about these finished cases, and what it cites."""
    context = context_of(request)
    visible = VisibleJobs(context, principal)
    jobs = [visible.get_own(one) for one in job] if job else None
    return (await table_of(context).methods(jobs, visible.own)).to_dict()


@router.get("/api/v1/table.{kind}", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
async def table_file(
    request: Request,
    kind: str,
    principal: Principal = Depends(needs(VIEWER)),
    query: cohort_table.Query = Depends(wanted),
) -> Response:
    """The rows as `table.csv` or `table.parquet`, written while they are sent."""
    if kind not in _FILES:
        raise PipelineError("request.not_found", f"the table is there as csv and parquet, not as {kind}")
    if kind == PARQUET and not can_write():
        raise PipelineError("table.no_parquet", "this Python has no pyarrow")
    context = context_of(request)
    service = table_of(context)
    await service.ready()
    pieces = service.pieces(kind, query, VisibleJobs(context, principal).own)
    headers = {"Content-Disposition": disposition(f"cohort.{kind}"), "Cache-Control": "no-store"}
    return FromGenerator(pieces, headers, _FILES[kind])
