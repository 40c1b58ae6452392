"""The scan of a finished case, for the viewer."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ...core.errors import PipelineError
from ..context import context_of
from ..gate.principal import VIEWER, Principal, needs
from ..gate.visible_jobs import VisibleJobs
from ..http.file_response import send
from ..models import PROBLEMS
from ..scans import find_scan
from .results import case_of

router = APIRouter(prefix="/api/v1/results", tags=["results"], responses=PROBLEMS)
_BYTES: dict[Any, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {}}},
    206: {"description": "the part asked for"},
}


@router.get("/{case}/scan", response_class=Response, responses=_BYTES)
async def result_scan(
    request: Request, case: str, principal: Principal = Depends(needs(VIEWER, share=True))
) -> Response:
    """The scan itself, while its copy is still there: inputs are removed some time after their case."""
    context = context_of(request)
    job = case_of(VisibleJobs(context, principal), case)
    scan = find_scan(context.home, job)
    if scan is None:
        raise PipelineError("request.not_found", f"the scan of {job.name} was not kept")
    return send(request, scan.path, f"{job.name}.{scan.name}", "application/octet-stream")
