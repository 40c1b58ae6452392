"""Who asks, what that one may do, and which jobs that one may know of.

:mod:`.security` finds out who asks before any route runs and refuses a request without
an answer; routes say with :func:`needs` what role they want and show jobs through
:mod:`.visible_jobs` only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Awaitable, Callable

from starlette.requests import HTTPConnection, Request

from ...core.errors import PipelineError
from ...core.job import Job
from ...core.store.scope import EVERYTHING, Scope
from ..accounts.roles import ADMIN, OPERATOR, ROLES, VIEWER, at_least

__all__ = [
    "ADMIN",
    "KEY",
    "OPERATOR",
    "ROLES",
    "VIEWER",
    "Principal",
    "may_change",
    "needs",
    "principal_of",
    "scope_of",
]

KEY = "autoseg.principal"  # where it stands in the ASGI scope
LOCAL = "local"  # name of whoever asks while there are no accounts; no account may have it


@dataclass(frozen=True)
class Principal:
    """``via`` says how it was found: ``open`` (no accounts yet), ``session``, ``token`` or ``share``."""

    name: str
    role: str
    via: str
    csrf: str = ""  # what unsafe requests of a session must bring
    jobs: tuple[str, ...] = ()  # that share links open; with ``via="share"`` there is nothing else
    named: tuple[str, ...] = ()  # those of them whose link shows the file's name and who uploaded it
    key: str = ""  # hash under which the session or token is kept; of links, joined by a space

    def is_at_least(self, role: str) -> bool:
        """Whether the role includes ``role``."""
        return at_least(self.role, role)

    def to_dict(self) -> dict[str, object]:
        """What the page may know of it."""
        return {"name": self.name, "role": self.role, "via": self.via, "jobs": list(self.jobs)}


def principal_of(request: HTTPConnection) -> Principal:
    """Who asks; a dependency of routes. Raises ``account.needed`` on public routes without one."""
    found: Principal | None = request.scope.get(KEY)
    if found is None:
        raise PipelineError("account.needed", "this needs an account")
    return found


def needs(role: str, share: bool = False) -> Callable[[Request], Awaitable[Principal]]:
    """The dependency that lets through whoever has at least ``role``; share links only with ``share``."""

    async def dependency(request: Request) -> Principal:
        principal = principal_of(request)
        if principal.via == "share" and not share:
            raise PipelineError("account.forbidden", "a share link opens one result and nothing else")
        if not principal.is_at_least(role):
            raise PipelineError(
                "account.forbidden",
                f"this needs the role {role}; {principal.name} has the role {principal.role}",
            )
        return principal

    return dependency


def scope_of(principal: Principal, visibility: str) -> Scope:
    """The one rule of what somebody may know of; ``visibility`` is the setting, ``all`` or ``own``."""
    if principal.via == "share":
        return Scope(jobs=principal.jobs)
    if visibility == "own" and principal.via != "open" and not principal.is_at_least(ADMIN):
        return Scope(owner=principal.name, jobs=principal.jobs)
    return EVERYTHING


def may_change(principal: Principal, job: Job) -> None:
    """Raise ``account.forbidden`` unless ``principal`` may cancel, retry, reorder or delete ``job``.

    Operators may do so with what they handed in over the web, admins with everything. Without
    accounts there is one person, who handed in everything.
    """
    own = job.door == "web" and job.submitted_by == principal.name
    everybodys = principal.via == "open"
    if principal.is_at_least(ADMIN) or (principal.is_at_least(OPERATOR) and (own or everybodys)):
        return
    raise PipelineError("account.forbidden", f"job {job.id[:8]} belongs to somebody else")
