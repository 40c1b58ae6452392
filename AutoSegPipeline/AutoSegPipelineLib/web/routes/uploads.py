"""``POST /upload`` of the original, and ``/api/v1/uploads``: forms, raw ``PUT``, tus 1.0, batches."""

from __future__ import annotations

import contextlib
from typing import Any, AsyncIterator
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from ...core.clock import rfc3339
from ...core.errors import PipelineError
from ...intake.received.request import UploadRequest, batch_id
from ..context import WebContext, context_of
from ..gate.principal import OPERATOR, Principal, needs
from ..models import PROBLEMS, UploadDocument, Uploaded, UploadList
from ..uploads import tus
from ..uploads.body import Interrupted, chunks
from ..uploads.digests import tus_wanted
from ..uploads.forms import from_body, from_form, wish_of
from ..uploads.responses import failed, interrupted, outcome_response
from ..uploads.service import Uploads
from ..uploads.upload_store import DONE, OPEN, Upload

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
_PART: dict[str, Any] = {
    "requestBody": {"content": {tus.CONTENT_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
}


@contextlib.asynccontextmanager
async def lifespan(context: WebContext) -> AsyncIterator[None]:
    """What uploads need as long as the application runs."""
    uploads = Uploads(context)
    uploads.completing = lambda upload: tus.complete(uploads, upload)
    context.shared["uploads"] = uploads
    async with uploads.running():
        yield


def uploads_of(request: Request) -> Uploads:
    """The uploads of this application."""
    found: Uploads = context_of(request).shared["uploads"]
    return found


# --- whole files in one request -------------------------------------------------------------------


@router.post("/upload", response_model=Uploaded, openapi_extra=_FORM)
async def upload_form(request: Request, principal: Principal = Depends(_operator)) -> Response:
    """Files of a form, whatever their fields are called; each becomes a job."""
    return await _form(request, principal, 200)


@router.post(HERE, response_model=Uploaded, openapi_extra=_FORM, status_code=201)
async def create_upload(request: Request, principal: Principal = Depends(_operator)) -> Response:
    """A form with files, or (with ``Tus-Resumable``) the creation of a resumable upload."""
    if "tus-resumable" in request.headers or "upload-length" in request.headers:
        return await _create(request, principal)
    return await _form(request, principal, 201)


async def _form(request: Request, principal: Principal, status: int) -> Response:
    uploads = uploads_of(request)
    try:
        outcome = await from_form(uploads, request, principal.name)
    except Interrupted as error:
        return interrupted(str(error))
    except PipelineError as error:
        return await failed(request, error)
    return outcome_response(request, outcome, uploads.context, status)


@router.put(HERE + "/{name:path}", response_model=Uploaded, openapi_extra=_BYTES, status_code=201)
async def put_file(request: Request, name: str, principal: Principal = Depends(_operator)) -> Response:
    """The bytes of one file; options in the query, a checksum in ``Repr-Digest`` or ``Digest``."""
    uploads = uploads_of(request)
    try:
        outcome = await from_body(uploads, request, principal.name, name)
    except Interrupted as error:
        return interrupted(str(error))
    except PipelineError as error:
        return await failed(request, error)
    return outcome_response(request, outcome, uploads.context, 201)


# --- batches --------------------------------------------------------------------------------------


@router.post(HERE + "/batches/{batch}/finish", response_model=Uploaded, status_code=201)
async def finish_batch(request: Request, batch: str, principal: Principal = Depends(_operator)) -> Response:
    """No more files come: those of the batch become jobs, a folder of them one. Again answers the same."""
    uploads = uploads_of(request)
    wish = wish_of(uploads, request.query_params.multi_items())
    outcome = await uploads.finish_batch(principal.name, batch_id(batch), wish)
    return outcome_response(request, outcome, uploads.context, 201)


@router.delete(HERE + "/batches/{batch}", status_code=204)
async def drop_batch(request: Request, batch: str, principal: Principal = Depends(_operator)) -> Response:
    """Forget the files of a batch that is not finished."""
    await uploads_of(request).drop_batch(principal.name, batch_id(batch))
    return Response(status_code=204)


# --- tus 1.0 --------------------------------------------------------------------------------------


@router.options(HERE, status_code=204)
@router.options(HERE + "/{upload_id}", status_code=204)
async def discover(request: Request, principal: Principal = Depends(_operator)) -> Response:
    """What this server has of tus."""
    return Response(status_code=204, headers=tus.server_headers(uploads_of(request)))


async def _create(request: Request, principal: Principal) -> Response:
    uploads = uploads_of(request)
    try:
        tus.check_version(request.headers)
        query = UploadRequest()
        query.add(request.query_params.multi_items(), "query")
        upload = await tus.create(uploads, principal.name, request.headers, query)
        if request.headers.get("content-type") == tus.CONTENT_TYPE or upload.length == 0:
            await _append(request, uploads, upload, 0)
    except Interrupted:
        # The bytes that came are kept, but the client never learns where.
        await uploads.remove(upload)
        return interrupted("the connection broke", **{"Tus-Resumable": tus.VERSION})
    except PipelineError as error:
        return await failed(request, error, **{"Tus-Resumable": tus.VERSION})
    base = uploads.context.config.base_path
    location = f"{base}{HERE}/{quote(upload.id)}"
    return Response(status_code=201, headers={**_headers(uploads, upload), "Location": location})


async def _append(request: Request, uploads: Uploads, upload: Upload, offset: int) -> None:
    checksum = request.headers.get("upload-checksum")
    wanted = None if checksum is None else tus_wanted(checksum)
    await tus.append(uploads, upload, offset, chunks(request), wanted)
    request.scope["autoseg.jobs"] = list(upload.jobs)  # for the audit log


@router.head(HERE + "/{upload_id}", status_code=200)
async def upload_offset(
    request: Request, upload_id: str, principal: Principal = Depends(_operator)
) -> Response:
    """How many bytes have arrived."""
    uploads = uploads_of(request)
    upload = uploads.book.find(upload_id, principal.name)
    headers = {**_headers(uploads, upload), "Upload-Length": str(upload.length)}
    if upload.metadata:
        headers["Upload-Metadata"] = upload.metadata
    return Response(headers=headers)


@router.patch(HERE + "/{upload_id}", openapi_extra=_PART, status_code=204)
async def append_bytes(
    request: Request, upload_id: str, principal: Principal = Depends(_operator)
) -> Response:
    """Bytes from ``Upload-Offset`` on; those that arrive stay, also when the connection breaks."""
    uploads = uploads_of(request)
    try:
        tus.check_version(request.headers)
        if request.headers.get("content-type") != tus.CONTENT_TYPE:
            raise PipelineError(
                "web.upload_type", f"the Content-Type of a part is {tus.CONTENT_TYPE}", status=415
            )
        upload = uploads.book.find(upload_id, principal.name)
        await _append(request, uploads, upload, tus.number_of(request.headers, "Upload-Offset"))
    except Interrupted as error:
        return interrupted(str(error), **{"Tus-Resumable": tus.VERSION})
    except PipelineError as error:
        return await failed(request, error, **{"Tus-Resumable": tus.VERSION})
    return Response(status_code=204, headers=_headers(uploads, upload))


@router.delete(HERE + "/{upload_id}", status_code=204)
async def terminate(request: Request, upload_id: str, principal: Principal = Depends(_operator)) -> Response:
    """Forget an upload and its bytes."""
    uploads = uploads_of(request)
    await tus.terminate(uploads, uploads.book.find(upload_id, principal.name))
    return Response(status_code=204, headers={"Tus-Resumable": tus.VERSION})


@router.post(HERE + "/{upload_id}", include_in_schema=False)
async def override(request: Request, upload_id: str, principal: Principal = Depends(_operator)) -> Response:
    """tus for clients whose network lets only GET and POST through."""
    method = request.headers.get("x-http-method-override", "").upper()
    if method == "PATCH":
        return await append_bytes(request, upload_id, principal)
    if method == "DELETE":
        return await terminate(request, upload_id, principal)
    raise PipelineError("request.method_not_allowed", "X-HTTP-Method-Override: give PATCH or DELETE")


@router.get(HERE, response_model=UploadList)
async def list_uploads(request: Request, principal: Principal = Depends(_operator)) -> JSONResponse:
    """One's own uploads that are under way, so that a page can go on with them."""
    uploads = uploads_of(request)
    found = [_document(uploads, one) for one in uploads.book.of_owner(principal.name) if one.state == OPEN]
    return JSONResponse({"uploads": found})


@router.get(HERE + "/{upload_id}", response_model=UploadDocument)
async def show_upload(
    request: Request, upload_id: str, principal: Principal = Depends(_operator)
) -> JSONResponse:
    """How an upload stands, and the jobs that it became."""
    uploads = uploads_of(request)
    return JSONResponse(_document(uploads, uploads.book.find(upload_id, principal.name)))


def _document(uploads: Uploads, upload: Upload) -> dict[str, Any]:
    return {
        "id": upload.id,
        "state": upload.state,
        "label": upload.label,
        "batch": upload.batch or None,
        "offset": upload.offset,
        "length": upload.length,
        "sha256": upload.files[0]["sha256"] if len(upload.files) == 1 else None,
        "expires": rfc3339(upload.expires),
        "href": f"{uploads.context.config.base_path}{HERE}/{upload.id}",
        "jobs": uploads.jobs_of(upload),
    }


def _headers(uploads: Uploads, upload: Upload) -> dict[str, str]:
    """tus's own, and the jobs when there are any."""
    headers = {
        "Tus-Resumable": tus.VERSION,
        "Upload-Offset": str(upload.offset),
        "Cache-Control": "no-store",
    }
    if upload.state == DONE:
        headers["AutoSeg-Jobs"] = ",".join(upload.jobs)
    else:
        headers["Upload-Expires"] = _http_date(upload.expires)
    return headers


def _http_date(seconds: float) -> str:
    from email.utils import formatdate

    return formatdate(seconds, usegmt=True)
