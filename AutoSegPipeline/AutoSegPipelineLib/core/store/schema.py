"""Tables and their migrations. SQL of SQLite 3.30 only: Slicer 5.6 to 5.10 ship that."""

from __future__ import annotations

# MIGRATIONS[n] brings user_version n to n + 1. A landed one is never changed.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    INSERT INTO meta VALUES ('revision', '0');
    CREATE TABLE jobs (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, label TEXT NOT NULL, input TEXT NOT NULL,
        door TEXT NOT NULL, submitted_by TEXT NOT NULL, state TEXT NOT NULL,
        progress REAL NOT NULL, message TEXT NOT NULL, eta_s REAL, engine TEXT NOT NULL,
        options TEXT NOT NULL, modality TEXT NOT NULL, shape TEXT, spacing TEXT,
        series_key TEXT, version INTEGER NOT NULL, supersedes TEXT, cached_from TEXT,
        priority INTEGER NOT NULL, times TEXT NOT NULL, outputs TEXT NOT NULL,
        warnings TEXT NOT NULL, error TEXT, revision INTEGER NOT NULL, staged TEXT NOT NULL,
        "out" TEXT NOT NULL, attempt INTEGER NOT NULL, vanished INTEGER NOT NULL,
        deaths INTEGER NOT NULL, not_before REAL NOT NULL, queued_at REAL NOT NULL,
        cancel INTEGER NOT NULL, content TEXT NOT NULL, parent TEXT
    );
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
)
VERSION = len(MIGRATIONS)
