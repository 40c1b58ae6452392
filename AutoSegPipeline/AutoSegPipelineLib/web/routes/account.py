"""One's own password and tokens."""

from __future__ import annotations

from typing import List, Optional

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from ...core.errors import PipelineError
from ..accounts.roles import PATTERN
from ..context import context_of
from ..gate import audit_trail, identify, password_login
from ..gate.password_login import Credentials
from ..gate.principal import ADMIN, OPERATOR, VIEWER, Principal, needs
from ..gate.reauthentication import needs_proof, needs_session
from ..models import PROBLEMS

router = APIRouter(prefix="/api/v1", tags=["account"], responses=PROBLEMS)


class NewPassword(BaseModel):
    """The password that holds, the one that shall and, where the account has a second factor, a code."""

    old: str = Field(min_length=1, max_length=1024)
    new: str = Field(min_length=1, max_length=1024)
    code: str = Field("", max_length=64)


class NewToken(BaseModel):
    """What a token is for, what it may do at most, and for how long."""

    label: str = Field(min_length=1, max_length=80)
    role: str = Field(OPERATOR, pattern=PATTERN)
    days: float = Field(90, gt=0, le=730)


class TokenDocument(BaseModel):
    """One token. ``secret`` is reported once, when it is made."""

    id: str
    user: str
    label: str
    role: str
    created: str
    expires: str
    used: Optional[str]
    revoked: Optional[str]
    secret: Optional[str] = None


class TokenList(BaseModel):
    """The caller's tokens, the newest last."""

    tokens: List[TokenDocument]


def credentials(request: Request, principal: Principal, password: str, code: str = "") -> Credentials:
    """What somebody who is logged in gives to show again who it is."""
    address = audit_trail.address_of(request.scope)
    return Credentials(principal.name, password, code, address, request.headers.get("user-agent", ""))


@router.put("/account/password", status_code=204)
async def set_password(
    request: Request, given: NewPassword, principal: Principal = Depends(needs(VIEWER))
) -> Response:
    """Change one's own password. Every other login and every token of the account ends."""
    needs_session(principal)
    context = context_of(request)
    try:
        shown = credentials(request, principal, given.old, given.code)
        secret = await password_login.change_password(context, shown, given.new)
    except PipelineError as error:
        audit_trail.note(context, request.scope, "password", principal.name, detail=error.code, ok=False)
        raise password_login.refused(error) from error
    audit_trail.note(context, request.scope, "password", principal.name)
    answer = Response(status_code=204)
    seconds = int(context.config.session_hours * 3600)
    cookie = identify.set_cookie(context, identify.SESSION, secret, request.scope["scheme"], seconds)
    answer.headers.append("Set-Cookie", cookie)
    return answer


@router.get("/account/tokens", response_model=TokenList)
async def list_tokens(request: Request, principal: Principal = Depends(needs(VIEWER))) -> object:
    """One's own tokens, without their secrets."""
    found = context_of(request).accounts.tokens.list(principal.name)
    return {"tokens": [token.to_dict() for token in found]}


@router.post("/account/tokens", response_model=TokenDocument, status_code=201)
async def create_token(
    request: Request, given: NewToken, principal: Principal = Depends(needs(VIEWER))
) -> Response:
    """A new token; its `secret` is reported here and never again."""
    needs_proof(context_of(request), principal)
    if not principal.is_at_least(given.role):
        most = f"a token of {principal.name} can be {principal.role} at most"
        raise PipelineError("account.forbidden", most)
    context = context_of(request)
    token, secret = context.accounts.tokens.create(principal.name, given.label, given.role, given.days)
    audit_trail.note(
        context, request.scope, "token.create", principal.name, detail=f"{token.id} {token.role}"
    )
    return JSONResponse({**token.to_dict(), "secret": secret}, 201)


@router.delete("/account/tokens/{token_id}", status_code=204)
async def revoke_token(
    request: Request, token_id: str, principal: Principal = Depends(needs(VIEWER))
) -> Response:
    """Revoke a token of one's own; admins anybody's."""
    context = context_of(request)
    token = context.accounts.tokens.get(token_id)
    if token.user != principal.name and not principal.is_at_least(ADMIN):
        raise PipelineError("account.unknown", f"there is no token {token_id!r}")
    context.accounts.tokens.revoke(token_id)
    audit_trail.note(
        context, request.scope, "token.revoke", principal.name, detail=f"{token_id} of {token.user}"
    )
    return Response(status_code=204)
