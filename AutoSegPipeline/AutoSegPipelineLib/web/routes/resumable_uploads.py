"""Resumable uploads at ``/api/v1/uploads``: tus 1.0, and the list that a page continues from."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from ...core.clock import rfc3339
from ...core.errors import PipelineError
from ...intake.received.client_input import CaseRequest
from ..context import context_of
from ..gate.principal import OPERATOR, Principal, needs
from ..models import PROBLEMS, UploadDocument, UploadList
from ..uploads import tus
from ..uploads.batches import batch_id
from ..uploads.body import Interrupted, chunks
from ..uploads.digests import tus_wanted
from ..uploads.responses import failed, interrupted
from ..uploads.service import Uploads
from ..uploads.upload_store import DONE, OPEN, Upload

router = APIRouter(tags=["uploads"], responses=PROBLEMS)
HERE = "/api/v1/uploads"
_operator = needs(OPERATOR)
_PART: dict[str, Any] = {
    "requestBody": {"content": {tus.CONTENT_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
}


def is_creation(request: Request) -> bool:
    """Whether a POST creates a resumable upload, rather than bringing a form."""
    return "tus-resumable" in request.headers or "upload-length" in request.headers


@router.options(HERE, status_code=204)
@router.options(HERE + "/{upload_id}", status_code=204)
async def discover(request: Request, principal: Principal = Depends(_operator)) -> Response:
    """What this server has of tus."""
    return Response(status_code=204, headers=tus.server_headers(_uploads_of(request)))


async def create(request: Request, principal: Principal) -> Response:
    """A resumable upload, with its first bytes where they come along."""
    uploads = _uploads_of(request)
    try:
        tus.check_version(request.headers)
        wanted = CaseRequest()
        own = wanted.add(request.query_params.multi_items(), "query", own=("batch",))
        batch = batch_id(own["batch"]) if "batch" in own else ""
        upload = await tus.create(uploads, principal.name, request.headers, wanted, batch)
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
    uploads = _uploads_of(request)
    upload = uploads.store.find(upload_id, principal.name)
    headers = {**_headers(uploads, upload), "Upload-Length": str(upload.length)}
    if upload.metadata:
        headers["Upload-Metadata"] = upload.metadata
    return Response(headers=headers)


@router.patch(HERE + "/{upload_id}", openapi_extra=_PART, status_code=204)
async def append_bytes(
    request: Request, upload_id: str, principal: Principal = Depends(_operator)
) -> Response:
    """Bytes from ``Upload-Offset`` on; those that arrive stay, also when the connection breaks."""
    uploads = _uploads_of(request)
    try:
        tus.check_version(request.headers)
        if request.headers.get("content-type") != tus.CONTENT_TYPE:
            raise PipelineError(
                "web.upload_type", f"the Content-Type of a part is {tus.CONTENT_TYPE}", status=415
            )
        upload = uploads.store.find(upload_id, principal.name)
        await _append(request, uploads, upload, tus.number_of(request.headers, "Upload-Offset"))
    except Interrupted as error:
        return interrupted(str(error), **{"Tus-Resumable": tus.VERSION})
    except PipelineError as error:
        return await failed(request, error, **{"Tus-Resumable": tus.VERSION})
    return Response(status_code=204, headers=_headers(uploads, upload))


@router.delete(HERE + "/{upload_id}", status_code=204)
async def terminate(request: Request, upload_id: str, principal: Principal = Depends(_operator)) -> Response:
    """Forget an upload and its bytes."""
    uploads = _uploads_of(request)
    await tus.terminate(uploads, uploads.store.find(upload_id, principal.name))
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
    uploads = _uploads_of(request)
    found = [_document(uploads, one) for one in uploads.store.of_owner(principal.name) if one.state == OPEN]
    return JSONResponse({"uploads": found})


@router.get(HERE + "/{upload_id}", response_model=UploadDocument)
async def show_upload(
    request: Request, upload_id: str, principal: Principal = Depends(_operator)
) -> JSONResponse:
    """How an upload stands, and the jobs that it became."""
    uploads = _uploads_of(request)
    return JSONResponse(_document(uploads, uploads.store.find(upload_id, principal.name)))


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
        headers["Upload-Expires"] = formatdate(upload.expires, usegmt=True)
    return headers


def _uploads_of(request: Request) -> Uploads:
    found: Uploads = context_of(request).shared["uploads"]
    return found
