"""Logging in through an OpenID Connect provider: off unless the setting ``oidc`` names its file."""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from typing import AsyncIterator, Callable, TypeVar

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from ...core.errors import PipelineError
from ..accounts.secret import hash_of
from ..context import WebContext, context_of
from ..gate import audit_trail, identify, password_login
from ..gate.provider import Begun, Provider, provider_of
from ..pages.render import page
from .login import inside

router = APIRouter(include_in_schema=False)
_COOKIE = "sso"
_SECONDS = 600  # from the link to the way back
_MOST = 1000  # logins on their way
_KEY = "single sign-on"
T = TypeVar("T")


@contextlib.asynccontextmanager
async def lifespan(context: WebContext) -> AsyncIterator[None]:
    """A file that cannot be used is reported when the page begins, not at the first login."""
    provider_of(context.config.oidc)
    yield


@router.get("/login/provider")
async def begin(request: Request, next: str = "", again: bool = False) -> Response:
    """Send the browser to the provider."""
    context, provider = context_of(request), _provider(request)
    base = context.config.base_path
    redirect = f"{request.scope['scheme']}://{request.headers['host']}{base}/login/provider/back"
    address, begun = await _run(partial(provider.begin, redirect, inside(next, base), again))
    waiting = _waiting(context)
    for key in [key for key, one in waiting.items() if time.monotonic() - one.at > _SECONDS]:
        del waiting[key]
    while len(waiting) >= _MOST:
        del waiting[min(waiting, key=lambda key: waiting[key].at)]
    waiting[hash_of(begun.state)] = begun
    answer = RedirectResponse(address, 303)
    # Lax: the provider sends the browser back here, which is another site's request.
    cookie = identify.set_cookie(context, _COOKIE, begun.state, request.scope["scheme"], _SECONDS, "Lax")
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
    begun = _waiting(context).pop(hash_of(state), None) if state and state == answer.get("state") else None
    if begun is None or time.monotonic() - begun.at > _SECONDS:
        raise PipelineError("account.provider", "this login did not begin in this browser, or took too long")
    try:
        claims = await _run(partial(provider.finish, begun, answer))
        name = _account(context, provider, claims)
    except PipelineError as error:
        audit_trail.note(context, scope, "login", "", via="provider", detail=error.code, ok=False)
        raise
    agent = request.headers.get("user-agent", "")
    secret = password_login.begin_session(context, name, audit_trail.address_of(scope), agent)
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


def _waiting(context: WebContext) -> dict[str, Begun]:
    found: dict[str, Begun] = context.shared.setdefault(_KEY, {})
    return found


async def _run(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, work)
