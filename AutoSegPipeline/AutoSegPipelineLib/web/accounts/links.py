"""Share links: whoever has one sees and downloads one result, until it ends."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from ...core.errors import PipelineError
from .grants import Grants, times_of
from .roles import VIEWER
from .secret import hash_of, new_id, new_secret
from .sessions import SessionOwner

LONGEST_HOURS = 24 * 90.0


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
    names: bool  # whether it shows the file's name and who uploaded it

    def to_dict(self) -> dict[str, Any]:
        """The form for lists."""
        return {
            "id": self.id,
            "job": self.job,
            "user": self.user,
            "note": self.note,
            "names": self.names,
            **times_of(self),
        }


class Links(Grants[Link]):
    """The table ``links``."""

    table, one, most = "links", "link", 1000

    def _of_row(self, row: sqlite3.Row) -> Link:
        return _link(row)

    def create(
        self, job: str, user: str, hours: float, note: str = "", names: bool = False
    ) -> tuple[Link, str]:
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
            self._check_room(user)
            self._database.execute(
                "INSERT INTO links VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?)",
                (number, hash_of(secret), job, user, note, now, now + hours * 3600, int(names)),
            )
        return self.get(number), secret

    def find(self, secret: str) -> SessionOwner | None:
        """What a link opens, or None: unknown, expired, revoked, its maker's account disabled."""
        return self.by_key(hash_of(secret))

    def by_key(self, key: str) -> SessionOwner | None:
        """As :meth:`find`, by the hash."""
        row = self._database.row(
            "SELECT l.id, l.user, l.job, l.names FROM links l JOIN users u ON u.name = l.user "
            "WHERE l.hash = ? AND u.disabled = 0 AND l.revoked IS NULL AND l.expires > ?",
            (key, self._clock.now()),
        )
        if row is None:
            return None
        return SessionOwner(row["user"], VIEWER, key, job=row["job"], names=bool(row["names"]), id=row["id"])

    def noted_use(self, number: str) -> None:
        """Somebody opened it now."""
        with self._database.transaction(durable=False):
            self._database.execute("UPDATE links SET used = ? WHERE id = ?", (self._clock.now(), number))


def _link(row: sqlite3.Row) -> Link:
    return Link(
        row["id"], row["job"], row["user"], row["note"], row["created"], row["expires"], row["used"],
        row["revoked"], bool(row["names"]),
    )  # fmt: skip
