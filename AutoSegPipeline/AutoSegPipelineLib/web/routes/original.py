"""The routes of the first AutoSegPipeline, which its clients still call."""

from __future__ import annotations

from fastapi import APIRouter, Request

from ...core import states
from ..context import context_of

router = APIRouter()


@router.get("/files")
async def files(request: Request) -> list[str]:
    """Names of every result file, as a plain JSON list."""
    store = context_of(request).store
    return sorted(out["name"] for job in store.jobs.list([states.DONE]) for out in job.outputs)
