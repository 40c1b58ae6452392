"""``/api/v1/results``: finished cases, their files one by one or all in one archive."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any, Optional

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from ...core.errors import PipelineError
from ...core.job import Job
from ...core.result_formats import media_type
from ..context import context_of
from ..documents import result_document
from ..gate import audit_trail, security
from ..gate.principal import VIEWER, Principal, needs
from ..gate.shared_names import NAMED_SCENES, real_name, unnamed_scene
from ..gate.visible_jobs import VisibleJobs
from ..http.file_response import disposition, named_in, send
from ..http.zip_stream import Named, ZipOfFiles
from ..models import PROBLEMS, ResultDocument, ResultPage
from .jobs import LONGEST_SEARCH
from .login import fields_of
from .original import etag_of

router = APIRouter(prefix="/api/v1/results", tags=["results"], responses=PROBLEMS)
_ZIPPED = "result.zip"
MOST_NOTED = 100  # lines of the audit trail for one archive
MOST_ZIPPED = 1000
_BYTES: dict[Any, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {}}},
    206: {"description": "the part asked for"},
}
_ZIP: dict[Any, dict[str, Any]] = {200: {"content": {"application/zip": {}}}}
_LONGEST_IDS = 33 * MOST_ZIPPED
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["jobs"],
                    "properties": {
                        "jobs": {
                            "type": "string",
                            "maxLength": _LONGEST_IDS,
                            "description": "ids, separated by commas",
                        },
                        "csrf": {
                            "type": "string",
                            "description": "with a login, unless the header carries it",
                        },
                    },
                }
            }
        },
    }
}


@router.get("", response_model=ResultPage)
async def list_results(
    request: Request,
    principal: Principal = Depends(needs(VIEWER)),
    search: str = Query("", max_length=LONGEST_SEARCH, description="part of the label or name"),
    limit: int = Query(50, ge=1, le=500),
    cursor: Optional[str] = Query(None, max_length=20),
) -> Any:
    """Finished cases, the newest first, some at a time."""
    context = context_of(request)
    revision = context.store.revision()
    page = VisibleJobs(context, principal).results(limit, cursor, search)
    return {
        "results": [result_document(context, job) for job in page.jobs],
        "cursor": page.cursor,
        "revision": revision,
    }


@router.head("/{case}.zip", include_in_schema=False)
@router.get("/{case}.zip", response_class=Response, responses=_ZIP)
async def result_zip(
    request: Request, case: str, principal: Principal = Depends(needs(VIEWER, share=True))
) -> Response:
    """All files of a case in one archive, made while it is sent."""
    visible = VisibleJobs(context_of(request), principal)
    job = case_of(visible, case)
    # Weak: the same files, but not byte by byte the same archive.
    tag = f'W/"{job.id}-{job.revision}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if named_in(request.headers.get("if-none-match", ""), tag[2:]):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = disposition(f"{job.name}.zip")
    return ZipOfFiles(await _files(visible, [(job, "")]), headers)


async def _files(visible: VisibleJobs, jobs: list[tuple[Job, str]]) -> list[Named]:
    """What an archive of these jobs holds, each with the folder in front; the disk is asked in a thread."""
    wanted: list[tuple[str, Job, str, bool]] = []
    for job, folder in jobs:
        hidden = visible.hides_names(job)
        stored = visible.stored(job) if hidden else job
        for name in (str(output["name"]) for output in job.outputs):
            wanted.append((folder + name, stored, real_name(stored, name) if hidden else name, hidden))

    def found() -> list[Named]:
        named: list[Named] = []
        for shown, stored, name, hidden in wanted:
            path = visible.stored_file(stored, name)
            unnamed = hidden and name.endswith(NAMED_SCENES)
            named.append((shown, partial(_unnamed, path, stored) if unnamed else path))
        return named

    return await asyncio.get_running_loop().run_in_executor(None, found)


def _unnamed(path: Path, stored: Job) -> bytes:
    return unnamed_scene(path.read_bytes(), stored)


@router.get(".zip", response_class=Response, responses=_ZIP)
async def results_zip(
    request: Request,
    principal: Principal = Depends(needs(VIEWER)),
    jobs: Optional[str] = Query(None, max_length=_LONGEST_IDS, description="ids, separated by commas"),
    search: str = Query("", max_length=LONGEST_SEARCH, description="without `jobs`: all results that match"),
    door: Optional[str] = Query(None, max_length=20),
) -> Response:
    """The files of up to a thousand cases in one archive, a folder for each case, made while it is sent."""
    return await _archive(request, principal, jobs, search, door)


@router.post(".zip", response_class=Response, responses=_ZIP, openapi_extra=_FORM)
async def results_zip_of_form(request: Request, principal: Principal = Depends(needs(VIEWER))) -> Response:
    """The same archive of the jobs of a form: more of them than proxies take in an address."""
    fields = await fields_of(request)
    if principal.via == "session":
        security.check_proof(
            principal, request.headers.get(security.CSRF_HEADER, "") or fields.get("csrf", "")
        )
    jobs = fields.get("jobs", "")
    if not 0 < len(jobs) <= _LONGEST_IDS:
        raise PipelineError("request.invalid", f"`jobs` names one to {MOST_ZIPPED} jobs")
    return await _archive(request, principal, jobs)


async def _archive(
    request: Request, principal: Principal, jobs: Optional[str], search: str = "", door: Optional[str] = None
) -> Response:
    context = context_of(request)
    visible = VisibleJobs(context, principal)
    ids = None if jobs is None else list(dict.fromkeys(one.strip().lower() for one in jobs.split(",")))
    found, total = visible.newest_results(0, MOST_ZIPPED, search=search, door=door, ids=ids)
    if not found or (ids is not None and len(found) < len(ids)):
        raise PipelineError("request.not_found", "not every one of these jobs is there and has results")
    if total > MOST_ZIPPED:
        raise PipelineError(
            "request.invalid", f"{total} results match; one archive holds {MOST_ZIPPED} at most"
        )
    for job in found[:MOST_NOTED]:
        audit_trail.note(context, request.scope, _ZIPPED, principal.name, job=job.id, durable=False)
    if total > MOST_NOTED:
        more = f"and {total - MOST_NOTED} more results"
        audit_trail.note(context, request.scope, _ZIPPED, principal.name, detail=more, durable=False)
    headers = {"Cache-Control": "private, no-store"}
    headers["Content-Disposition"] = disposition(f"results-{total}.zip")
    return ZipOfFiles(await _files(visible, [(job, f"{job.name}/") for job in found]), headers)


@router.get("/{case}", response_model=ResultDocument)
async def show_result(
    request: Request, case: str, principal: Principal = Depends(needs(VIEWER, share=True))
) -> Any:
    """One finished case and its files."""
    context = context_of(request)
    return result_document(context, case_of(VisibleJobs(context, principal), case))


@router.head("/{case}/files/{name}", include_in_schema=False)
@router.get("/{case}/files/{name}", response_class=Response, responses=_BYTES)
async def result_file(
    request: Request,
    case: str,
    name: str,
    inline: bool = Query(False, description="to be shown in a page instead of saved"),
    principal: Principal = Depends(needs(VIEWER, share=True)),
) -> Response:
    """One file of a case; parts of it with `Range`, resumed safely with `If-Range`."""
    visible = VisibleJobs(context_of(request), principal)
    job = case_of(visible, case)
    path = visible.file(job, name)
    if path.name.endswith(NAMED_SCENES) and visible.hides_names(job):
        work = partial(_unnamed, path, visible.stored(job))
        as_shown = await asyncio.get_running_loop().run_in_executor(None, work)
        headers = {"Content-Disposition": disposition(name), "Cache-Control": "private, no-cache"}
        return Response(as_shown, headers=headers, media_type=media_type(name))
    return send(request, path, name, etag=etag_of(job, name), inline=inline)


def case_of(visible: VisibleJobs, case: str) -> Job:
    """The case with a result of this job id (or its first letters) or name.

    A name is safe here: a stem is never given to another job.
    """
    try:
        job = visible.get(case)
    except PipelineError as error:
        if error.code != "request.unknown_job":
            raise
        try:
            job, _ = visible.file_named(f"{case}.gltf")
        except PipelineError:
            raise error from None
    if not job.has_result:
        raise PipelineError("request.not_found", f"job {job.id[:8]} is {job.state}; it has no results")
    return job
