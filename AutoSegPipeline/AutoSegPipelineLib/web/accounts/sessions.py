"""Logins of browsers, kept on the server: they end when the server says so."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.clock import Clock
from ...core.store.database import Database
from .secret import hash_of, new_secret

_IDLE_PART = 6  # a login ends after this part of its time without a request: 2 of 12 hours
_NOTE_SECONDS = 60.0  # how often its use is written down
_MOST = 20  # sessions of one account; the oldest makes room


@dataclass(frozen=True)
class SessionOwner:
    """Whose a valid session, token or link is. ``key`` is the hash under which it is kept."""

    user: str
    role: str
    key: str
    job: str = ""  # of a link
    names: bool = False  # of a link: whether it shows the file's name and who uploaded it
    id: str = ""  # of a token or link


class Sessions:
    """The table ``sessions``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, user: str, address: str, hours: float) -> str:
        """A new login; the answer is the secret for the cookie."""
        secret, now = new_secret(), self._clock.now()
        with self._database.transaction():
            self._database.execute("DELETE FROM sessions WHERE created <= ?", (now - hours * 3600,))
            self._database.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?)", (hash_of(secret), user, now, now, address)
            )
            self._database.execute(
                "DELETE FROM sessions WHERE user = ? AND hash NOT IN "
                "(SELECT hash FROM sessions WHERE user = ? ORDER BY created DESC, rowid DESC LIMIT ?)",
                (user, user, _MOST),
            )
        return secret

    def find(self, secret: str, hours: float) -> SessionOwner | None:
        """Whose login it is, or None: unknown, too old, idle for too long, account disabled."""
        return self.by_key(hash_of(secret), hours, note=True)

    def by_key(self, key: str, hours: float, note: bool = False) -> SessionOwner | None:
        """As :meth:`find`, by the hash; ``note`` counts it as used."""
        row = self._database.row(
            "SELECT s.user, s.created, s.used, u.role FROM sessions s JOIN users u ON u.name = s.user "
            "WHERE s.hash = ? AND u.disabled = 0",
            (key,),
        )
        if row is None:
            return None
        now, life = self._clock.now(), hours * 3600
        if now - row["created"] >= life or now - row["used"] >= life / _IDLE_PART:
            self.end(key)
            return None
        if note and now - row["used"] >= min(_NOTE_SECONDS, life / _IDLE_PART / 4):
            # Lost in a power cut it would only end the login a little early.
            with self._database.transaction(durable=False):
                self._database.execute("UPDATE sessions SET used = ? WHERE hash = ?", (now, key))
        return SessionOwner(row["user"], row["role"], key)

    def end(self, key: str) -> None:
        """Log out."""
        with self._database.transaction():
            self._database.execute("DELETE FROM sessions WHERE hash = ?", (key,))
