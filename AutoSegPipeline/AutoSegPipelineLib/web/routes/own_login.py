"""One's own logins and second factor, and showing again who one is."""

from __future__ import annotations

import base64
import io
from typing import List

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from ...core.errors import PipelineError
from ..accounts.sessions import id_of
from ..context import context_of
from ..gate import audit_trail, password_login
from ..gate.principal import VIEWER, Principal, needs
from ..gate.reauthentication import needs_proof, needs_session
from ..models import PROBLEMS
from .account import credentials

router = APIRouter(prefix="/api/v1/account", tags=["account"], responses=PROBLEMS)


class Proof(BaseModel):
    """The password and, where the account has a second factor, a code."""

    password: str = Field(min_length=1, max_length=1024)
    code: str = Field("", max_length=64)


class Code(BaseModel):
    """A code of the authenticator app."""

    code: str = Field(min_length=6, max_length=64)


class SessionLine(BaseModel):
    """One login. ``current`` is the one that asks."""

    id: str
    created: str
    used: str
    address: str
    agent: str
    current: bool


class SessionList(BaseModel):
    """The caller's logins, the newest first."""

    sessions: List[SessionLine]


class FactorDocument(BaseModel):
    """Whether a second factor is on, and how many recovery codes are left."""

    on: bool
    codes_left: int


class NewFactor(BaseModel):
    """A secret for an authenticator app, as text, as an address and as a QR code (a PNG's data address)."""

    secret: str
    address: str
    picture: str


class RecoveryCodes(BaseModel):
    """Each logs in once where the app is not at hand; shown now and never again."""

    codes: List[str]


@router.post("/proof", status_code=204)
async def prove(request: Request, given: Proof, principal: Principal = Depends(needs(VIEWER))) -> Response:
    """Give the password again; for ten minutes tokens, accounts and the second factor can be changed."""
    needs_session(principal)
    context = context_of(request)
    try:
        await password_login.check(context, credentials(request, principal, given.password, given.code))
    except PipelineError as error:
        audit_trail.note(context, request.scope, "login.again", principal.name, detail=error.code, ok=False)
        raise password_login.refused(error) from error
    context.accounts.sessions.prove(principal.key)
    audit_trail.note(context, request.scope, "login.again", principal.name)
    return Response(status_code=204)


# --- logins ---------------------------------------------------------------------------------------


@router.get("/sessions", response_model=SessionList)
async def list_sessions(request: Request, principal: Principal = Depends(needs(VIEWER))) -> object:
    """One's own logins that hold."""
    context = context_of(request)
    found = context.accounts.sessions.list(principal.name, context.config.session_hours)
    own = id_of(principal.key) if principal.via == "session" else ""
    return {"sessions": [{**one.to_dict(), "current": one.id == own} for one in found]}


@router.delete("/sessions/{session_id}", status_code=204)
async def end_session(
    request: Request, session_id: str, principal: Principal = Depends(needs(VIEWER))
) -> Response:
    """End one of one's own logins."""
    needs_session(principal)
    context = context_of(request)
    context.accounts.sessions.end_one(principal.name, session_id)
    audit_trail.note(context, request.scope, "logout", principal.name, detail=f"of login {session_id}")
    return Response(status_code=204)


@router.delete("/sessions", status_code=204)
async def end_other_sessions(request: Request, principal: Principal = Depends(needs(VIEWER))) -> Response:
    """End all of one's own logins but this one."""
    needs_session(principal)
    context = context_of(request)
    count = context.accounts.sessions.end_others(principal.name, principal.key)
    audit_trail.note(context, request.scope, "logout", principal.name, detail=f"of {count} other logins")
    return Response(status_code=204)


# --- the second factor ----------------------------------------------------------------------------


@router.get("/second-factor", response_model=FactorDocument)
async def show_factor(request: Request, principal: Principal = Depends(needs(VIEWER))) -> object:
    """Whether one's own second factor is on."""
    factors = context_of(request).accounts.second_factors
    return {"on": factors.is_on(principal.name), "codes_left": factors.codes_left(principal.name)}


@router.post("/second-factor", response_model=NewFactor, status_code=201)
async def begin_factor(request: Request, principal: Principal = Depends(needs(VIEWER))) -> object:
    """A new secret for an authenticator app. It counts once a code of it was given."""
    context = context_of(request)
    needs_proof(context, principal)
    if context.accounts.users.is_of_provider(principal.name):
        raise PipelineError(
            "request.conflict", "this account logs in through a provider, which asks for more"
        )
    factors = context.accounts.second_factors
    secret = factors.begin(principal.name)
    address = factors.address(principal.name, secret)
    return {"secret": secret, "address": address, "picture": _qr(address)}


@router.put("/second-factor", response_model=RecoveryCodes)
async def confirm_factor(
    request: Request, given: Code, principal: Principal = Depends(needs(VIEWER))
) -> object:
    """Turn the second factor on with a first code; the recovery codes are reported here and never again."""
    context = context_of(request)
    needs_proof(context, principal)
    try:
        with password_login.code_counted(context, principal.name, audit_trail.address_of(request.scope)):
            codes = context.accounts.second_factors.confirm(principal.name, given.code)
    except PipelineError as error:
        raise password_login.refused(error) from error
    context.accounts.sessions.end_others(principal.name, principal.key)
    audit_trail.note(context, request.scope, "factor.on", principal.name)
    return {"codes": codes}


@router.post("/second-factor/codes", response_model=RecoveryCodes, status_code=201)
async def renew_codes(request: Request, principal: Principal = Depends(needs(VIEWER))) -> object:
    """Fresh recovery codes; the old ones end."""
    context = context_of(request)
    needs_proof(context, principal)
    if not context.accounts.second_factors.is_on(principal.name):
        raise PipelineError("request.conflict", "the second factor is off")
    codes = context.accounts.second_factors.renew_codes(principal.name)
    audit_trail.note(context, request.scope, "factor.codes", principal.name)
    return {"codes": codes}


@router.delete("/second-factor", status_code=204)
async def turn_factor_off(request: Request, principal: Principal = Depends(needs(VIEWER))) -> Response:
    """Turn it off: the password is enough again."""
    context = context_of(request)
    needs_proof(context, principal)
    context.accounts.second_factors.turn_off(principal.name)
    audit_trail.note(context, request.scope, "factor.off", principal.name)
    return Response(status_code=204)


def _qr(text: str) -> str:
    """A QR code as the data address of a PNG."""
    try:
        import segno
    except ImportError as error:
        raise PipelineError("account.package_missing", f"a QR code needs segno: {error}") from error
    data = io.BytesIO()
    segno.make(text, error="m").save(data, kind="png", scale=6, border=4)
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode("ascii")
