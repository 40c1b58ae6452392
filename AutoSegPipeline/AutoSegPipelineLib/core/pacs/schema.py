"""Tables of ``state/dicom.sqlite``. SQL of SQLite 3.30 only."""

from __future__ import annotations

# MIGRATIONS[n] brings user_version n to n + 1. A released one is never changed. Times are seconds since 1970.
# The dicom child is the only writer, except of new rows in `asks`.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE asks (
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, args TEXT NOT NULL, "by" TEXT NOT NULL,
        at REAL NOT NULL, answer TEXT
    );
    CREATE INDEX asks_open ON asks (id) WHERE answer IS NULL;
    CREATE TABLE refusals (
        title TEXT NOT NULL, called TEXT NOT NULL, address TEXT NOT NULL, certificate TEXT NOT NULL,
        reason TEXT NOT NULL, count INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL,
        PRIMARY KEY (title, called, address, certificate, reason)
    );
    CREATE TABLE peers (
        name TEXT PRIMARY KEY, echo REAL, echo_ok INTEGER, echo_note TEXT NOT NULL,
        received REAL, sent REAL
    );
    CREATE TABLE received (
        key TEXT PRIMARY KEY, called TEXT NOT NULL, calling TEXT NOT NULL, address TEXT NOT NULL,
        study TEXT NOT NULL, series TEXT NOT NULL, state TEXT NOT NULL, version INTEGER NOT NULL,
        instances INTEGER NOT NULL, bytes INTEGER NOT NULL, jobs TEXT NOT NULL, note TEXT NOT NULL,
        first REAL NOT NULL, last REAL NOT NULL
    );
    CREATE TABLE verdicts (
        series TEXT NOT NULL, entry TEXT NOT NULL, study TEXT NOT NULL, at REAL NOT NULL, code TEXT NOT NULL,
        reason TEXT NOT NULL, rule TEXT NOT NULL, facts TEXT NOT NULL, PRIMARY KEY (series, entry)
    );
    CREATE INDEX verdicts_by_study ON verdicts (study);
    CREATE INDEX verdicts_by_time ON verdicts (at);
    CREATE TABLE sends (
        id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, peer TEXT NOT NULL, done TEXT NOT NULL,
        "by" TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL, since REAL NOT NULL,
        tries INTEGER NOT NULL, not_before REAL NOT NULL, acknowledged REAL, error TEXT,
        encoding TEXT NOT NULL, compression TEXT NOT NULL, objects TEXT NOT NULL,
        UNIQUE (job, peer)
    );
    CREATE INDEX sends_by_state ON sends (state, peer, not_before);
    CREATE TABLE sent_uids (uid TEXT PRIMARY KEY, job TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE fetches (
        id INTEGER PRIMARY KEY AUTOINCREMENT, peer TEXT NOT NULL, study TEXT NOT NULL, series TEXT NOT NULL,
        label TEXT NOT NULL, entry TEXT NOT NULL, options TEXT NOT NULL, door TEXT NOT NULL,
        by_ TEXT NOT NULL, watch TEXT NOT NULL, state TEXT NOT NULL, at REAL NOT NULL, changed REAL NOT NULL,
        done INTEGER NOT NULL DEFAULT 0, total INTEGER, tries INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL,
        note TEXT NOT NULL DEFAULT '', jobs TEXT NOT NULL DEFAULT '[]'
    );
    CREATE INDEX fetches_open ON fetches (state, due);
    CREATE TABLE watched (
        watch TEXT NOT NULL, study TEXT NOT NULL, first REAL NOT NULL, seen REAL NOT NULL, instances INTEGER,
        fetch INTEGER, PRIMARY KEY (watch, study)
    );
    CREATE TABLE rounds (
        watch TEXT PRIMARY KEY, at REAL NOT NULL, ok INTEGER NOT NULL, note TEXT NOT NULL,
        found INTEGER NOT NULL, waiting INTEGER NOT NULL
    );
    """,
    """
    CREATE TABLE alarms (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, code TEXT NOT NULL, job TEXT NOT NULL,
        peer TEXT NOT NULL, message TEXT NOT NULL
    );
    """,
)
