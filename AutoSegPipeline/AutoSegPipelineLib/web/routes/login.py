"""Logging in and out: the form of the page, and the same for programs."""

from __future__ import annotations

import json
from typing import Any, Optional
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, RedirectResponse, Response

from ...core.errors import PipelineError
from ..accounts.secret import hash_of
from ..context import WebContext, context_of
from ..gate import audit_trail, identify, password_login, security
from ..gate.principal import KEY, VIEWER, Principal, needs
from ..models import PROBLEMS

router = APIRouter(tags=["account"], responses=PROBLEMS)
_LONGEST = 1024
FAILED = {
    "account.wrong": "Name and password do not belong together.",
    "account.too_many": "Too many logins failed. Wait a while, then try again.",
    "account.code_needed": "This account has a second factor: give a code, too.",
    "account.code_wrong": "The code is wrong, too old or was used before.",
}
_WHY = {"account.wrong": "refused", "account.code_wrong": "wrong code"}


class Credentials(BaseModel):
    """Name and password of an account."""

    username: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=_LONGEST)
    code: str = Field("", max_length=64, description="of the second factor, where the account has one")


class SessionDocument(BaseModel):
    """Who asks. ``csrf`` goes back in the header ``X-CSRF-Token`` of every change that a cookie allows."""

    accounts: bool
    name: Optional[str]
    role: Optional[str]
    via: Optional[str]
    csrf: str
    visibility: str


@router.get("/api/v1/session", response_model=SessionDocument)
async def show_session(request: Request) -> Any:
    """Who asks, and whether anybody has to log in; open to all."""
    return _document(context_of(request), request.scope.get(KEY))


@router.post("/api/v1/session", response_model=SessionDocument, status_code=201)
async def begin_session(request: Request, given: Credentials) -> Response:
    """Log in; the answer sets the cookie."""
    context = context_of(request)
    secret, principal = await _log_in(request, given.username, given.password, given.code)
    answer = JSONResponse(_document(context, principal), 201)
    _give(request, answer, secret)
    return answer


@router.delete("/api/v1/session", status_code=204)
async def end_session(request: Request, principal: Principal = Depends(needs(VIEWER))) -> Response:
    """Log out. A token is not a login: it is revoked under `/api/v1/account/tokens`."""
    if principal.via != "session":
        raise PipelineError("request.conflict", "this request came without a login")
    return _log_out(request, principal, Response(status_code=204))


@router.post("/login", include_in_schema=False)
async def login(request: Request) -> Response:
    """The login form, sent by the page's script as JSON or by the browser itself."""
    fields = await fields_of(request)
    scripted = "application/json" in request.headers.get("content-type", "")
    base = context_of(request).config.base_path
    onward = inside(fields.get("next", ""), base)
    try:
        secret, principal = await _log_in(
            request,
            fields.get("username") or fields.get("name", ""),
            fields.get("password", ""),
            fields.get("code", ""),
        )
    except PipelineError as error:
        if scripted or error.code not in FAILED:
            raise
        return RedirectResponse(f"{base}/login?failed={error.code}&next={quote(onward)}", 303)
    answer: Response
    if scripted:
        answer = JSONResponse({**_document(context_of(request), principal), "next": onward})
    else:
        answer = RedirectResponse(onward, 303)
    _give(request, answer, secret)
    return answer


@router.post("/logout", include_in_schema=False)
async def logout(request: Request) -> Response:
    """The button of the page."""
    base = context_of(request).config.base_path
    answer = RedirectResponse(f"{base}/login", 303)
    found: Optional[Principal] = request.scope.get(KEY)
    if found is None or found.via != "session":
        return answer
    given = request.headers.get(security.CSRF_HEADER) or (await fields_of(request)).get("csrf", "")
    security.check_proof(found, given)
    return _log_out(request, found, answer)


async def _log_in(request: Request, name: str, password: str, code: str) -> tuple[str, Principal]:
    """The secret of a fresh session, whatever the browser had before."""
    context, scope = context_of(request), request.scope
    if not context.accounts.users.exist():
        raise PipelineError("request.conflict", "there are no accounts here; nobody has to log in")
    if not name or not password or len(name) > 64 or len(password) > _LONGEST:
        raise PipelineError("account.wrong", "name and password do not belong together")
    address = audit_trail.address_of(scope)
    try:
        agent = request.headers.get("user-agent", "")
        given = password_login.Credentials(name, password, code[:64], address, agent)
        secret = await password_login.log_in(context, given)
    except PipelineError as error:
        if error.code in ("account.wrong", "account.code_wrong"):
            # The name only where it is one: people type their password into the wrong field.
            known = context.accounts.users.find(name)
            audit_trail.note(
                context, scope, "login", known.name if known else "", detail=_WHY[error.code], ok=False
            )
        error.data.setdefault("headers", password_login.seconds_of(error))
        raise
    before: Optional[Principal] = scope.get(KEY)
    if before is not None and before.via == "session":
        context.accounts.sessions.end(before.key)
    found = context.accounts.sessions.by_key(hash_of(secret), context.config.session_hours)
    if found is None:
        raise PipelineError("account.wrong", "the account was disabled just now")
    principal = Principal(found.user, found.role, "session", csrf=identify.csrf_of(secret), key=found.key)
    scope[KEY] = principal
    factor = context.accounts.second_factors.is_on(principal.name)
    audit_trail.note(context, scope, "login", principal.name, detail="two factors" if factor else "")
    return secret, principal


def _log_out(request: Request, principal: Principal, answer: Response) -> Response:
    context = context_of(request)
    context.accounts.sessions.end(principal.key)
    audit_trail.note(context, request.scope, "logout", principal.name)
    _give(request, answer, "")
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


def _give(request: Request, answer: Response, secret: str) -> None:
    context = context_of(request)
    seconds = int(context.config.session_hours * 3600)
    cookie = identify.set_cookie(context, identify.SESSION, secret, request.scope["scheme"], seconds)
    answer.headers.append("Set-Cookie", cookie)


async def fields_of(request: Request) -> dict[str, str]:
    """The fields of a small JSON object or form."""
    body = await request.body()
    if "application/json" in request.headers.get("content-type", ""):
        try:
            found = json.loads(body or b"{}")
        except ValueError:
            raise PipelineError("request.invalid", "the body is no JSON") from None
        pairs = found.items() if isinstance(found, dict) else ()
        return {str(name): value for name, value in pairs if isinstance(value, str)}
    text = body.decode("utf-8", "replace")
    try:
        return {name: values[-1] for name, values in parse_qs(text, max_num_fields=20).items()}
    except ValueError:
        raise PipelineError("request.invalid", "the form has too many fields") from None


def inside(address: str, base: str) -> str:
    """``address`` where it is a path of this server below ``base``, else the main page.

    Browsers take ``//host``, ``/\\host`` and what hides behind control characters for another host.
    """
    home = f"{base}/"
    plain = all(33 <= ord(char) < 127 and char != "\\" for char in address)
    if plain and address.startswith(home) and not address.startswith("//"):
        return address
    return home


def _document(context: WebContext, principal: Optional[Principal]) -> dict[str, Any]:
    return {
        "accounts": context.accounts.users.exist(),
        "name": principal.name if principal else None,
        "role": principal.role if principal else None,
        "via": principal.via if principal else None,
        "csrf": principal.csrf if principal else "",
        "visibility": context.config.visibility,
    }
