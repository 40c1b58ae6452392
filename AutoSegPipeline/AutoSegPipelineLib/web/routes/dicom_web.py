"""``/dicom-web``: studies come in by STOW-RS. Under another of our AE titles: ``/dicom-web/TITLE``."""

from __future__ import annotations

import json
from typing import AsyncIterator

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ...core.errors import PipelineError
from ...core.pacs.stored import Stored
from ..context import context_of
from ..gate.principal import OPERATOR, Principal, needs
from ..models import PROBLEMS
from ..pacs import stow
from ..pacs.dicom_process import dicom_process_of
from ..uploads.body import Event, FileBegins, FileBytes, FileEnds, Interrupted, chunks, length_of
from ..uploads.incoming_request import IncomingRequest
from ..uploads.related import instances
from ..uploads.responses import failed, interrupted
from ..uploads.service import Uploads

router = APIRouter(tags=["dicom"], responses=PROBLEMS)
_operator = needs(OPERATOR)
_BODY: dict[str, object] = {
    "requestBody": {"content": {"multipart/related": {"schema": {"type": "string", "format": "binary"}}}},
    "responses": {
        "200": {"description": "All were stored.", "content": {stow.MEDIA_TYPE: {}}},
        "202": {"description": "Some were stored.", "content": {stow.MEDIA_TYPE: {}}},
        "409": {"description": "None was stored.", "content": {stow.MEDIA_TYPE: {}}},
    },
}


@router.post("/dicom-web/studies", openapi_extra=_BODY)
async def store(request: Request, principal: Principal = Depends(_operator)) -> Response:
    """Take the instances of a ``multipart/related`` body; complete series become jobs."""
    return await _store(request, principal, "", "")


@router.post("/dicom-web/studies/{study}", openapi_extra=_BODY)
async def store_of_study(request: Request, study: str, principal: Principal = Depends(_operator)) -> Response:
    """The same; instances of another study are not taken."""
    return await _store(request, principal, "", study)


@router.post("/dicom-web/{title}/studies", openapi_extra=_BODY)
async def store_under(request: Request, title: str, principal: Principal = Depends(_operator)) -> Response:
    """The same under another of our AE titles, by the entry of ``dicom.json`` that has it."""
    return await _store(request, principal, title, "")


@router.post("/dicom-web/{title}/studies/{study}", openapi_extra=_BODY)
async def store_of_study_under(
    request: Request, title: str, study: str, principal: Principal = Depends(_operator)
) -> Response:
    """Both."""
    return await _store(request, principal, title, study)


async def _store(request: Request, principal: Principal, title: str, study: str) -> Response:
    context = context_of(request)
    try:
        _check_accept(request)
        events = instances(request.headers.get("content-type", ""), chunks(request))
        stow.check_title(dicom_process_of(context), title)
        stored = await _given(request, principal.name, events, title, study)
    except Interrupted as error:
        return interrupted(str(error))
    except PipelineError as error:
        return await failed(request, error)
    return Response(
        json.dumps(stow.response_of(stored)),
        stow.status_of(stored),
        media_type=stow.MEDIA_TYPE,
    )


async def _given(
    request: Request, owner: str, events: AsyncIterator[Event], title: str, study: str
) -> list[Stored]:
    """The body's instances in the hands of the dicom process; nothing stays here, whatever happens."""
    context = context_of(request)
    uploads: Uploads = context.shared["uploads"]
    async with IncomingRequest(uploads, owner, length_of(request)) as incoming:
        async for event in events:
            if isinstance(event, FileBegins):
                await incoming.begin("instance.dcm")
            elif isinstance(event, FileBytes):
                await incoming.write(event.data)
            elif isinstance(event, FileEnds):
                await incoming.end()
        if not incoming.files:
            raise PipelineError("request.invalid", "the request holds no instance", status=400)
        files = [one.file for one in incoming.files]
        address = request.client.host if request.client else ""
        return await stow.store(dicom_process_of(context), files, title, study, owner, address)


def _check_accept(request: Request) -> None:
    """The answer is JSON; raises ``web.not_acceptable`` for who takes none."""
    accept = request.headers.get("accept", "*/*")
    kinds = [one.partition(";")[0].strip().lower() for one in accept.split(",")]
    if not {stow.MEDIA_TYPE, "application/json", "application/*", "*/*"} & set(kinds):
        raise PipelineError("web.not_acceptable", f"the answer is {stow.MEDIA_TYPE}, not {accept[:100]}")
