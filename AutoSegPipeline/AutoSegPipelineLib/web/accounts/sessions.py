"""Logins of browsers, kept on the server: they end when the server says so."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.clock import Clock, rfc3339
from ...core.errors import PipelineError
from ...core.store.database import Database
from .secret import hash_of, new_secret

_IDLE_PART = 6  # a login ends after this part of its time without a request: 2 of 12 hours
_NOTE_SECONDS = 60.0  # how often its use is written down
_ID = 12  # hexadecimal digits of the hash that name a session in lists
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


@dataclass(frozen=True)
class Session:
    """One login for lists; ``id`` opens nothing."""

    id: str
    created: float
    used: float
    address: str
    agent: str

    def to_dict(self) -> dict[str, object]:
        """The form for lists."""
        return {
            "id": self.id,
            "created": rfc3339(self.created),
            "used": rfc3339(self.used),
            "address": self.address,
            "agent": self.agent,
        }


def id_of(key: str) -> str:
    """The public name of the session that is kept under ``key``."""
    return key[:_ID]


class Sessions:
    """The table ``sessions``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(
        self, user: str, address: str, hours: float, agent: str = "", proved: float | None = None
    ) -> str:
        """A new login; the answer is the secret for the cookie.

        ``proved`` is when its owner showed who it is, seconds since 1970; None: just now.
        """
        secret, now = new_secret(), self._clock.now()
        with self._database.transaction():
            self._database.execute("DELETE FROM sessions WHERE created <= ?", (now - hours * 3600,))
            self._database.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)",
                (hash_of(secret), user, now, now, address, now if proved is None else proved, _plain(agent)),
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

    def proved(self, key: str) -> float | None:
        """When its owner last gave the password, seconds since 1970; None for a login that has ended."""
        row = self._database.row("SELECT proved FROM sessions WHERE hash = ?", (key,))
        return None if row is None else float(row["proved"])

    def prove(self, key: str) -> None:
        """Its owner gave the password just now."""
        with self._database.transaction():
            self._database.execute("UPDATE sessions SET proved = ? WHERE hash = ?", (self._clock.now(), key))

    def list(self, user: str, hours: float) -> list[Session]:
        """The logins of an account that hold, the newest first."""
        now, life = self._clock.now(), hours * 3600
        rows = self._database.rows(
            "SELECT * FROM sessions WHERE user = ? AND created > ? AND used > ? "
            "ORDER BY created DESC, rowid DESC",
            (user, now - life, now - life / _IDLE_PART),
        )
        return [
            Session(id_of(row["hash"]), row["created"], row["used"], row["address"], row["agent"])
            for row in rows
        ]

    def end_one(self, user: str, number: str) -> None:
        """End one login of an account by its public id. Raises ``account.unknown``."""
        with self._database.transaction():
            gone = self._database.execute(
                "DELETE FROM sessions WHERE user = ? AND substr(hash, 1, ?) = ?", (user, _ID, number)
            )
        if not gone.rowcount:
            raise PipelineError("account.unknown", f"there is no login {number!r}")

    def end_others(self, user: str, key: str) -> int:
        """End all logins of an account but the one kept under ``key``; how many there were."""
        with self._database.transaction():
            sql = "DELETE FROM sessions WHERE user = ? AND hash != ?"
            return int(self._database.execute(sql, (user, key)).rowcount)

    def end(self, key: str) -> None:
        """Log out."""
        with self._database.transaction():
            self._database.execute("DELETE FROM sessions WHERE hash = ?", (key,))


def _plain(agent: str) -> str:
    return "".join(char for char in agent if char.isprintable())[:200]
