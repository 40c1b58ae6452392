"""Proving again who one is, before what a stolen session must not do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.errors import PipelineError
from .principal import Principal

if TYPE_CHECKING:
    from ..context import WebContext

FRESH_SECONDS = 600.0  # a login, or a password given again, counts for so long


def needs_session(principal: Principal) -> None:
    """Raise ``account.forbidden`` for a token: it must not prolong itself, nor lock its owner out."""
    if principal.via != "session":
        raise PipelineError("account.forbidden", "this needs a login on the page, not a token")


def needs_proof(context: WebContext, principal: Principal) -> None:
    """Raise ``account.reauthenticate`` unless the login is fresh or the password was given again just now."""
    needs_session(principal)
    proved = context.accounts.sessions.proved(principal.key)
    if proved is None or not 0 <= context.clock.now() - proved < FRESH_SECONDS:
        raise PipelineError("account.reauthenticate", "this needs your password again")
