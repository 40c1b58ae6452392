"""Share links: whoever has one sees and downloads one result, until it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...core.clock import Clock, rfc3339
from ...core.errors import PipelineError
from ...core.store.database import Database
from .roles import VIEWER
from .secret import hash_of, new_id, new_secret
from .sessions import Found

LONGEST_HOURS = 24 * 90.0
_MOST = 1000  # that hold at the same time, of one account


@dataclass(frozen=True)
class Link:
    """One share link, without its secret."""

    id: str
    job: str
    user: str
    note: str
    created: float
    expires: float
    used: float | None
    revoked: float | None

    def to_dict(self) -> dict[str, Any]:
        """The form for lists."""
        times = {name: getattr(self, name) for name in ("created", "expires", "used", "revoked")}
        texts = {name: None if value is None else rfc3339(value) for name, value in times.items()}
        return {"id": self.id, "job": self.job, "user": self.user, "note": self.note, **texts}


class Links:
    """The table ``links``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(self, job: str, user: str, hours: float, note: str = "") -> tuple[Link, str]:
        """A new link to ``job`` by ``user``, and its secret. Raises ``account.invalid``."""
        if not 0 < hours <= LONGEST_HOURS:
            raise PipelineError(
                "account.invalid", f"a link holds for more than 0, at most {LONGEST_HOURS:g} hours"
            )
        note = note.strip()
        if len(note) > 200 or not note.isprintable():
            raise PipelineError("account.invalid", "a note has at most 200 printable characters")
        secret, number, now = new_secret(), new_id(), self._clock.now()
        with self._database.transaction():
            holding = [one for one in self.list(user) if one.revoked is None and one.expires > now]
            if len(holding) >= _MOST:
                raise PipelineError("account.invalid", f"{user} has {_MOST} links already; revoke some first")
            self._database.execute(
                "INSERT INTO links VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
                (number, hash_of(secret), job, user, note, now, now + hours * 3600),
            )
        return self.get(number), secret

    def find(self, secret: str) -> Found | None:
        """What a link opens, or None: unknown, expired, revoked, its maker's account disabled."""
        return self.by_key(hash_of(secret))

    def by_key(self, key: str) -> Found | None:
        """As :meth:`find`, by the hash."""
        row = self._database.row(
            "SELECT l.id, l.user, l.job FROM links l JOIN users u ON u.name = l.user "
            "WHERE l.hash = ? AND u.disabled = 0 AND l.revoked IS NULL AND l.expires > ?",
            (key, self._clock.now()),
        )
        if row is None:
            return None
        return Found(row["user"], VIEWER, key, job=row["job"], id=row["id"])

    def noted_use(self, number: str) -> None:
        """Somebody opened it now."""
        with self._database.transaction(durable=False):
            self._database.execute("UPDATE links SET used = ? WHERE id = ?", (self._clock.now(), number))

    def get(self, number: str) -> Link:
        """The link of that public id. Raises ``account.unknown``."""
        row = self._database.row("SELECT * FROM links WHERE id = ?", (number,))
        if row is None:
            raise PipelineError("account.unknown", f"there is no link {number!r}")
        return _link(row)

    def list(self, user: str | None = None) -> list[Link]:
        """All links, or those of one account; the newest last."""
        where, values = ("user = ?", (user,)) if user is not None else ("1", ())
        rows = self._database.rows(f"SELECT * FROM links WHERE {where} ORDER BY created, id", values)
        return [_link(row) for row in rows]

    def revoke(self, number: str) -> Link:
        """It opens nothing any more."""
        self.get(number)
        with self._database.transaction():
            self._database.execute(
                "UPDATE links SET revoked = ? WHERE id = ? AND revoked IS NULL", (self._clock.now(), number)
            )
        return self.get(number)


def _link(row: Any) -> Link:
    return Link(
        row["id"], row["job"], row["user"], row["note"], row["created"], row["expires"], row["used"],
        row["revoked"],
    )  # fmt: skip
