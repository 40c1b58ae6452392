"""Logging in through an OpenID Connect provider: off unless the setting ``oidc`` names its file."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import AsyncIterator

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from ...core.errors import PipelineError
from ..context import WebContext, context_of
from ..gate import audit_trail, identify, password_login
from ..gate.begun_logins import SECONDS, BegunLogins
from ..gate.few_at_once import FewAtOnce
from ..gate.provider import Provider, proved_at, provider_of
from ..pages.render import page
from .login import inside

router = APIRouter(include_in_schema=False)
_COOKIE = "sso"
_KEY = "single sign-on"
_AT_ONCE = 4  # each may wait for the provider for ten seconds
_MOST_WAITING = 40


class _Calls(FewAtOnce):
    """Calls of the provider: one that hangs must not hold up downloads."""

    def __init__(self) -> None:
        super().__init__(_AT_ONCE, _MOST_WAITING, "provider")
        self.begun = BegunLogins()


@contextlib.asynccontextmanager
async def lifespan(context: WebContext) -> AsyncIterator[None]:
    """A file that cannot be used is reported when the page begins, not at the first login."""
    provider_of(context.config.oidc)
    calls = context.shared[_KEY] = _Calls()
    try:
        yield
    finally:
        calls.close()


@router.get("/login/provider")
async def begin(request: Request, next: str = "", again: bool = False) -> Response:
    """Send the browser to the provider."""
    context, provider = context_of(request), _provider(request)
    base = context.config.base_path
    redirect = f"{request.scope['scheme']}://{request.headers['host']}{base}/login/provider/back"
    calls: _Calls = context.shared[_KEY]
    address, begun = await calls.run(partial(provider.begin, redirect, inside(next, base), again))
    calls.begun.add(begun, audit_trail.address_of(request.scope))
    answer = RedirectResponse(address, 303)
    # Lax: the provider sends the browser back here, which is another site's request.
    cookie = identify.set_cookie(context, _COOKIE, begun.state, request.scope["scheme"], SECONDS, "Lax")
    answer.headers.append("Set-Cookie", cookie)
    return answer


@router.get("/login/provider/back")
async def back(request: Request) -> Response:
    """Take the provider's answer; it counts for the browser that asked, and once."""
    context, provider = context_of(request), _provider(request)
    scheme, scope = request.scope["scheme"], request.scope
    answer = dict(request.query_params)
    cookies = identify.read_cookies(request.headers.get("cookie", ""))
    state = cookies.get(identify.cookie_name(context, _COOKIE, scheme), "")
    calls: _Calls = context.shared[_KEY]
    begun = calls.begun.take(state) if state and state == answer.get("state") else None
    if begun is None:
        raise PipelineError("account.provider", "this login did not begin in this browser, or took too long")
    try:
        claims = await calls.run(partial(provider.finish, begun, answer))
        name = _account(context, provider, claims)
    except PipelineError as error:
        audit_trail.note(context, scope, "login", "", via="provider", detail=error.code, ok=False)
        raise
    agent = request.headers.get("user-agent", "")
    address, proved = audit_trail.address_of(scope), proved_at(claims)
    secret = password_login.begin_session(context, name, address, agent, proved)
    audit_trail.note(context, scope, "login", name, via="provider")
    # A page of ours that goes on by itself: with a redirect the browser would still count as coming from
    # the provider, and keep back the cookie that no other site may send.
    done = page(request, "logged_in", "Logged in", onward=begun.onward)
    seconds = int(context.config.session_hours * 3600)
    for kind, value, same_site in ((identify.SESSION, secret, "Strict"), (_COOKIE, "", "Lax")):
        done.headers.append(
            "Set-Cookie", identify.set_cookie(context, kind, value, scheme, seconds, same_site)
        )
    return done


def _account(context: WebContext, provider: Provider, claims: dict[str, object]) -> str:
    """The account of whoever the claims are about, made at the first login, with the role of today."""
    users, issuer, subject = context.accounts.users, provider.config.issuer, str(claims["sub"])
    role = provider.config.role_of(claims)
    user = users.of_identity(issuer, subject)
    if role is None:
        if user is not None:
            users.set_disabled(user.name, True)  # of no group any more: what it left running ends
        raise PipelineError("account.forbidden", "your organisation gives you no role here")
    if user is None:
        name = str(claims.get(provider.config.name_claim) or "")
        return users.add_identity(issuer, subject, name, role).name
    if user.disabled:
        raise PipelineError("account.forbidden", f"the account {user.name} is disabled")
    if user.role != role:
        users.set_role(user.name, role)
    return user.name


def _provider(request: Request) -> Provider:
    context = context_of(request)
    found = provider_of(context.config.oidc)
    if found is None or not context.accounts.users.exist():
        raise PipelineError("request.not_found", "there is no single sign-on here")
    return found
