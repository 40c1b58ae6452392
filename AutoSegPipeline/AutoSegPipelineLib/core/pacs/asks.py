"""What other processes ask of the dicom child, and its answers."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from ..clock import Clock
from ..errors import PipelineError, from_dict
from ..store.database import Database

LOOK_SECONDS = 0.1
KEPT = 1000
KEPT_SECONDS = 1200.0  # longer than anybody waits; questions and answers may name patients


@dataclass(frozen=True)
class Ask:
    """A row: ``kind`` names what is asked, ``by`` who asks."""

    id: int
    kind: str
    args: dict[str, object]
    by: str
    at: float


class Asks:
    """The table ``asks``. An answer is ``{"ok": true, ...}`` or ``{"error": {...}}``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def ask(self, kind: str, args: dict[str, object], by: str) -> int:
        """Write a row; its number, for :meth:`answer_of`."""
        with self._database.transaction():
            cursor = self._database.execute(
                'INSERT INTO asks (kind, args, "by", at) VALUES (?, ?, ?, ?)',
                (kind, json.dumps(args), by, self._clock.now()),
            )
            return int(cursor.lastrowid or 0)

    def open(self, after: int = 0, limit: int = 100) -> list[Ask]:
        """What nobody has answered yet, behind row ``after``, oldest first."""
        rows = self._database.rows(
            "SELECT * FROM asks WHERE answer IS NULL AND id > ? ORDER BY id LIMIT ?", (after, limit)
        )
        return [Ask(row["id"], row["kind"], json.loads(row["args"]), row["by"], row["at"]) for row in rows]

    def answer(self, number: int, answer: dict[str, object]) -> None:
        """Answer a row; of the answers that nobody fetches the oldest go."""
        with self._database.transaction():
            self._database.execute("UPDATE asks SET answer = ? WHERE id = ?", (json.dumps(answer), number))
            self._database.execute(
                "DELETE FROM asks WHERE answer IS NOT NULL AND id <= (SELECT MAX(id) FROM asks) - ?", (KEPT,)
            )

    def purge(self) -> None:
        """Remove what nobody waits for any more, answered or not: whoever asked was killed."""
        with self._database.transaction():
            self._database.execute("DELETE FROM asks WHERE at < ?", (self._clock.now() - KEPT_SECONDS,))

    def answer_of(self, number: int) -> dict[str, object] | None:
        """The answer, or None while there is none; raises the error that it carries."""
        row = self._database.row("SELECT answer FROM asks WHERE id = ?", (number,))
        if row is None or row["answer"] is None:
            return None
        answer = dict(json.loads(row["answer"]))
        if "error" in answer:
            raise from_dict(answer["error"])
        return answer

    def is_open(self, number: int) -> bool:
        """Whether somebody still waits for the answer."""
        return self._database.row("SELECT 1 FROM asks WHERE id = ? AND answer IS NULL", (number,)) is not None

    def remove(self, number: int) -> None:
        """Remove a row: an answer that was read, or an ask that nobody waits for any more."""
        with self._database.transaction():
            self._database.execute("DELETE FROM asks WHERE id = ?", (number,))

    def wait(self, number: int, seconds: float) -> dict[str, object]:
        """The answer; raises ``pacs.no_answer`` after ``seconds``. The row is removed."""
        until = time.monotonic() + seconds
        try:
            while True:
                answer = self.answer_of(number)
                if answer is not None:
                    return answer
                if time.monotonic() > until:
                    raise no_answer(seconds)
                time.sleep(LOOK_SECONDS)
        finally:
            self.remove(number)


def no_answer(seconds: float) -> PipelineError:
    """What whoever waited in vain hears."""
    return PipelineError("pacs.no_answer", f"the dicom process has not answered within {seconds:.0f} seconds")
