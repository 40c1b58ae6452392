"""The table over all cases as a SQLite file: derived from result files, so that it may be thrown away.

One connection, used by one thread at a time. What is usual in the cohort is computed for each scope on its
own: an outlier among what one may see, never among what one may not.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Iterator, Mapping, Sequence

from ..errors import PipelineError
from ..specs import did_you_mean
from ..store.scope import EVERYTHING, Scope
from .columns import BY_NAME, COLUMNS, NAMES, Cell
from .norms import norm_of
from .read_case import CaseRows, StructureRow

VERSION = 1
_STRUCTURE = StructureRow._fields
_SCHEMA = f"""
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE cases (
        number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, stamp TEXT NOT NULL, id TEXT NOT NULL,
        name TEXT NOT NULL, label TEXT NOT NULL, modality TEXT NOT NULL, sides TEXT NOT NULL,
        created TEXT NOT NULL, door TEXT NOT NULL DEFAULT '', submitted_by TEXT NOT NULL DEFAULT '',
        visible_to TEXT NOT NULL DEFAULT '[]', mark TEXT NOT NULL DEFAULT '', remark TEXT NOT NULL DEFAULT '',
        reviewed_by TEXT NOT NULL DEFAULT '', outdated INTEGER
    );
    CREATE TABLE structures (number INTEGER NOT NULL, {", ".join(_STRUCTURE)});
    CREATE INDEX structures_by_case ON structures (number);
    CREATE INDEX structures_by_name ON structures (structure);
"""
_NORMS = """
    CREATE TEMP TABLE norms (
        scope TEXT, structure TEXT, modality TEXT, volume_n INTEGER, volume_median REAL, volume_scale REAL,
        mean_median REAL, mean_scale REAL, PRIMARY KEY (scope, structure, modality)
    ) WITHOUT ROWID
"""
_FROM = (
    "FROM structures s JOIN cases c ON c.number = s.number LEFT JOIN norms n "
    "ON n.scope = ? AND n.structure = s.structure AND n.modality = c.modality"
)
FLAGS: dict[str, str] = {
    "border": "s.touches_border",
    "absent": "s.absent",
    "side": "c.sides IN ('swapped', 'unverified')",
    "outlier": BY_NAME["outlier"].sql,
}
REVIEWS: dict[str, str] = {"good": "c.mark = 'good'", "bad": "c.mark = 'bad'", "none": "c.mark = ''"}


@dataclass(frozen=True)
class About:
    """What the job's row adds to the files of a case."""

    door: str = ""
    submitted_by: str = ""
    visible_to: str = "[]"
    mark: str = ""
    remark: str = ""
    reviewed_by: str = ""
    outdated: bool | None = None


@dataclass(frozen=True)
class Query:
    """Which rows, in which order; empty texts do not filter. ``flag`` and ``review``: see above."""

    sort: str = ""
    descending: bool = False
    search: str = ""
    structure: str = ""
    flag: str = ""
    review: str = ""

    def __post_init__(self) -> None:
        for what, value, known in (
            ("column", self.sort, NAMES), ("flag", self.flag, FLAGS), ("review", self.review, REVIEWS),
        ):  # fmt: skip
            if value and value not in known:
                hint = did_you_mean(value, tuple(known))
                raise PipelineError("request.invalid", f"there is no {what} {value!r}{hint}")


def remove_case(connection: sqlite3.Connection, key: str) -> bool:
    """Delete the rows of a case; whether there were any."""
    where = "(SELECT number FROM cases WHERE key = ?)"
    connection.execute(f"DELETE FROM structures WHERE number IN {where}", (key,))
    return connection.execute("DELETE FROM cases WHERE key = ?", (key,)).rowcount > 0


