"""Complete files in one request, and batches: the original's ``POST /upload``, ``/api/v1/uploads``."""

from __future__ import annotations

import contextlib
from typing import Any, AsyncIterator

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ...core.errors import PipelineError
from ...intake.received.client_input import CaseRequest, is_mistyped
from ..context import WebContext, context_of
from ..gate.principal import OPERATOR, Principal, needs
from ..models import PROBLEMS, Uploaded
from ..uploads import batches, recovery
from ..uploads.body import Field, FileBegins, FileBytes, FileEnds, Interrupted, chunks, length_of, parts
from ..uploads.digests import wanted_of
from ..uploads.incoming_request import IncomingRequest
from ..uploads.responses import failed, interrupted, outcome_response
from ..uploads.service import Outcome, Uploads
from . import resumable_uploads

router = APIRouter(tags=["uploads"], responses=PROBLEMS)
HERE = "/api/v1/uploads"
_operator = needs(OPERATOR)
_FORM: dict[str, Any] = {
    "requestBody": {
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "additionalProperties": True,
                }
            }
        }
    }
}
_BYTES: dict[str, Any] = {
    "requestBody": {
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    }
}
_OVERHEAD = 1 << 20  # what a form's boundaries, headers and fields may take beside its files
_OWN = ("batch", "csrf", "csrf_token")  # fields that mean something to the page and not to the case


@contextlib.asynccontextmanager
async def lifespan(context: WebContext) -> AsyncIterator[None]:
    """What uploads need as long as the application runs."""
    uploads = Uploads(context)
    context.shared["uploads"] = uploads
    async with recovery.running(uploads):
        yield


def _uploads_of(request: Request) -> Uploads:
    found: Uploads = context_of(request).shared["uploads"]
    return found


def _queried(uploads: Uploads, request: Request) -> tuple[CaseRequest, str]:
    """What the query asks for, checked, and the batch that it names."""
    wanted = CaseRequest()
    own = wanted.add(request.query_params.multi_items(), "query", own=_OWN)
    batch = batches.batch_id(own["batch"]) if "batch" in own else ""
    uploads.admission.check_options(wanted)
    return wanted, batch


# --- complete files in one request ------------------------------------------------------------------


@router.post("/upload", response_model=Uploaded, openapi_extra=_FORM)
async def upload_form(request: Request, principal: Principal = Depends(_operator)) -> Response:
    """Files of a form, whatever their fields are called; each becomes a job."""
    return await _form(request, principal, 200)


@router.post(HERE, response_model=Uploaded, openapi_extra=_FORM, status_code=201)
async def create_upload(request: Request, principal: Principal = Depends(_operator)) -> Response:
    """A form with files, or (with ``Tus-Resumable``) the creation of a resumable upload."""
    if resumable_uploads.is_creation(request):
        return await resumable_uploads.create(request, principal)
    return await _form(request, principal, 201)


async def _form(request: Request, principal: Principal, status: int) -> Response:
    uploads = _uploads_of(request)
    try:
        outcome = await _from_form(uploads, request, principal.name)
    except Interrupted as error:
        return interrupted(str(error))
    except PipelineError as error:
        return await failed(request, error)
    return outcome_response(request, outcome, uploads.context, status)


async def _from_form(uploads: Uploads, request: Request, owner: str) -> Outcome:
    """Every file of a form, whatever its field is called; text under the name of an option is one.

    Text of any other name is ignored, as programs send fields of their own along; only what is nearly
    an option's name is refused, as a case would be computed otherwise than was meant. Options in the
    query or in front of the files are checked before the bytes are taken.
    """
    wanted, batch = _queried(uploads, request)
    length = length_of(request)
    size = None if length is None else max(0, length - _OVERHEAD)
    async with IncomingRequest(uploads, owner, size) as incoming:
        name, begun = "", False
        async for event in parts(request.headers.get("content-type", ""), chunks(request)):
            if isinstance(event, FileBytes):
                if not begun:
                    begun = True
                    await incoming.begin(name)
                await incoming.write(event.data)
            elif isinstance(event, FileBegins):
                name, begun = event.name, False
            elif isinstance(event, FileEnds):
                if not begun and name:  # a file without a byte; a form's empty field has no name
                    begun = True
                    await incoming.begin(name)
                if begun:
                    await incoming.end()
            elif isinstance(event, Field):
                own = wanted.add([(event.name, event.value)], "form", is_mistyped(event.name), own=_OWN)
                batch = batches.batch_id(own["batch"]) if "batch" in own else batch
                uploads.admission.check_options(wanted)
        return await incoming.finish(wanted, batch)


@router.put(HERE + "/{name:path}", response_model=Uploaded, openapi_extra=_BYTES, status_code=201)
async def put_file(request: Request, name: str, principal: Principal = Depends(_operator)) -> Response:
    """The bytes of one file; options in the query, a checksum in ``Repr-Digest`` or ``Digest``."""
    uploads = _uploads_of(request)
    try:
        outcome = await _from_body(uploads, request, principal.name, name)
    except Interrupted as error:
        return interrupted(str(error))
    except PipelineError as error:
        return await failed(request, error)
    return outcome_response(request, outcome, uploads.context, 201)


async def _from_body(uploads: Uploads, request: Request, owner: str, name: str) -> Outcome:
    """The bytes of one file; checksums in the headers are verified."""
    wanted, batch = _queried(uploads, request)
    checksums = wanted_of(request.headers)
    async with IncomingRequest(uploads, owner, length_of(request)) as incoming:
        await incoming.begin(name, checksums)
        async for data in chunks(request):
            await incoming.write(data)
        await incoming.end(checksums)
        return await incoming.finish(wanted, batch)


# --- batches --------------------------------------------------------------------------------------


@router.post(HERE + "/batches/{batch}/finish", response_model=Uploaded, status_code=201)
async def finish_batch(request: Request, batch: str, principal: Principal = Depends(_operator)) -> Response:
    """No more files come: those of the batch become jobs, a folder of them one. Again answers the same."""
    uploads = _uploads_of(request)
    later, _ = _queried(uploads, request)
    outcome = await batches.finish(uploads, principal.name, batches.batch_id(batch), later)
    return outcome_response(request, outcome, uploads.context, 201)


@router.delete(HERE + "/batches/{batch}", status_code=204)
async def discard_batch(request: Request, batch: str, principal: Principal = Depends(_operator)) -> Response:
    """Forget the files of a batch that is not finished."""
    await batches.discard(_uploads_of(request), principal.name, batches.batch_id(batch))
    return Response(status_code=204)
