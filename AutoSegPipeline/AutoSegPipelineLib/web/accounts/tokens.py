"""Tokens for programs: named, with a role of their own, expiring, revocable, shown once."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from ...core.errors import PipelineError
from .grants import Grants, times_of
from .roles import ROLES, lesser
from .secret import hash_of, new_id, new_secret
from .sessions import SessionOwner

PREFIX = "aseg_"  # so that scanners of leaked secrets can know it
LONGEST_DAYS = 730.0
_NOTE_SECONDS = 60.0


@dataclass(frozen=True)
class Token:
    """One token, without its secret."""

    id: str
    user: str
    label: str
    role: str
    created: float
    expires: float
    used: float | None
    revoked: float | None

    def to_dict(self) -> dict[str, Any]:
        """The form for lists."""
        return {"id": self.id, "user": self.user, "label": self.label, "role": self.role, **times_of(self)}


class Tokens(Grants[Token]):
    """The table ``tokens``."""

    table, one, most = "tokens", "token", 100

    def _of_row(self, row: sqlite3.Row) -> Token:
        return _token(row)

    def create(self, user: str, label: str, role: str, days: float) -> tuple[Token, str]:
        """A new token of the account ``user`` and its secret. Raises ``account.invalid``.

        It never does more than the account may at the time.
        """
        label = checked_label(label)
        if role not in ROLES:
            raise PipelineError("account.invalid", f"{role!r} is no role: {', '.join(ROLES)} are")
        if not 0 < days <= LONGEST_DAYS:
            raise PipelineError(
                "account.invalid", f"a token holds for more than 0, at most {LONGEST_DAYS:g} days"
            )
        secret, now = new_secret(PREFIX), self._clock.now()
        with self._database.transaction():
            self._check_room(user)
            number = new_id()
            self._database.execute(
                "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
                (number, hash_of(secret), user, label, role, now, now + days * 86400),
            )
        return self.get(number), secret

    def find(self, secret: str) -> SessionOwner | None:
        """Whose token it is, or None: unknown, expired, revoked, account disabled."""
        found = self.by_key(hash_of(secret)) if secret.startswith(PREFIX) else None
        if found is not None:
            used, now = self.get(found.id).used, self._clock.now()
            if used is None or now - used >= _NOTE_SECONDS:
                with self._database.transaction(durable=False):
                    self._database.execute("UPDATE tokens SET used = ? WHERE hash = ?", (now, found.key))
        return found

    def by_key(self, key: str) -> SessionOwner | None:
        """As :meth:`find`, by the hash."""
        row = self._database.row(
            "SELECT t.id, t.user, t.role, u.role AS most FROM tokens t JOIN users u ON u.name = t.user "
            "WHERE t.hash = ? AND u.disabled = 0 AND t.revoked IS NULL AND t.expires > ?",
            (key, self._clock.now()),
        )
        if row is None:
            return None
        return SessionOwner(row["user"], lesser(row["role"], row["most"]), key, id=row["id"])


def checked_label(text: str) -> str:
    """A short text for people. Raises ``account.invalid``."""
    text = text.strip()
    if not text or len(text) > 80 or not text.isprintable():
        raise PipelineError("account.invalid", "a name for people has 1 to 80 printable characters")
    return text


def _token(row: sqlite3.Row) -> Token:
    return Token(
        row["id"], row["user"], row["label"], row["role"], row["created"], row["expires"], row["used"],
        row["revoked"],
    )  # fmt: skip
