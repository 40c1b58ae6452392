"""Many jobs at once: their numbers, their ids, and one action for all of them."""

from __future__ import annotations

from typing import Annotated, Callable, List, Optional

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from ...core.commands import Cancel, JobCommand, Purge, Retry, Review
from ...core.errors import PipelineError
from ...core.hints import PAGE, error_at
from ...core.specs import did_you_mean
from ..ask import ask_each
from ..context import context_of
from ..gate import audit_trail
from ..gate.principal import OPERATOR, VIEWER, Principal, may_change, needs
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
    visible = VisibleJobs(context_of(request), principal)

    def wanted(job_id: str) -> JobCommand:
        job = visible.get(job_id)
        may_change(principal, job)
        return command(job.id)

    ends = await _ask_all(request, principal, f"job.{given.action}", given.jobs, wanted)
    return {
        "done": [job for job, problem in ends.items() if problem is None],
        "failed": [{"job": job, **problem} for job, problem in ends.items() if problem is not None],
    }


@router.post("/review", response_model=ReviewedJobs)
async def review_jobs(
    request: Request, body: ReviewsBody, principal: Principal = Depends(needs(OPERATOR))
) -> object:
    """The same review for many jobs; each answers for itself, so that one that is gone stops no other."""
    visible = VisibleJobs(context_of(request), principal)

    def wanted(job_id: str) -> JobCommand:
        return Review(visible.get_own(job_id).id, body.mark, body.remark, principal.name)

    ends = await _ask_all(request, principal, "job.review", body.jobs, wanted)
    return {"jobs": [{"job": job, "error": problem} for job, problem in ends.items()]}


async def _ask_all(
    request: Request, principal: Principal, what: str, jobs: list[str], wanted: Callable[[str], JobCommand]
) -> dict[str, dict[str, str] | None]:
    """Why it was not done to each of ``jobs``, None where it was; ``wanted`` gives its command or raises.

    A line of the audit trail for each that was asked for, as the address for one job writes it.
    """
    context = context_of(request)
    ends: dict[str, PipelineError | None] = {}
    commands: dict[str, JobCommand] = {}
    for job in dict.fromkeys(jobs):
        try:
            ends[job], commands[job] = None, wanted(job)
        except PipelineError as error:
            ends[job] = error
    answers = await ask_each(context, list(commands.values()), principal.name)
    for (job, command), answer in zip(commands.items(), answers):
        ends[job] = problem = answer if isinstance(answer, PipelineError) else None
        why, ok = (problem.code, False) if problem is not None else ("", True)
        about = command.job
        audit_trail.note(
            context, request.scope, what, principal.name, job=about, detail=why, ok=ok, durable=False
        )
    return {job: error_at(PAGE, one.to_dict() if one is not None else None) for job, one in ends.items()}
