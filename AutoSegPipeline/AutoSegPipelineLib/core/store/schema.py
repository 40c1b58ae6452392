"""Tables and their migrations. SQL of SQLite 3.30 only: Slicer 5.6 to 5.10 ship that.

The columns of ``jobs`` come from :data:`~..job.FIELDS`: those of the first version from the fields
with ``since`` 0, each later one from the migration that its ``since`` names.
"""

from __future__ import annotations

from typing import Iterable, Sequence

from ..job import FIELDS, JobField

# WRITTEN[n] brings user_version n to n + 1, besides the columns of jobs. A landed one is never changed.
WRITTEN: tuple[str, ...] = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    INSERT INTO meta VALUES ('revision', '0');
    CREATE TABLE jobs ({columns});
    CREATE INDEX jobs_by_state ON jobs (state, queued_at);
    CREATE INDEX jobs_by_revision ON jobs (revision);
    CREATE INDEX jobs_by_series ON jobs (series_key) WHERE series_key IS NOT NULL;
    CREATE INDEX jobs_by_parent ON jobs (parent) WHERE parent IS NOT NULL;
    CREATE TABLE tombstones (id TEXT PRIMARY KEY, revision INTEGER NOT NULL);
    CREATE TABLE requests (
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, job TEXT, args TEXT NOT NULL,
        "by" TEXT NOT NULL, at TEXT NOT NULL, answer TEXT
    );
    CREATE INDEX requests_open ON requests (id) WHERE answer IS NULL;
    CREATE TABLE stems (key TEXT PRIMARY KEY, stem TEXT NOT NULL, job TEXT NOT NULL);
    CREATE TABLE ledger (
        path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
        hash TEXT NOT NULL, job TEXT NOT NULL, at TEXT NOT NULL
    );
    CREATE TABLE cache (
        key TEXT NOT NULL, scope TEXT NOT NULL, job TEXT NOT NULL, file TEXT NOT NULL,
        size INTEGER NOT NULL, used_at REAL NOT NULL, PRIMARY KEY (key, scope)
    );
    CREATE TABLE timings (
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, voxels INTEGER NOT NULL,
        seconds REAL NOT NULL, at TEXT NOT NULL
    );
    CREATE INDEX timings_by_kind ON timings (kind, id);
    """,
    "",
    "",
    "",
    # Everything that a list filters, counts and sorts by: it is answered without reading rows.
    """
    CREATE INDEX jobs_by_words ON jobs (
        state, label, name, submitted_by, door, id, visible_to, priority, queued_at
    );
    CREATE INDEX jobs_published ON jobs (label, name, submitted_by, door, id, visible_to, state)
        WHERE outputs != '[]';
    """,
    # Whose turn it is, without reading rows.
    """
    CREATE INDEX jobs_queued ON jobs (not_before, priority, queued_at, id, state) WHERE state = 'queued';
    """,
)


def migrations(fields: Sequence[JobField] = FIELDS, written: Sequence[str] = WRITTEN) -> tuple[str, ...]:
    """The SQL of each step: what is written above and the columns of ``fields``."""
    steps = max(len(written), 1 + max(field.since for field in fields))
    found = []
    for number in range(steps):
        sql = written[number] if number < len(written) else ""
        columns = [field for field in fields if field.since == number]
        if number == 0:
            sql = sql.replace("{columns}", ", ".join(field.column for field in columns))
        else:
            sql += _added(columns)
        found.append(sql)
    return tuple(found)


def _added(columns: Iterable[JobField]) -> str:
    return "".join(f"ALTER TABLE jobs ADD COLUMN {field.added_column};\n" for field in columns)


MIGRATIONS: tuple[str, ...] = migrations()
VERSION = len(MIGRATIONS)
