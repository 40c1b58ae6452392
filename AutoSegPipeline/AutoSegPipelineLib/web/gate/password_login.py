"""A login: back-off, the slow hash away from the event loop, a fresh session."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Iterator

from ...core.errors import PipelineError
from ..accounts import passwords
from .few_at_once import FewAtOnce

if TYPE_CHECKING:
    from ..context import WebContext

_AT_ONCE = 2  # hashes: 64 MiB and four threads each
_MOST_WAITING = 20
_KEY = "hashing"


class Hashing(FewAtOnce):
    """Hashes passwords, away from the event loop."""

    def __init__(self) -> None:
        super().__init__(_AT_ONCE, _MOST_WAITING, _KEY)


def hashing(context: WebContext) -> Hashing:
    """The one of this application."""
    found: Hashing = context.shared.setdefault(_KEY, None) or Hashing()
    context.shared[_KEY] = found
    return found


@dataclass(frozen=True)
class Credentials:
    """What somebody gives to log in. ``code`` is of the second factor, ``agent`` the browser's name."""

    name: str
    password: str
    code: str = ""
    address: str = ""
    agent: str = ""


async def log_in(context: WebContext, given: Credentials) -> str:
    """The secret of a new session.

    Raises ``account.wrong``, ``account.too_many``, ``account.code_needed`` and ``account.code_wrong``.

    Whether the name or the password was wrong, or the account is disabled, shows neither
    in the answer nor in the time it takes.
    """
    await check(context, given)
    user = context.accounts.users.get(given.name)
    return begin_session(context, user.name, given.address, given.agent)


def begin_session(
    context: WebContext, name: str, address: str, agent: str, proved: float | None = None
) -> str:
    """The secret of a new session of an account that has shown who it is, now or at ``proved``."""
    context.accounts.users.noted_login(name)
    return context.accounts.sessions.begin(name, address, context.config.session_hours, agent, proved)


async def check(context: WebContext, given: Credentials) -> None:
    """Raise unless the password and, where the account has a second factor, the code are right."""
    await check_password(context, given.name, given.password, given.address)
    accounts = context.accounts
    user = accounts.users.get(given.name).name
    if not accounts.second_factors.is_on(user):
        return
    if not given.code.strip():
        raise PipelineError("account.code_needed", "the account has a second factor")
    with code_counted(context, user, given.address):
        if not accounts.second_factors.check(user, given.code):
            raise PipelineError("account.code_wrong", "the code is wrong, too old or was used before")


@contextlib.contextmanager
def code_counted(context: WebContext, user: str, address: str) -> Iterator[None]:
    """Count a try of a code, apart from passwords: whoever has the password must not guess codes for ever.

    Raises ``account.too_many``; a block that ends well was the right code.
    """
    counted = f"code of {user}"
    context.accounts.backoff.begin(counted, address)
    yield
    context.accounts.backoff.succeeded(counted, address)


async def check_password(context: WebContext, name: str, password: str, address: str) -> None:
    """Raise ``account.wrong`` unless it is the password of an account that may log in."""
    accounts = context.accounts
    accounts.backoff.begin(name, address)
    kept = accounts.users.kept_password(name)
    right = await hashing(context).run(partial(passwords.verify, kept, password))
    # While it was hashed the account may have been disabled or got another password.
    if not right or kept is None or accounts.users.kept_password(name) != kept:
        raise PipelineError("account.wrong", "name and password do not belong together")
    accounts.backoff.succeeded(name, address)
    if passwords.is_outdated(kept):
        new = await hashing(context).run(partial(passwords.hash_again, password))
        if accounts.users.kept_password(name) == kept:
            accounts.users.rehash(name, new)


async def change_password(context: WebContext, given: Credentials, new: str) -> str:
    """Set a new password; the secret of the session that goes on, every other one has ended.

    Raises as :func:`log_in`, and ``account.invalid``.
    """
    await check(context, given)
    kept = await hashed(context, new, given.name)
    context.accounts.users.keep_password(given.name, kept)
    return begin_session(context, given.name, given.address, given.agent)


async def hashed(context: WebContext, password: str, name: str) -> str:
    """What is kept of a new password. Raises ``account.invalid``."""
    return await hashing(context).run(partial(passwords.hash_password, password, name))


def refused(error: PipelineError) -> PipelineError:
    """``error`` of :func:`check` for somebody who is logged in: a 401 would say that the login has ended."""
    error.data.setdefault("headers", seconds_of(error))
    if error.code in ("account.wrong", "account.code_needed", "account.code_wrong"):
        error.data["status"] = 403
    return error


def seconds_of(error: PipelineError) -> dict[str, object]:
    """The header that says when to try again."""
    seconds = error.data.get("seconds")
    return {"Retry-After": str(seconds)} if seconds else {}
