"""Which series were taken and which were left out, as it was decided when they had come."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Iterable

from ..clock import Clock
from ..store.database import Database
from .series_facts import SeriesFacts
from .series_rules import Verdict

KEEP_DAYS = 90.0


@dataclass(frozen=True)
class NotedVerdict:
    """A verdict, the entry of ``dicom.json`` whose rules decided it, and when (seconds since 1970)."""

    entry: str
    at: float
    verdict: Verdict

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {"entry": self.entry, "at": self.at, **self.verdict.to_dict()}


class Verdicts:
    """The table ``verdicts``; descriptions of series are forgotten after :data:`KEEP_DAYS`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def note(self, entry: str, verdicts: Iterable[Verdict]) -> None:
        """Write down what was decided; a later decision about a series replaces the earlier one."""
        now = self._clock.now()
        with self._database.transaction():
            self._database.execute("DELETE FROM verdicts WHERE at < ?", (now - KEEP_DAYS * 86400,))
            for one in verdicts:
                facts = one.series
                self._database.execute(
                    "INSERT OR REPLACE INTO verdicts (series, entry, study, at, code, reason, rule, facts) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (facts.uid, entry, facts.study, now, one.code, one.reason, one.rule,
                     json.dumps(facts.to_dict())),
                )  # fmt: skip

    def of_study(self, study: str) -> list[NotedVerdict]:
        """All of one study, in the order of the series' numbers."""
        found = self._read("WHERE study = ?", (study,))
        return sorted(found, key=_by_number)

    def left_out(self, limit: int = 100) -> list[NotedVerdict]:
        """The newest that were not taken."""
        return self._read("WHERE code <> 'taken' ORDER BY at DESC, series LIMIT ?", (limit,))

    def count_left_out(self) -> int:
        """How many are known that were not taken."""
        row = self._database.row("SELECT COUNT(*) AS n FROM verdicts WHERE code <> 'taken'")
        return 0 if row is None else int(row["n"])

    def studies(self, beginning: str = "") -> list[str]:
        """The studies whose UID begins so, the one decided last first."""
        rows = self._database.rows(
            "SELECT study, MAX(at) AS last FROM verdicts WHERE substr(study, 1, ?) = ? "
            "GROUP BY study ORDER BY last DESC",
            (len(beginning), beginning),
        )
        return [str(row["study"]) for row in rows]

    def _read(self, where: str, values: tuple[object, ...]) -> list[NotedVerdict]:
        rows = self._database.rows(f"SELECT * FROM verdicts {where}", values)
        return [
            NotedVerdict(
                row["entry"],
                row["at"],
                Verdict(SeriesFacts.of(json.loads(row["facts"])), row["code"], row["reason"], row["rule"]),
            )
            for row in rows
        ]


def _by_number(one: NotedVerdict) -> tuple[bool, int, str]:
    number = one.verdict.series.number
    return number is None, number or 0, one.verdict.series.uid
