"""``/api/v1/users``: accounts, for admins. What one changes of others needs one's own password again."""

from __future__ import annotations

from typing import List, Optional

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from ...core.errors import PipelineError
from ..accounts.roles import PATTERN
from ..accounts.users import User
from ..context import WebContext, context_of
from ..gate import audit_trail, password_login
from ..gate.principal import ADMIN, OPERATOR, Principal, needs
from ..gate.reauthentication import needs_proof
from ..models import PROBLEMS

router = APIRouter(prefix="/api/v1/users", tags=["account"], responses=PROBLEMS)


class UserDocument(BaseModel):
    """One account. ``provider``: it logs in by single sign-on."""

    name: str
    role: str
    disabled: bool
    created: str
    last_login: Optional[str]
    second_factor: bool
    provider: bool


class UserList(BaseModel):
    """All accounts by name."""

    users: List[UserDocument]


class NewUser(BaseModel):
    """A new account."""

    name: str = Field(min_length=1, max_length=64)
    role: str = Field(OPERATOR, pattern=PATTERN)
    password: str = Field(min_length=1, max_length=1024)


class ChangedUser(BaseModel):
    """What shall be different; what is left out stays. ``second_factor`` can be turned off only."""

    role: Optional[str] = Field(None, pattern=PATTERN)
    disabled: Optional[bool] = None
    password: Optional[str] = Field(None, min_length=1, max_length=1024)
    second_factor: Optional[bool] = None


@router.get("", response_model=UserList)
async def list_users(request: Request, principal: Principal = Depends(needs(ADMIN))) -> object:
    """All accounts."""
    context = context_of(request)
    return {"users": [_document(context, user) for user in context.accounts.users.list()]}


@router.post("", response_model=UserDocument, status_code=201)
async def add_user(
    request: Request, given: NewUser, principal: Principal = Depends(needs(ADMIN))
) -> JSONResponse:
    """A new account. The first one is made on the command line."""
    context = context_of(request)
    needs_proof(context, principal)
    kept = await password_login.hashed(context, given.password, given.name)
    user = context.accounts.users.add_kept(given.name, given.role, kept)
    audit_trail.note(context, request.scope, "user.add", principal.name, detail=f"{user.name} {user.role}")
    return JSONResponse(_document(context, user), 201)


@router.patch("/{name}", response_model=UserDocument)
async def change_user(
    request: Request, name: str, given: ChangedUser, principal: Principal = Depends(needs(ADMIN))
) -> object:
    """Another role or password, disabled or enabled, the second factor turned off."""
    context = context_of(request)
    needs_proof(context, principal)
    users = context.accounts.users
    user = users.get(name)
    loses = given.disabled or given.role not in (None, ADMIN)
    if user.role == ADMIN and not user.disabled and loses and not users.other_admins(user.name):
        raise PipelineError("request.conflict", f"{user.name} is the last admin")
    if given.second_factor:
        raise PipelineError("account.invalid", "only the owner of an account can turn its second factor on")

    def note(what: str, detail: str = "") -> None:
        audit_trail.note(context, request.scope, what, principal.name, detail=f"{user.name} {detail}".strip())

    if given.password is not None:
        if users.is_of_provider(user.name):
            raise PipelineError("request.conflict", f"{user.name} logs in through a provider")
        users.keep_password(user.name, await password_login.hashed(context, given.password, user.name))
        note("user.password")
    if given.role is not None and given.role != user.role:
        users.set_role(user.name, given.role)
        note("user.role", given.role)
    if given.disabled is not None and given.disabled != user.disabled:
        users.set_disabled(user.name, given.disabled)
        note("user.disable" if given.disabled else "user.enable")
    if given.second_factor is False:
        context.accounts.second_factors.turn_off(user.name)
        note("factor.off")
    return _document(context, users.get(user.name))


def _document(context: WebContext, user: User) -> dict[str, object]:
    accounts = context.accounts
    return {
        **user.to_dict(),
        "second_factor": accounts.second_factors.is_on(user.name),
        "provider": accounts.users.is_of_provider(user.name),
    }