class Cohort:
    """Cases by key: the manifest's name in a folder, the job's id in a home."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(
            str(path), timeout=30, isolation_level=None, check_same_thread=False
        )
        for pragma in (
            "journal_mode = WAL",
            "synchronous = NORMAL",  # with WAL no power cut can damage it
            "temp_store = MEMORY",
            "secure_delete = ON",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            self._create()
        self._connection.executescript(_NORMS)
        self._other_cases = False  # since what is usual was computed
        self._changes = self._changes_by_others()

    def _create(self) -> None:
        tables = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in tables:
            self._connection.execute(f'DROP TABLE "{name}"')
        self._connection.executescript(_SCHEMA)
        self._connection.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        self._connection.close()

    # --- filling ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def filling(self) -> Iterator[None]:
        """What is changed meanwhile is in force at the end, all at once, or not at all after an exception.

        Nobody else writes from the beginning on, so that a purge is either seen here or waits.
        """
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        changes = self._changes_by_others()
        if self._other_cases or changes != self._changes:
            self._connection.execute("DELETE FROM norms")
        self._other_cases, self._changes = False, changes

    def _changes_by_others(self) -> int:
        """Another number after another connection has changed the table, as a purge does."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def meta(self, key: str) -> str:
        """A note on how far the table has been filled; empty for none."""
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return "" if row is None else str(row[0])

    def note(self, key: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def stamps(self) -> dict[str, str]:
        """Of each case that is in the table."""
        return dict(self._connection.execute("SELECT key, stamp FROM cases"))

    def put(self, key: str, stamp: str, case: CaseRows, about: About = About()) -> None:
        """Take in a case, in place of an earlier one of this key."""
        self.remove(key)
        self._other_cases = True
        cursor = self._connection.execute(
            "INSERT INTO cases (key, stamp, id, name, label, modality, sides, created) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (key, stamp, case.job, case.name, case.label, case.modality, case.sides, case.created),
        )
        marks = ", ".join("?" * (len(_STRUCTURE) + 1))
        rows = ((cursor.lastrowid, *row) for row in case.structures)
        self._connection.executemany(f"INSERT INTO structures VALUES ({marks})", rows)
        self.describe(key, about)

    def describe(self, key: str, about: About) -> None:
        """Say what is new of a case whose files are the same."""
        values = asdict(about)
        seen = "door = :door AND submitted_by = :submitted_by AND visible_to = :visible_to"
        same = f"SELECT 1 FROM cases WHERE key = :key AND {seen}"
        if not self._connection.execute(same, {**values, "key": key}).fetchone():
            self._other_cases = True  # others see it now
        sets = ", ".join(f"{name} = :{name}" for name in values)
        self._connection.execute(f"UPDATE cases SET {sets} WHERE key = :key", {**values, "key": key})

    def remove(self, key: str) -> None:
        """Take a case out; one that is not there is fine."""
        self._other_cases = remove_case(self._connection, key) or self._other_cases

    # --- reading ------------------------------------------------------------------------------------

    def count_cases(self, scope: Scope = EVERYTHING) -> int:
        seen, values = scope.where()
        return int(self._connection.execute(f"SELECT COUNT(*) FROM cases WHERE {seen}", values).fetchone()[0])

    def keys(self, scope: Scope = EVERYTHING) -> list[str]:
        """Of every case in ``scope``."""
        seen, values = scope.where()
        found = self._connection.execute(f"SELECT key FROM cases WHERE {seen} ORDER BY number", values)
        return [str(key) for (key,) in found]

    def structures(self, scope: Scope = EVERYTHING) -> list[str]:
        """Names of all structures, for a filter."""
        seen, values = scope.where()
        sql = (
            "SELECT DISTINCT structure FROM structures s JOIN cases c ON c.number = s.number "
            f"WHERE {seen} ORDER BY structure"
        )
        return [str(name) for (name,) in self._connection.execute(sql, values)]

    def count(self, query: Query, scope: Scope = EVERYTHING) -> int:
        """How many rows ``query`` has."""
        where, values = self._where(query, scope)
        return int(self._connection.execute(f"SELECT COUNT(*) {_FROM} WHERE {where}", values).fetchone()[0])

    def rows(
        self, query: Query, scope: Scope = EVERYTHING, limit: int = -1, offset: int = 0
    ) -> Iterator[tuple[Cell, ...]]:
        """Rows with the values of :data:`.columns.COLUMNS`; empty cells last. Flags are 0, 1 or None."""
        where, values = self._where(query, scope)
        order = "c.number, s.rowid"
        if query.sort:
            sql = BY_NAME[query.sort].sql
            order = f"({sql}) IS NULL, ({sql}) {'DESC' if query.descending else 'ASC'}, {order}"
        columns = ", ".join(column.sql for column in COLUMNS)
        sql = f"SELECT {columns} {_FROM} WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"
        yield from self._connection.execute(sql, (*values, limit, offset))

    def _where(self, query: Query, scope: Scope) -> tuple[str, list[object]]:
        """The condition and its values, with what is usual in ``scope`` at hand."""
        name = self._norms(scope)
        seen, values = scope.where()
        parts, all_values = [seen], [name, *values]
        if query.search:
            parts.append("instr(lower(c.name || ' ' || c.label || ' ' || s.structure), lower(?)) > 0")
            all_values.append(query.search)
        if query.structure:
            parts.append("s.structure = ?")
            all_values.append(query.structure)
        if query.flag:
            parts.append(FLAGS[query.flag])
        if query.review:
            parts.append(REVIEWS[query.review])
        return " AND ".join(parts), all_values

    def _norms(self, scope: Scope) -> str:
        """Compute what is usual in ``scope`` unless that is known; the name under which it is kept."""
        name = json.dumps([scope.owner, scope.jobs])
        if self._connection.execute("SELECT 1 FROM norms WHERE scope = ? LIMIT 1", (name,)).fetchone():
            return name
        seen, values = scope.where()
        sql = (
            "SELECT s.structure, c.modality, s.volume_ml, CASE WHEN s.unit = 'HU' THEN s.mean END "
            f"FROM structures s JOIN cases c ON c.number = s.number WHERE NOT s.absent AND {seen} "
            "ORDER BY s.structure, c.modality"
        )
        found = []
        for key, group in itertools.groupby(self._connection.execute(sql, values), lambda row: row[:2]):
            rows = list(group)
            volume = norm_of([row[2] for row in rows if row[2] is not None])
            mean = norm_of([row[3] for row in rows if row[3] is not None])
            found.append((name, *key, volume.n, volume.median, volume.scale, mean.median, mean.scale))
        self._connection.executemany("INSERT INTO norms VALUES (?, ?, ?, ?, ?, ?, ?, ?)", found)
        return name


def as_document(row: Sequence[Cell]) -> Mapping[str, Cell]:
    """A row as JSON shows it: by column name, flags true, false or null."""
    return {
        column.name: bool(value) if column.kind == "flag" and value is not None else value
        for column, value in zip(COLUMNS, row)
    }
