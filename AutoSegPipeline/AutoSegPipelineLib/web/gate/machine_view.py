"""Who may see how the machine is doing: whoever sits at it, or is known."""

from __future__ import annotations

from starlette.requests import Request

from ..config import is_loopback
from .principal import KEY


def may_see_machine(request: Request) -> bool:
    """Whether the request comes from this machine, or from somebody with an account.

    A reverse proxy on this machine is not this machine: what it passes on has the
    address of the real client once it is a trusted one, and is refused before.
    """
    principal = request.scope.get(KEY)
    if principal is not None and principal.via in ("session", "token"):
        return True
    client = request.client.host if request.client else ""
    return is_loopback(client)
