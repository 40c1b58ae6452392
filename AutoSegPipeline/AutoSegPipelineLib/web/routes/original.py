"""The routes of the first AutoSegPipeline, which its clients still call.

``POST /upload`` is among the uploads, ``GET /upload`` among the pages.
"""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ...core import states
from ...core.job import Job
from ..context import context_of
from ..gate.principal import VIEWER, Principal, needs
from ..gate.visible_jobs import VisibleJobs
from ..http.file_response import send
from ..models import PROBLEMS

router = APIRouter(tags=["original"], responses=PROBLEMS)
_AT_ONCE = 200


@router.get("/files")
async def files(request: Request, principal: Principal = Depends(needs(VIEWER))) -> list[str]:
    """Names of all result files, as a plain JSON list."""
    visible, names = VisibleJobs(context_of(request), principal), []
    cursor = None
    while True:
        page = visible.results(_AT_ONCE, cursor)
        names += [str(output["name"]) for job in page.jobs for output in job.outputs]
        cursor = page.cursor
        if cursor is None:
            return sorted(names)
        await asyncio.sleep(0)  # many thousands must not hold up the others


@router.head("/download/{filename}", include_in_schema=False)
@router.get("/download/{filename}", response_class=Response)
async def download(
    request: Request, filename: str, principal: Principal = Depends(needs(VIEWER))
) -> Response:
    """One result file by its name, as an attachment; parts of it with ``Range``."""
    job, path = VisibleJobs(context_of(request), principal).file_named(filename)
    return send(request, path, path.name, etag=etag_of(job, path.name))


def etag_of(job: Job, name: str) -> str:
    """The strong tag of a result file: what it says, and whose it is."""
    if job.state == states.PUBLISHING:
        return ""  # the new files come in one by one; what is there in this moment is not known
    found = next(str(output["sha256"]) for output in job.outputs if output["name"] == name)
    return f"{job.id[:12]}-{found}"
