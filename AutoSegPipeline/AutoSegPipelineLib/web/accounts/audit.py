"""Who looked at what, took what, changed what, and when. Never a secret, never a password."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from ...core.clock import Clock, rfc3339
from ...core.store.database import Database

KEEP_DAYS = 400.0
_MOST = 1_000_000  # lines, about 150 MB; beyond, the oldest go
_TRIM_EVERY = 500  # lines
_SAME_SECONDS = 60.0  # the parts of one download are one line
_LONGEST = 300


@dataclass(frozen=True)
class Line:
    """One line of the log. ``via``: how ``who`` was known (open, session, token, share, command, dicom)."""

    id: int
    at: float
    who: str
    via: str
    address: str
    what: str
    job: str
    detail: str
    ok: bool

    def to_dict(self) -> dict[str, Any]:
        """The form for lists."""
        return {**self.__dict__, "at": rfc3339(self.at)}


class Audit:
    """The table ``audit``: only added to, and cut at its old end."""

    def __init__(self, database: Database, clock: Clock, keep_days: float = KEEP_DAYS) -> None:
        self._database = database
        self._clock = clock
        self._keep = keep_days * 86400
        self._since_trim = _TRIM_EVERY
        self._recent: dict[tuple[Any, ...], float] = {}

    def note(
        self,
        what: str,
        who: str,
        *,
        via: str = "",
        address: str = "",
        job: str = "",
        detail: str = "",
        ok: bool = True,
        once: bool = False,
        durable: bool = False,
    ) -> None:
        """Add a line. With ``once`` the same within a minute adds none; ``durable`` waits for the disk."""
        line = (_short(who), via, _short(address), what, _short(job), _short(detail), int(ok))
        now = self._clock.now()
        if once and self._again(line, now):
            return
        with self._database.transaction(durable):
            self._database.execute(
                "INSERT INTO audit (at, who, via, address, what, job, detail, ok) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (now, *line),
            )
            self._since_trim += 1
            if self._since_trim >= _TRIM_EVERY:
                self._since_trim = 0
                self._trim(now)

    def _again(self, line: tuple[object, ...], now: float) -> bool:
        last = self._recent.get(line)
        if last is not None and 0 <= now - last < _SAME_SECONDS:
            return True
        if len(self._recent) >= 1000:
            self._recent = {key: at for key, at in self._recent.items() if 0 <= now - at < _SAME_SECONDS}
        if len(self._recent) < 10000:
            self._recent[line] = now
        return False

    def _trim(self, now: float) -> None:
        newest = self._database.row("SELECT MAX(id) FROM audit")
        self._database.execute(
            "DELETE FROM audit WHERE id <= ? OR (at < ? AND at > 0)",
            (int(newest[0] or 0) - _MOST if newest else 0, now - self._keep),
        )

    def list(
        self,
        limit: int = 100,
        before: int | None = None,
        who: str = "",
        what: str = "",
        job: str = "",
        since: float | None = None,
        until: float | None = None,
        ok: bool | None = None,
    ) -> list[Line]:
        """Lines, the newest first; ``before`` is the id at which to go on, ``what`` a beginning.

        ``since`` (inclusive) and ``until`` (exclusive) are seconds since 1970.
        """
        where: list[str] = ["1"]
        values: list[object] = []
        for condition, value in (("id < ?", before), ("who = ?", who), ("job = ?", job)):
            if value:
                where.append(condition)
                values.append(value)
        for condition, number in (("at >= ?", since), ("at < ?", until), ("ok = ?", ok)):
            if number is not None:
                where.append(condition)
                values.append(number)
        if what:
            where.append("substr(what, 1, ?) = ?")
            values += [len(what), what]
        sql = f"SELECT * FROM audit WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"
        return [_line(row) for row in self._database.rows(sql, (*values, limit))]


def _short(text: str) -> str:
    """One printable line of bounded length."""
    clean = "".join(char if char.isprintable() else "?" for char in text[: _LONGEST + 1])
    return clean if len(clean) <= _LONGEST else clean[: _LONGEST - 1] + "…"


def _line(row: sqlite3.Row) -> Line:
    return Line(
        row["id"], row["at"], row["who"], row["via"], row["address"], row["what"], row["job"], row["detail"],
        bool(row["ok"]),
    )  # fmt: skip
