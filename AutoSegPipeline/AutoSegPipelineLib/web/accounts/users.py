"""Who has an account."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

from ...core.clock import Clock, rfc3339
from ...core.errors import PipelineError
from ...core.store.database import Database
from . import passwords
from .roles import ROLES

# ASCII alone, so that no name looks like another one.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}\Z")
RESERVED = frozenset({"local", "nobody", "anonymous"})


@dataclass(frozen=True)
class User:
    """One account, without its password."""

    name: str
    role: str
    disabled: bool
    created: float
    last_login: float | None

    def to_dict(self) -> dict[str, object]:
        """The form for lists."""
        return {
            "name": self.name,
            "role": self.role,
            "disabled": self.disabled,
            "created": rfc3339(self.created),
            "last_login": None if self.last_login is None else rfc3339(self.last_login),
        }


class Users:
    """The table ``users``. A name is never given twice: jobs belong to it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def exist(self) -> bool:
        """Whether any account was ever made; from then on everybody has to log in."""
        return self._database.row("SELECT 1 FROM users LIMIT 1") is not None

    def add(self, name: str, role: str, password: str) -> User:
        """A new account. Raises ``account.invalid`` and ``account.exists``."""
        return self.add_kept(name, role, passwords.hash_password(password, name))

    def add_kept(self, name: str, role: str, kept: str) -> User:
        """As :meth:`add`, with a password that is hashed already."""
        with self._database.transaction():
            self._add(name, role, kept)
        return self.get(name)

    def _add(self, name: str, role: str, kept: str) -> None:
        if not _NAME.match(name) or name.lower() in RESERVED:
            raise PipelineError(
                "account.invalid", f"{name!r} cannot be a name: 1 to 64 letters, digits and . _ @ - are"
            )
        _check_role(role)
        if self.find(name) is not None:
            raise PipelineError("account.exists", f"there is an account {name} already")
        self._database.execute(
            "INSERT INTO users VALUES (?, ?, ?, ?, 0, ?, NULL)",
            (name, name.lower(), role, kept, self._clock.now()),
        )

    def of_identity(self, issuer: str, subject: str) -> User | None:
        """The account of whom a provider calls ``subject``, or None."""
        sql = "SELECT user FROM identities WHERE issuer = ? AND subject = ?"
        row = self._database.row(sql, (issuer, subject))
        return None if row is None else self.find(row["user"])

    def add_identity(self, issuer: str, subject: str, name: str, role: str) -> User:
        """A new account for somebody whom a provider knows; no password logs in to it.

        Raises as :meth:`add`: an account that is there already is never taken over.
        """
        with self._database.transaction():
            self._add(name, role, passwords.NOBODYS)
            self._database.execute("INSERT INTO identities VALUES (?, ?, ?)", (issuer, subject, name))
        return self.get(name)

    def is_of_provider(self, name: str) -> bool:
        """Whether the account logs in through a provider."""
        return self._database.row("SELECT 1 FROM identities WHERE user = ?", (name,)) is not None

    def other_admins(self, name: str) -> bool:
        """Whether an admin besides ``name`` may log in."""
        sql = "SELECT 1 FROM users WHERE role = 'admin' AND disabled = 0 AND name != ?"
        return self._database.row(sql, (name,)) is not None

    def find(self, name: str) -> User | None:
        """The account of that name, upper and lower case alike, or None."""
        row = self._database.row("SELECT * FROM users WHERE key = ?", (name.lower(),))
        return None if row is None else _user(row)

    def get(self, name: str) -> User:
        """As :meth:`find`; raises ``account.unknown``."""
        found = self.find(name)
        if found is None:
            raise PipelineError("account.unknown", f"there is no account {name!r}")
        return found

    def list(self) -> list[User]:
        """All, by name."""
        return [_user(row) for row in self._database.rows("SELECT * FROM users ORDER BY key")]

    def kept_password(self, name: str) -> str | None:
        """The hash of an account that may log in, or None."""
        row = self._database.row("SELECT password FROM users WHERE key = ? AND disabled = 0", (name.lower(),))
        return None if row is None else str(row["password"])

    def set_role(self, name: str, role: str) -> User:
        """Another role, from the next request on."""
        _check_role(role)
        user = self.get(name)
        with self._database.transaction():
            self._database.execute("UPDATE users SET role = ? WHERE name = ?", (role, user.name))
        return self.get(name)

    def set_password(self, name: str, password: str) -> None:
        """A new password; every session and token of the account ends."""
        self.keep_password(name, passwords.hash_password(password, self.get(name).name))

    def keep_password(self, name: str, kept: str) -> None:
        """As :meth:`set_password`, of a password that is hashed already."""
        user = self.get(name)
        with self._database.transaction():
            self._database.execute("UPDATE users SET password = ? WHERE name = ?", (kept, user.name))
            self._end_all(user.name)

    def rehash(self, name: str, kept: str) -> None:
        """The same password, hashed with the parameters of today."""
        with self._database.transaction():
            self._database.execute("UPDATE users SET password = ? WHERE key = ?", (kept, name.lower()))

    def set_disabled(self, name: str, disabled: bool) -> User:
        """Shut an account out (every session, token and link of it ends) or let it in again."""
        user = self.get(name)
        with self._database.transaction():
            if disabled:
                self._end_all(user.name)
                sql = "UPDATE links SET revoked = ? WHERE user = ? AND revoked IS NULL"
                self._database.execute(sql, (self._clock.now(), user.name))
            self._database.execute("UPDATE users SET disabled = ? WHERE name = ?", (int(disabled), user.name))
        return self.get(name)

    def noted_login(self, name: str) -> None:
        """It logged in now."""
        with self._database.transaction():
            self._database.execute(
                "UPDATE users SET last_login = ? WHERE key = ?", (self._clock.now(), name.lower())
            )

    def _end_all(self, name: str) -> None:
        self._database.execute("DELETE FROM sessions WHERE user = ?", (name,))
        self._database.execute(
            "UPDATE tokens SET revoked = ? WHERE user = ? AND revoked IS NULL", (self._clock.now(), name)
        )


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise PipelineError("account.invalid", f"{role!r} is no role: {', '.join(ROLES)} are")


def _user(row: sqlite3.Row) -> User:
    return User(row["name"], row["role"], bool(row["disabled"]), row["created"], row["last_login"])
