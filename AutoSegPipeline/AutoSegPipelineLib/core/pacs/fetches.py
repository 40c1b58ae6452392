"""What is fetched from archives: a queue that outlives the process, and what a watch has seen."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from typing import Dict, List, Sequence, Tuple

from ..clock import Clock
from ..errors import PipelineError
from ..store.database import Database

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
ENDED = (DONE, FAILED, CANCELLED)
KEPT_ENDED = 1000  # beside them every fetch that has not ended
MOST_OPEN = 500  # that people asked for; a watch states its own limit


@dataclass(frozen=True)
class Order:
    """What somebody wants: one study of a peer, or some of its series.

    ``label`` is shown in lists and names no patient. ``entry`` is the AE title whose rules apply, empty for
    the receiver's own. ``door`` and ``by`` say who asked, as jobs do; ``watch`` names the query that did.
    """

    peer: str
    study: str
    series: Tuple[str, ...] = ()
    label: str = ""
    entry: str = ""
    options: Dict[str, object] = field(default_factory=dict)
    door: str = "dicom"
    by: str = ""
    watch: str = ""


@dataclass(frozen=True)
class Fetch:
    """A row. ``done`` of ``total`` instances have come (None: the peer has not said how many);
    ``due`` is when it is tried next, ``note`` what went wrong or what came of it."""

    id: int
    order: Order
    state: str
    at: float
    changed: float
    done: int = 0
    total: int | None = None
    tries: int = 0
    due: float = 0.0
    note: str = ""
    jobs: Tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """For JSON; without who asked by which door."""
        return {
            "id": self.id, "peer": self.order.peer, "study": self.order.study,
            "series": list(self.order.series), "label": self.order.label, "entry": self.order.entry,
            "by": self.order.by, "watch": self.order.watch, "state": self.state, "at": self.at,
            "changed": self.changed, "done": self.done, "total": self.total, "tries": self.tries,
            "note": self.note, "jobs": list(self.jobs),
        }  # fmt: skip


class Fetches:
    """The table ``fetches``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, order: Order) -> int:
        """Queue an order; its number. One that still waits or runs for the same person is not made twice."""
        with self._database.transaction():
            return self._add(order)

    def _add(self, order: Order) -> int:
        series = json.dumps(sorted(order.series))
        open_ones = self._database.rows(
            "SELECT id, peer, study, series, door, by_ FROM fetches WHERE state IN (?, ?)", (WAITING, RUNNING)
        )
        mine = (order.peer, order.study, series, order.door, order.by)
        for row in open_ones:
            if (row["peer"], row["study"], row["series"], row["door"], row["by_"]) == mine:
                return int(row["id"])
        if not order.watch and len(open_ones) >= MOST_OPEN:
            raise PipelineError("request.conflict", f"{len(open_ones)} fetches are waiting; try again later")
        now = self._clock.now()
        cursor = self._database.execute(
            "INSERT INTO fetches "
            "(peer, study, series, label, entry, options, door, by_, watch, state, at, changed, due)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
            (
                order.peer, order.study, series, order.label, order.entry, json.dumps(dict(order.options)),
                order.door, order.by, order.watch, WAITING, now, now,
            ),
        )  # fmt: skip
        number = int(cursor.lastrowid or 0)
        self._database.execute(
            "DELETE FROM fetches WHERE state IN (?, ?, ?) AND id <= ?", (*ENDED, number - KEPT_ENDED)
        )
        return number

    def get(self, number: int) -> Fetch | None:
        """One row."""
        row = self._database.row("SELECT * FROM fetches WHERE id = ?", (number,))
        return None if row is None else _fetch(row)

    def state(self, number: int) -> str | None:
        """The state of a row, None where there is none."""
        row = self._database.row("SELECT state FROM fetches WHERE id = ?", (number,))
        return None if row is None else str(row["state"])

    def open(self) -> List[Fetch]:
        """What has not ended, the oldest first."""
        rows = self._database.rows(
            "SELECT * FROM fetches WHERE state IN (?, ?) ORDER BY id", (WAITING, RUNNING)
        )
        return [_fetch(row) for row in rows]

    def list(self, limit: int = 200, door: str = "", by: str | None = None) -> List[Fetch]:
        """The newest first; with ``by`` only what that one asked for by ``door``."""
        where, values = ("1", ()) if by is None else ("door = ? AND by_ = ?", (door, by))
        rows = self._database.rows(
            f"SELECT * FROM fetches WHERE {where} ORDER BY id DESC LIMIT ?", (*values, limit)
        )
        return [_fetch(row) for row in rows]

    def due(self) -> List[Fetch]:
        """What waits and may be tried now, the oldest first."""
        rows = self._database.rows(
            "SELECT * FROM fetches WHERE state = ? AND due <= ? ORDER BY id", (WAITING, self._clock.now())
        )
        return [_fetch(row) for row in rows]

    def counts(self) -> dict[tuple[str, str], int]:
        """How many are in each state, by (peer, state)."""
        rows = self._database.rows("SELECT peer, state, COUNT(*) AS n FROM fetches GROUP BY peer, state")
        return {(row["peer"], row["state"]): int(row["n"]) for row in rows}

    def set(self, number: int, durable: bool = True, **values: object) -> None:
        """Change columns of a row that has not ended; ``jobs`` is a list of ids."""
        if "jobs" in values:
            values["jobs"] = json.dumps(values["jobs"])
        values["changed"] = self._clock.now()
        columns = ", ".join(f"{name} = ?" for name in values)
        with self._database.transaction(durable):
            self._database.execute(
                f"UPDATE fetches SET {columns} WHERE id = ? AND state NOT IN (?, ?, ?)",
                (*values.values(), number, *ENDED),
            )

    def restart(self, waits: Sequence[float]) -> None:
        """What ran when the process ended waits again: not at all the first time, since then for the
        ``waits`` of its tries in seconds, because it may be what ended the process."""
        now = self._clock.now()
        with self._database.transaction():
            for row in self._database.rows("SELECT id, tries FROM fetches WHERE state = ?", (RUNNING,)):
                again = row["tries"] - 2
                due = now + waits[min(again, len(waits) - 1)] if again >= 0 else now
                self._database.execute(
                    "UPDATE fetches SET state = ?, due = ? WHERE id = ?", (WAITING, due, row["id"])
                )


def _fetch(row: sqlite3.Row) -> Fetch:
    values = dict(row)
    order = Order(
        values["peer"], values["study"], tuple(json.loads(values["series"])), values["label"],
        values["entry"], json.loads(values["options"]), values["door"], values["by_"], values["watch"],
    )  # fmt: skip
    names = ("id", "state", "at", "changed", "done", "total", "tries", "due", "note")
    return Fetch(
        order=order, jobs=tuple(json.loads(values["jobs"])), **{name: values[name] for name in names}
    )
