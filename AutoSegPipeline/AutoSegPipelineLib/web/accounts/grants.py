"""What share links and tokens have in common: kept as a hash, of an account, until they end."""

from __future__ import annotations

import sqlite3
from typing import ClassVar, Generic, TypeVar

from ...core.clock import Clock, rfc3339
from ...core.errors import PipelineError
from ...core.store.database import Database

T = TypeVar("T")


def times_of(grant: object) -> dict[str, str | None]:
    """Its times for lists, RFC 3339 UTC."""
    times = {name: getattr(grant, name) for name in ("created", "expires", "used", "revoked")}
    return {name: None if value is None else rfc3339(value) for name, value in times.items()}


class Grants(Generic[T]):
    """A table with the columns ``id``, ``user``, ``created``, ``expires``, ``used`` and ``revoked``."""

    table: ClassVar[str]
    one: ClassVar[str]  # what a row is called in messages
    most: ClassVar[int]  # that hold at the same time, of one account

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def _of_row(self, row: sqlite3.Row) -> T:
        """The value of a row."""
        raise AssertionError("each table says how")

    def _check_room(self, user: str) -> None:
        """Raise ``account.invalid`` where ``user`` has as many as one may; inside the transaction."""
        row = self._database.row(
            f"SELECT COUNT(*) AS n FROM {self.table} WHERE user = ? AND revoked IS NULL AND expires > ?",
            (user, self._clock.now()),
        )
        if row is not None and row["n"] >= self.most:
            raise PipelineError(
                "account.invalid", f"{user} has {self.most} {self.table} already; revoke some first"
            )

    def get(self, number: str) -> T:
        """The one of that public id. Raises ``account.unknown``."""
        row = self._database.row(f"SELECT * FROM {self.table} WHERE id = ?", (number,))
        if row is None:
            raise PipelineError("account.unknown", f"there is no {self.one} {number!r}")
        return self._of_row(row)

    def list(self, user: str | None = None) -> list[T]:
        """All, or those of one account; the newest last."""
        where, values = ("user = ?", (user,)) if user is not None else ("1", ())
        sql = f"SELECT * FROM {self.table} WHERE {where} ORDER BY created, id"
        return [self._of_row(row) for row in self._database.rows(sql, values)]

    def revoke(self, number: str) -> T:
        """It opens nothing any more."""
        self.get(number)
        with self._database.transaction():
            self._database.execute(
                f"UPDATE {self.table} SET revoked = ? WHERE id = ? AND revoked IS NULL",
                (self._clock.now(), number),
            )
        return self.get(number)
