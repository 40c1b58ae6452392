"""Many jobs at once: their numbers, their ids, and one action for all of them."""

from __future__ import annotations

from typing import Annotated, Callable, List, Optional

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from ...core.commands import Cancel, Command, JobCommand, Purge, Retry, Review
from ...core.errors import PipelineError
from ...core.hints import PAGE, hint_at
from ...core.specs import did_you_mean
from ..ask import ask_each
from ..context import WebContext, context_of
from ..gate import audit_trail
from ..gate.principal import OPERATOR, VIEWER, Principal, may_change, needs, principal_of
from ..gate.visible_jobs import VisibleJobs
from ..models import PROBLEMS, ReviewedJobs, ReviewsBody
from .jobs import LONGEST_SEARCH, wanted_states

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"], responses=PROBLEMS)

MOST_ACTED = 100  # of one request
MOST_IDS = 100_000
_ACTIONS: dict[str, Callable[[str], JobCommand]] = {"cancel": Cancel, "retry": Retry, "delete": Purge}


class JobCounts(BaseModel):
    """How many jobs are in each state; every state is a key."""

    counts: dict[str, int]
    total: int
    revision: int


class JobIds(BaseModel):
    """Ids in the order of the work; `complete` is false where there are more than a hundred thousand."""

    ids: List[str]
    complete: bool
    revision: int


JobId = Annotated[str, Field(min_length=4, max_length=32)]


class Action(BaseModel):
    """What is to be done to which jobs."""

    model_config = ConfigDict(extra="forbid")
    action: str = Field(max_length=20, description=f"one of {', '.join(_ACTIONS)}")
    jobs: List[JobId] = Field(min_length=1, max_length=MOST_ACTED)


class NotDone(BaseModel):
    """Why it was not done to one job."""

    job: str
    code: str
    message: str
    hint: str


class ActionDone(BaseModel):
    """To which jobs it was done, and to which not."""

    done: List[str]
    failed: List[NotDone]


@router.get("/counts", response_model=JobCounts)
async def count_jobs(
    request: Request,
    principal: Principal = Depends(needs(VIEWER)),
    search: str = Query("", max_length=LONGEST_SEARCH, description="as of the list of jobs"),
    door: Optional[str] = Query(None, max_length=20),
) -> object:
    """How many jobs are in each state."""
    context = context_of(request)
    revision = context.store.revision()
    counts = VisibleJobs(context, principal).counts(search, door)
    return {"counts": counts, "total": sum(counts.values()), "revision": revision}


@router.get("/ids", response_model=JobIds)
async def job_ids(
    request: Request,
    principal: Principal = Depends(needs(VIEWER)),
    state: Optional[str] = Query(None, description="as of the list of jobs"),
    search: str = Query("", max_length=LONGEST_SEARCH),
    door: Optional[str] = Query(None, max_length=20),
    published: bool = Query(False, description="only those with a result, also while they run again"),
) -> object:
    """The ids of all jobs that a filter leaves, for one action on all of them."""
    context = context_of(request)
    revision = context.store.revision()
    found = VisibleJobs(context, principal).ids(
        wanted_states(state), search, door, MOST_IDS + 1, published or None
    )
    return {"ids": found[:MOST_IDS], "complete": len(found) <= MOST_IDS, "revision": revision}


@router.post("/actions", response_model=ActionDone)
async def act_on_jobs(
    request: Request, given: Action, principal: Principal = Depends(needs(OPERATOR))
) -> object:
    """Cancel, retry or delete up to a hundred jobs. Each is answered for by itself."""
    command = _ACTIONS.get(given.action)
    if command is None:
        hint = did_you_mean(given.action, tuple(_ACTIONS))
        raise PipelineError("request.invalid", f"action is one of {', '.join(_ACTIONS)}{hint}")
    context = context_of(request)
    visible = VisibleJobs(context, principal)
    refused: dict[str, PipelineError] = {}
    asked: dict[str, JobCommand] = {}
    for job_id in dict.fromkeys(given.jobs):
        try:
            job = visible.get(job_id)
            may_change(principal, job)
            asked[job_id] = command(job.id)
        except PipelineError as error:
            refused[job_id] = error
    answers = await ask_each(context, list(asked.values()), principal.name)
    for (job_id, one), answer in zip(asked.items(), answers):
        if isinstance(answer, PipelineError):
            refused[job_id] = answer
        _note(context, request, f"job.{given.action}", one.job, refused.get(job_id))
    return {
        "done": [job_id for job_id in asked if job_id not in refused],
        "failed": [
            {"job": job, "code": one.code, "message": one.message, "hint": hint_at(PAGE, one.code, one.hint)}
            for job, one in refused.items()
        ],
    }


@router.post("/review", response_model=ReviewedJobs)
async def review_jobs(
    request: Request, body: ReviewsBody, principal: Principal = Depends(needs(OPERATOR))
) -> object:
    """The same review for many jobs; each answers for itself, so that one that is gone stops no other."""
    context = context_of(request)
    visible = VisibleJobs(context, principal)
    found: dict[str, int | PipelineError] = {}  # the place of its command, or why there is none
    commands: list[Command] = []
    for wanted in dict.fromkeys(body.jobs):
        try:
            job = visible.get_own(wanted)
            commands.append(Review(job.id, body.mark, body.remark, principal.name))
            found[wanted] = len(commands) - 1
        except PipelineError as error:
            found[wanted] = error
    answers = await ask_each(context, commands, principal.name)
    for command, answer in zip(commands, answers):
        problem = answer if isinstance(answer, PipelineError) else None
        _note(context, request, "job.review", str(command.about), problem)
    ends = {wanted: answers[one] if isinstance(one, int) else one for wanted, one in found.items()}
    return {
        "jobs": [
            {"job": wanted, "error": end.to_dict() if isinstance(end, PipelineError) else None}
            for wanted, end in ends.items()
        ]
    }


def _note(
    context: WebContext, request: Request, what: str, job: str, problem: Optional[PipelineError]
) -> None:
    """A line of the audit trail as the address for one job writes it."""
    code = problem.code if problem is not None else ""
    who = principal_of(request).name
    audit_trail.note(context, request.scope, what, who, job=job, detail=code, ok=not code, durable=False)
