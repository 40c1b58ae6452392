"""The pages about accounts: one's own, and for admins everybody's."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from ..accounts.passwords import SHORTEST
from ..context import context_of
from ..gate.principal import ADMIN, VIEWER, Principal, needs
from ..pages.render import page

router = APIRouter(include_in_schema=False)


@router.get("/account")
async def account_page(request: Request, principal: Principal = Depends(needs(VIEWER))) -> Response:
    """One's own password, second factor, logins and tokens."""
    context = context_of(request)
    if principal.via != "session":
        return RedirectResponse(f"{context.config.base_path}/", 303)
    provider = context.accounts.users.is_of_provider(principal.name)
    return page(request, "account", "Your account", provider=provider, shortest=SHORTEST)


@router.get("/admin")
async def admin_page(request: Request, principal: Principal = Depends(needs(ADMIN))) -> Response:
    """Accounts, links and the audit log."""
    provider = context_of(request).accounts.users.is_of_provider(principal.name)
    return page(request, "admin", "Administration", provider=provider, shortest=SHORTEST)
