"""Errors as RFC 9457 problem details that carry our codes."""

from __future__ import annotations

import http
import logging
from typing import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from ...core.errors import CODES, PipelineError
from ...core.hints import PAGE, hint_at

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

# code -> HTTP status; a code that is not here is looked up by its area, then 400.
STATUS: dict[str, int] = {
    "request.unknown_job": 404,
    "request.not_found": 404,
    "request.ambiguous_job": 400,
    "request.wrong_state": 409,
    "request.conflict": 409,
    "request.invalid": 422,
    "request.method_not_allowed": 405,
    "request.too_large": 413,
    "request.range_not_satisfiable": 416,
    "request.no_pipeline": 503,
    "environment.disk_full": 507,
    "input.too_large": 413,
    "input.unreadable": 400,
    "account.needed": 401,
    "account.wrong": 401,
    "account.code_needed": 401,
    "account.code_wrong": 401,
    "account.reauthenticate": 403,
    "account.provider": 502,
    "request.too_many": 429,
    "account.forbidden": 403,
    "account.too_many": 429,
    "account.unknown": 404,
    "account.exists": 409,
    "account.invalid": 422,
    "web.wrong_host": 421,
    "web.cross_site": 403,
    "web.forwarded": 400,
    "web.unavailable": 503,
    "web.internal": 500,
    "web.upload_busy": 423,
    "web.upload_checksum": 422,
    "web.upload_incomplete": 409,
    "web.upload_interrupted": 408,
    "web.media_type": 415,
    "web.not_acceptable": 406,
    "web.upload_malformed": 400,
    "web.upload_offset": 409,
    "web.upload_quota": 429,
    "web.upload_type": 415,
    "web.upload_unknown": 404,
    "web.upload_version": 412,
    "pacs.unknown_peer": 404,
    "pacs.no_answer": 504,
    "model.unknown": 404,
    "model.exists": 409,
    "model.invalid": 422,
    "model.unsupported": 422,
    "pipeline.internal": 500,
}
_AREAS = {
    "environment": 503, "store": 503, "pipeline": 500, "worker": 500, "web": 500, "account": 403,
    "options": 422, "engine": 422, "pacs": 502,
}  # fmt: skip
# HTTP status -> code, for errors that the framework itself raises.
_CODES = {
    400: "request.invalid",
    404: "request.not_found",
    405: "request.method_not_allowed",
    409: "request.conflict",
    413: "request.too_large",
    416: "request.range_not_satisfiable",
    422: "request.invalid",
    503: "web.unavailable",
}


def status_of(code: str) -> int:
    """The HTTP status that belongs to an error code."""
    return STATUS.get(code) or _AREAS.get(code.partition(".")[0], 400)


def problem(
    code: str,
    detail: str,
    *,
    status: int | None = None,
    hint: str | None = None,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> Response:
    """The answer ``application/problem+json``; ``more`` are members of our own."""
    number = status or status_of(code)
    body = {
        "type": "about:blank",
        "title": _title(number),
        "status": number,
        "detail": detail,
        "code": code,
        "hint": hint_at(PAGE, code, CODES.get(code, "") if hint is None else hint),
        **more,
    }
    return JSONResponse(body, number, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def of_error(error: PipelineError, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for an expected failure; ``data["headers"]`` of the error go along."""
    status = error.data.get("status")
    found = {**(error.data.get("headers") or {}), **(headers or {})}
    return problem(error.code, error.message, status=status, hint=error.hint, headers=found)


def _title(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def for_whom(request: Request, error: PipelineError, headers: Mapping[str, str] | None = None) -> Response:
    """:func:`of_error`, or a page where a person's browser asked for one."""
    status = int(error.data.get("status") or status_of(error.code))
    path = request.scope["path"][len(request.scope.get("root_path", "")) :]
    wants_page = "text/html" in request.headers.get("accept", "") and request.method in ("GET", "HEAD")
    if not wants_page or path.startswith("/api/"):
        return of_error(error, headers)
    from .error_pages import error_page

    hint = hint_at(PAGE, error.code, error.hint)
    return error_page(request, status, error.code, error.message, hint)


async def _pipeline_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PipelineError)
    return for_whom(request, error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "web.internal" if error.status_code >= 500 else "request.invalid")
    detail = str(error.detail or _title(error.status_code))
    found = PipelineError(code, detail, status=error.status_code, headers=error.headers)
    return for_whom(request, found)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # Where and why, never the value: it may be a password.
    errors = [
        {"where": ".".join(str(part) for part in one.get("loc", ())), "message": str(one.get("msg", ""))}
        for one in error.errors()[:20]
    ]
    detail = "; ".join(f"{one['where']}: {one['message']}" for one in errors)
    return problem("request.invalid", detail or "The request is not valid.", status=422, errors=errors)


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem("web.internal", "Something unexpected happened; the log of the web page holds it.")


def install(app: FastAPI) -> None:
    """Make every error of ``app`` a problem."""
    app.add_exception_handler(PipelineError, _pipeline_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _unexpected)
