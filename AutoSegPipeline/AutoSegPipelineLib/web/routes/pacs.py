"""``/api/v1/pacs``: search archives, fetch from them, and how each of them is.

What a search finds goes to whoever asked, and is kept nowhere.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ...core.errors import PipelineError
from ...core.pacs.query import StudyQuery, uid
from ...core.specs import parse_options
from ..context import WebContext, context_of
from ..gate import audit_trail
from ..gate.principal import OPERATOR, Principal, may_change, needs
from ..gate.visible_jobs import VisibleJobs
from ..gate.visible_peers import DOOR, VisiblePeers
from ..models import PROBLEMS
from ..pacs import lifespan as pacs_lifespan
from ..pacs.dicom_process import DicomProcess, dicom_process_of
from ..pacs.models import (
    EchoDocument,
    FetchDocument,
    NewFetch,
    OneStudy,
    PacsDocument,
    Search,
    SeriesList,
    StudyList,
)
from ..pacs.overview import overview

router = APIRouter(prefix="/api/v1/pacs", tags=["pacs"], responses=PROBLEMS)
lifespan = pacs_lifespan.lifespan
SEARCH_SECONDS = 75.0  # longer than a peer may be silent
ANSWER_SECONDS = 15.0


def _visible(context: WebContext, pacs: DicomProcess, principal: Principal) -> VisiblePeers:
    return VisiblePeers(pacs.config()[0], principal, context.config.visibility)


@router.get("", response_model=PacsDocument)
async def read_pacs(request: Request, principal: Principal = Depends(needs(OPERATOR))) -> object:
    """Archives, fetches, watches, and who was refused."""
    context = context_of(request)
    pacs = dicom_process_of(context)
    config, error = pacs.config()
    visible = VisiblePeers(config, principal, context.config.visibility)
    return overview(pacs, config, error, visible, VisibleJobs(context, principal))


@router.post("/find", response_model=StudyList)
async def find_studies(
    request: Request, given: Search, principal: Principal = Depends(needs(OPERATOR))
) -> object:
    """Search one archive for studies."""
    context = context_of(request)
    pacs = dicom_process_of(context)
    _visible(context, pacs, principal).check(given.peer)
    query = StudyQuery.of(given.match, "search")
    detail = f"{given.peer} by {query.words}"
    audit_trail.note(context, request.scope, "pacs.find", principal.name, detail=detail)
    args: dict[str, object] = {"peer": given.peer, "match": dict(given.match)}
    return await pacs.ask("find", args, principal.name, SEARCH_SECONDS)


@router.post("/series", response_model=SeriesList)
async def find_series(
    request: Request, given: OneStudy, principal: Principal = Depends(needs(OPERATOR))
) -> object:
    """The series of one study."""
    context = context_of(request)
    pacs = dicom_process_of(context)
    _visible(context, pacs, principal).check(given.peer)
    audit_trail.note(context, request.scope, "pacs.series", principal.name, detail=given.peer)
    args: dict[str, object] = {"peer": given.peer, "study": given.study}
    return await pacs.ask("series", args, principal.name, SEARCH_SECONDS)


@router.post("/fetches", response_model=FetchDocument, status_code=202)
async def fetch_study(
    request: Request, given: NewFetch, principal: Principal = Depends(needs(OPERATOR))
) -> object:
    """Fetch a study; the jobs that come of it belong to whoever asked."""
    context = context_of(request)
    pacs = dicom_process_of(context)
    visible = _visible(context, pacs, principal)
    visible.check(given.peer)
    for one in given.series:
        uid(one, "series")
    order = {**given.model_dump(), "options": parse_options(given.options, "fetch")}
    order.update(door=DOOR, by=principal.name)
    answer = await pacs.ask("fetch", {"peer": given.peer, "order": order}, principal.name, ANSWER_SECONDS)
    number = int(str(answer["fetch"]))
    detail = f"{given.peer}, fetch {number}"
    audit_trail.note(context, request.scope, "pacs.fetch", principal.name, detail=detail)
    return visible.fetch(pacs.store, number).to_dict()


@router.delete("/fetches/{number}", status_code=204)
async def cancel_fetch(
    request: Request, number: int, principal: Principal = Depends(needs(OPERATOR))
) -> Response:
    """Fetch no further; what has come of it so far is removed."""
    context = context_of(request)
    pacs = dicom_process_of(context)
    found = _visible(context, pacs, principal).fetch(pacs.store, number)
    args: dict[str, object] = {"fetch": number}
    await pacs.ask("cancel_fetch", args, principal.name, ANSWER_SECONDS)
    detail = f"{found.order.peer}, fetch {number}"
    audit_trail.note(context, request.scope, "pacs.cancel", principal.name, detail=detail)
    return Response(status_code=204)


@router.post("/sends/{number}/again", status_code=204)
async def send_again(
    request: Request, number: int, principal: Principal = Depends(needs(OPERATOR))
) -> Response:
    """Send the results of a job to an archive again; what is there already is replaced."""
    context = context_of(request)
    pacs = dicom_process_of(context)
    found = pacs.store.sends.get(number) if pacs.store is not None else None
    if found is None:
        raise PipelineError("request.not_found", f"there is no send {number}")
    job = VisibleJobs(context, principal).get(found.job)
    may_change(principal, job)
    args: dict[str, object] = {"job": job.id, "peers": [found.peer]}
    await pacs.ask("send", args, principal.name, ANSWER_SECONDS)
    audit_trail.note(context, request.scope, "pacs.send", principal.name, job=job.id, detail=found.peer)
    return Response(status_code=204)


@router.post("/peers/{peer}/echo", response_model=EchoDocument)
async def echo_peer(request: Request, peer: str, principal: Principal = Depends(needs(OPERATOR))) -> object:
    """Ask one archive now whether it answers."""
    context = context_of(request)
    pacs = dicom_process_of(context)
    _visible(context, pacs, principal).check(peer)
    return await pacs.ask("echo", {"peer": peer}, principal.name, SEARCH_SECONDS)
