"""From cookies and headers to a principal, and the cookies themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping

from ...core.errors import PipelineError
from ..accounts.roles import OPERATOR, VIEWER
from ..accounts.secret import proof_of
from .principal import LOCAL, Principal

if TYPE_CHECKING:
    from ..context import WebContext

SESSION = "session"
SHARE = "share"
FORM = "form"
_MOST_LINKS = 5  # in one cookie; the oldest goes
OPEN = Principal(LOCAL, OPERATOR, "open")


def cookie_name(context: WebContext, kind: str, scheme: str) -> str:
    """The name of a cookie; the port is in it, because browsers do not keep ports apart.

    ``__Host-`` makes browsers refuse one that another host or an unencrypted page set (RFC 6265bis).
    """
    prefix = ""
    if scheme == "https":
        prefix = "__Secure-" if context.config.base_path else "__Host-"
    return f"{prefix}autoseg-{kind}-{context.port}"


def set_cookie(
    context: WebContext, kind: str, value: str, scheme: str, seconds: int, same_site: str = "Strict"
) -> str:
    """The header ``Set-Cookie``; an empty ``value`` takes the cookie away."""
    parts = [
        f"{cookie_name(context, kind, scheme)}={value}",
        f"Path={context.config.base_path or '/'}",
        f"Max-Age={seconds if value else 0}",
        "HttpOnly",
        f"SameSite={same_site}",
    ]
    return "; ".join(parts + (["Secure"] if scheme == "https" else []))


def read_cookies(header: str) -> dict[str, str]:
    """Name and value; a name that stands twice is nobody's word and is left out."""
    found: dict[str, str] = {}
    twice = set()
    for part in header.split(";"):
        name, equals, value = part.strip().partition("=")
        if equals:
            if name in found:
                twice.add(name)
            found[name] = value.strip()
    return {name: value for name, value in found.items() if name not in twice}


def identify(context: WebContext, headers: Mapping[str, str], scheme: str) -> Principal | None:
    """Who asks, or None. Raises ``account.needed`` for a token that does not hold.

    A header wins over a cookie: it says on purpose what the cookie says by itself.
    """
    accounts = context.accounts
    if not accounts.users.exist():
        return OPEN
    authorization = headers.get("authorization")
    if authorization is not None:
        return _of_token(context, authorization)
    cookies = read_cookies(headers.get("cookie", ""))
    shared = of_links(context, cookies.get(cookie_name(context, SHARE, scheme), ""))
    secret = cookies.get(cookie_name(context, SESSION, scheme))
    found = accounts.sessions.find(secret, context.config.session_hours) if secret else None
    if found is None or secret is None:
        return shared
    return Principal(
        found.user, found.role, "session", csrf=csrf_of(secret), key=found.key,
        jobs=shared.jobs if shared else (), named=shared.named if shared else (),
    )  # fmt: skip


def csrf_of(secret: str) -> str:
    """What the page of a session brings with each change; another site's page cannot know it."""
    return proof_of(secret, "csrf")


def _of_token(context: WebContext, authorization: str) -> Principal:
    scheme, _, secret = authorization.partition(" ")
    found = context.accounts.tokens.find(secret.strip()) if scheme.lower() == "bearer" else None
    if found is None:
        raise PipelineError("account.needed", "the token does not hold (any more)")
    return Principal(found.user, found.role, "token", key=found.key)


def link_secrets(cookie: str) -> list[str]:
    """The secrets of the links that a browser has opened, the oldest first."""
    return [secret for secret in cookie.split(".") if secret][-_MOST_LINKS:]


def with_link(cookie: str, secret: str) -> str:
    """The cookie's value with one more link."""
    return ".".join([one for one in link_secrets(cookie) if one != secret][1 - _MOST_LINKS :] + [secret])


def of_links(context: WebContext, cookie: str) -> Principal | None:
    """Who has opened the links of a cookie's value, as far as they hold."""
    found = [context.accounts.links.find(secret) for secret in link_secrets(cookie)]
    holding = [link for link in found if link is not None]
    if not holding:
        return None
    return Principal(
        "link " + ",".join(link.id for link in holding),
        VIEWER,
        "share",
        jobs=tuple(dict.fromkeys(link.job for link in holding)),
        named=tuple(dict.fromkeys(link.job for link in holding if link.names)),
        key=" ".join(link.key for link in holding),
    )


def still_holds(context: WebContext, principal: Principal) -> bool:
    """Whether a principal of a while ago would still be let in as the same."""
    accounts = context.accounts
    if principal.via == "open":
        return not accounts.users.exist()
    if principal.via == "share":
        return all(accounts.links.by_key(key) is not None for key in principal.key.split())
    if principal.via == "token":
        found = accounts.tokens.by_key(principal.key)
    else:
        found = accounts.sessions.by_key(principal.key, context.config.session_hours)
    return found is not None and found.role == principal.role
