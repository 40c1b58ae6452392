"""``/api/v1/jobs``: list, show, cancel, retry, reorder, delete, log."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Optional, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from ...core import example, states
from ...core.commands import (
    Cancel,
    Command,
    Example,
    JobCommand,
    Priority,
    Purge,
    Retry,
    Review,
)
from ...core.errors import PipelineError
from ...core.incoming import Intent
from ...core.specs import did_you_mean
from ..ask import ask
from ..context import context_of
from ..documents import job_document
from ..gate.principal import VIEWER, Principal, may_change, needs
from ..gate.visible_jobs import VisibleJobs
from ..http.file_response import send
from ..models import (
    PROBLEMS,
    Change,
    Done,
    JobDocument,
    JobPage,
    ReviewBody,
)
from ..uploads.service import Uploads

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=PROBLEMS)

MOST = 500
LONGEST_SEARCH = 4096  # a label has a folder's path in front, up to 32 parts of 100 characters
_MOST_IDS = 100
MOST_REVISION = 2**62
_GROUPS = {
    "waiting": states.WAITING,
    "running": states.RUNNING,
    "ended": states.ENDS,
}


def wanted_states(text: Optional[str]) -> Optional[list[str]]:
    """``queued,running`` as states; ``waiting``, ``running`` and ``ended`` stand for several."""
    if not text:
        return None
    found: list[str] = []
    for word in (part.strip().lower() for part in text.split(",")):
        if word in _GROUPS:
            found += sorted(_GROUPS[word])
        elif word in states.ALL:
            found.append(word)
        else:
            known = (*states.ALL, *_GROUPS)
            raise PipelineError("request.invalid", f"there is no state {word!r}{did_you_mean(word, known)}")
    return list(dict.fromkeys(found))


def _ids(text: Optional[str]) -> Optional[list[str]]:
    """``id,id`` as a list."""
    return None if text is None else [one.strip().lower() for one in text.split(",") if one.strip()]


@router.get("", response_model=JobPage, response_model_exclude_unset=True)
async def list_jobs(
    request: Request,
    principal: Principal = Depends(needs(VIEWER, share=True)),
    state: Optional[str] = Query(
        None, description="states, separated by commas; also waiting, running, ended"
    ),
    search: str = Query(
        "", max_length=LONGEST_SEARCH, description="part of label, name or who asked; beginning of the id"
    ),
    ids: Optional[str] = Query(None, max_length=33 * _MOST_IDS, description="only these, complete ids"),
    published: bool = Query(False, description="only those with a result, the newest first"),
    door: Optional[str] = Query(None, max_length=20, description="inbox, web, dicom, submit ..."),
    since: Optional[int] = Query(None, ge=0, le=MOST_REVISION, description="changed after this revision"),
    order: str = Query("newest", pattern="^(newest|oldest|work)$"),
    offset: int = Query(
        0, ge=0, le=MOST_REVISION, description="of `order=work` and `published`: how many to skip"
    ),
    limit: int = Query(100, ge=1, le=MOST),
    cursor: Optional[str] = Query(None, max_length=20),
) -> object:
    """Jobs by arrival, or with `since` by change, some at a time.

    `order=work` is the order of the page: what runs, what arrives, the queue as it is taken, what has ended.
    Its answer has `total` and `counts` (by state, of all states) of the jobs that match, and the `places`
    of those that wait. `published` goes by `offset` and has `total` too.
    """
    context = context_of(request)
    revision = context.store.revision()
    visible = VisibleJobs(context, principal)
    how: dict[str, Any] = {"states": wanted_states(state), "search": search, "door": door, "ids": _ids(ids)}
    if published:
        found, total = visible.newest_results(offset, limit, **how)
        jobs = [job_document(context, job) for job in found]
        return {"jobs": jobs, "cursor": None, "revision": revision, "total": total}
    if order == "work" and since is None:
        window = visible.window(offset, limit, cursor, **how)
        end = window.offset + len(window.jobs)
        return {
            "jobs": [job_document(context, job) for job in window.jobs],
            "cursor": str(end) if window.jobs and end < window.total else None,
            "revision": revision,
            "total": window.total,
            "counts": window.counts,
            "places": window.places,
        }
    if since is None:
        page = visible.page(limit, cursor, newest_first=order == "newest", **how)
    else:
        page = visible.page_since(since, limit, cursor, **how)
    return {
        "jobs": [job_document(context, job) for job in page.jobs],
        "cursor": page.cursor,
        "revision": revision,
    }


@router.get("/{job_id}", response_model=JobDocument)
async def show_job(
    request: Request, job_id: str, principal: Principal = Depends(needs(VIEWER, share=True))
) -> object:
    """One job; the first letters of its id suffice."""
    context = context_of(request)
    return job_document(context, VisibleJobs(context, principal).get(job_id))


@router.get("/{job_id}/log", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def job_log(request: Request, job_id: str, principal: Principal = Depends(needs(VIEWER))) -> Response:
    """The log of one case: JSON lines with ``at``, ``level`` and ``text``."""
    visible = VisibleJobs(context_of(request), principal)
    job = visible.get_own(job_id)
    path = visible.log(job)
    if not path.is_file():
        return Response(b"", media_type="text/plain; charset=utf-8")
    return send(request, path, f"{job.id}.log", "text/plain; charset=utf-8", inline=True)


Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def _command(row: type[Command], response: type[BaseModel]) -> Callable[[Endpoint], Endpoint]:
    """A route for a command of the table: its method, path, least role and help are those of its row."""
    assert row.http is not None
    return router.api_route(
        row.http.path, methods=[row.http.method], response_model=response, description=row.help
    )


def _may(row: type[Command]) -> Any:
    """The dependency that lets through whoever may ask for ``row``."""
    assert row.http is not None
    return Depends(needs(row.http.role))


@_command(Cancel, Done)
async def cancel_job(request: Request, job_id: str, principal: Principal = _may(Cancel)) -> object:
    return await _asked(request, principal, Cancel(job_id))


@_command(Retry, Done)
async def retry_job(request: Request, job_id: str, principal: Principal = _may(Retry)) -> object:
    return await _asked(request, principal, Retry(job_id))


@_command(Priority, JobDocument)
async def change_job(
    request: Request, job_id: str, change: Change, principal: Principal = _may(Priority)
) -> object:
    await _asked(request, principal, Priority(job_id, change.priority))
    context = context_of(request)
    return job_document(context, VisibleJobs(context, principal).get(job_id))


@_command(Review, JobDocument)
async def review_job(
    request: Request, job_id: str, body: ReviewBody, principal: Principal = _may(Review)
) -> object:
    context = context_of(request)
    job = VisibleJobs(context, principal).get_own(job_id)
    await ask(context, Review(job.id, body.mark, body.remark, principal.name), principal.name)
    return job_document(context, VisibleJobs(context, principal).get(job.id))


@_command(Example, JobDocument)
async def make_example(request: Request, principal: Principal = _may(Example)) -> object:
    context = context_of(request)
    uploads: Uploads = context.shared["uploads"]
    uploads.admission.check(principal.name, example.FILE.size)
    answer = await ask(context, Example(principal.name), principal.name)
    job = VisibleJobs(context, principal).get(answer.job or "")
    uploads.admission.note([Intent(id=job.id, files=[example.FILE])])
    request.scope["autoseg.jobs"] = [job.id]  # for the audit log
    return job_document(context, job)


@_command(Purge, Done)
async def delete_job(request: Request, job_id: str, principal: Principal = _may(Purge)) -> object:
    return await _asked(request, principal, Purge(job_id))


async def _asked(request: Request, principal: Principal, command: JobCommand) -> dict[str, Any]:
    """Have the pipeline do it to a job that ``principal`` may see and change."""
    context = context_of(request)
    job = VisibleJobs(context, principal).get(command.job)
    may_change(principal, job)
    answer = await ask(context, replace(command, job=job.id), principal.name)
    return {"ok": True, "job": job.id, "state": answer.state}
