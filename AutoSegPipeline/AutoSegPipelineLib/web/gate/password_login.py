"""A login: back-off, the slow hash away from the event loop, a fresh session."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Callable, TypeVar

from ...core.errors import PipelineError
from ..accounts import passwords
from ..accounts.sessions import SessionOwner

if TYPE_CHECKING:
    from ..context import WebContext

T = TypeVar("T")
_AT_ONCE = 2  # hashes: 64 MiB and four threads each
_MOST_WAITING = 20
_KEY = "hashing"


class Hashing:
    """Runs hashes in threads, few at a time; who comes when too many wait is sent away."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """``work()`` in a thread. Raises ``account.too_many``."""
        if self._waiting >= _MOST_WAITING:
            raise PipelineError("account.too_many", "too many logins at once; try again in 5 s", seconds=5)
        self._waiting += 1
        try:
            async with self._free:
                return await asyncio.get_running_loop().run_in_executor(None, work)
        finally:
            self._waiting -= 1


def hashing(context: WebContext) -> Hashing:
    """The one of this application."""
    found: Hashing = context.shared.setdefault(_KEY, None) or Hashing()
    context.shared[_KEY] = found
    return found


async def log_in(context: WebContext, name: str, password: str, address: str) -> str:
    """The secret of a new session. Raises ``account.wrong`` and ``account.too_many``.

    Whether the name or the password was wrong, or the account is disabled, shows neither
    in the answer nor in the time it takes.
    """
    await check_password(context, name, password, address)
    user = context.accounts.users.get(name)
    context.accounts.users.noted_login(user.name)
    return str(context.accounts.sessions.begin(user.name, address, context.config.session_hours))


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


async def change_password(context: WebContext, found: SessionOwner, old: str, new: str, address: str) -> str:
    """Set a new password; the secret of the session that goes on, every other one has ended."""
    await check_password(context, found.user, old, address)
    passwords.check(new, found.user)
    kept = await hashing(context).run(partial(passwords.hash_password, new, found.user))
    context.accounts.users.keep_password(found.user, kept)
    return str(context.accounts.sessions.begin(found.user, address, context.config.session_hours))


def seconds_of(error: PipelineError) -> dict[str, object]:
    """The header that says when to try again."""
    seconds = error.data.get("seconds")
    return {"Retry-After": str(seconds)} if seconds else {}
