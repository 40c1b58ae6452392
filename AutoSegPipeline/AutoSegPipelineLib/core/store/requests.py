"""What other processes ask of the pipeline, and its answers."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..clock import Clock, rfc3339
from ..commands import Command, parse
from .database import Database


@dataclass(frozen=True)
class Request:
    """One row as it was written; ``kind`` is the name of a command."""

    id: int
    kind: str
    job: str | None
    args: dict[str, object]
    by: str

    def command(self) -> Command:
        """What is asked for; raises as :func:`..commands.parse` does."""
        return parse(self.kind, self.job, self.args)


class Requests:
    """The table ``requests``. An answer is ``{"ok": true, ...}`` or ``{"error": {...}}``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def ask(self, command: Command, by: str = "") -> int:
        """Write a request; its number, for :meth:`answer_of`."""
        return self.add(command.name, command.about, command.arguments(), by)

    def add(
        self, kind: str, job: str | None = None, args: dict[str, object] | None = None, by: str = ""
    ) -> int:
        """Write a row that nobody has checked."""
        with self._database.transaction():
            cursor = self._database.execute(
                'INSERT INTO requests (kind, job, args, "by", at) VALUES (?, ?, ?, ?, ?)',
                (kind, job, json.dumps(args or {}), by, rfc3339(self._clock.now())),
            )
            return int(cursor.lastrowid or 0)

    def open(self, limit: int = 100) -> list[Request]:
        """What nobody has answered yet, oldest first."""
        rows = self._database.rows(
            "SELECT * FROM requests WHERE answer IS NULL ORDER BY id LIMIT ?", (limit,)
        )
        return [
            Request(row["id"], row["kind"], row["job"], json.loads(row["args"]), row["by"]) for row in rows
        ]

    def answer(self, request_id: int, answer: dict[str, object]) -> None:
        with self._database.transaction():
            self._database.execute(
                "UPDATE requests SET answer = ? WHERE id = ?", (json.dumps(answer), request_id)
            )

    def answer_of(self, request_id: int) -> dict[str, object] | None:
        """The pipeline's answer, or None while it has not answered."""
        row = self._database.row("SELECT answer FROM requests WHERE id = ?", (request_id,))
        return None if row is None or row["answer"] is None else dict(json.loads(row["answer"]))

    def kind_of(self, request_id: int) -> str:
        """The name of the command that was asked for; empty for a row that is not there."""
        row = self._database.row("SELECT kind FROM requests WHERE id = ?", (request_id,))
        return "" if row is None else str(row["kind"])

    def withdraw(self, request_id: int) -> bool:
        """Take back a request that nobody has answered; whether it could be."""
        with self._database.transaction():
            cursor = self._database.execute(
                "DELETE FROM requests WHERE id = ? AND answer IS NULL", (request_id,)
            )
            return cursor.rowcount == 1

    def forget(self, keep: int = 1000) -> None:
        """Remove all answered rows but the newest ``keep``."""
        with self._database.transaction():
            self._database.execute(
                "DELETE FROM requests WHERE answer IS NOT NULL AND id <= "
                "(SELECT COALESCE(MAX(id), 0) FROM requests) - ?",
                (keep,),
            )

    def forget_job(self, job_id: str) -> None:
        """Remove the answered rows about ``job_id``."""
        with self._database.transaction():
            self._database.execute("DELETE FROM requests WHERE job = ? AND answer IS NOT NULL", (job_id,))
