"""Tables of ``state/accounts.sqlite``. SQL of SQLite 3.30 only."""

from __future__ import annotations

# MIGRATIONS[n] brings user_version n to n + 1. A landed one is never changed.
# Times are seconds since 1970. Of a session, token or link only the SHA-256 is here.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE users (
        name TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, role TEXT NOT NULL, password TEXT NOT NULL,
        disabled INTEGER NOT NULL, created REAL NOT NULL, last_login REAL
    );
    CREATE TABLE sessions (
        hash TEXT PRIMARY KEY, user TEXT NOT NULL, created REAL NOT NULL, used REAL NOT NULL,
        address TEXT NOT NULL
    );
    CREATE INDEX sessions_by_user ON sessions (user);
    CREATE TABLE tokens (
        id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, user TEXT NOT NULL, label TEXT NOT NULL,
        role TEXT NOT NULL, created REAL NOT NULL, expires REAL NOT NULL, used REAL, revoked REAL
    );
    CREATE INDEX tokens_by_user ON tokens (user);
    CREATE TABLE links (
        id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, job TEXT NOT NULL, user TEXT NOT NULL,
        note TEXT NOT NULL, created REAL NOT NULL, expires REAL NOT NULL, used REAL, revoked REAL
    );
    CREATE INDEX links_by_user ON links (user);
    CREATE TABLE failures (key TEXT PRIMARY KEY, count INTEGER NOT NULL, last REAL NOT NULL);
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, who TEXT NOT NULL, via TEXT NOT NULL,
        address TEXT NOT NULL, what TEXT NOT NULL, job TEXT NOT NULL, detail TEXT NOT NULL,
        ok INTEGER NOT NULL
    );
    CREATE INDEX audit_by_job ON audit (job) WHERE job != '';
    CREATE INDEX audit_by_who ON audit (who);
    """,
    """
    CREATE TABLE refused_callers (
        key TEXT PRIMARY KEY, first REAL NOT NULL, count INTEGER NOT NULL, at REAL NOT NULL
    ) WITHOUT ROWID;
    """,
    # Whoever waits for events hears at once that somebody's login, token or link has ended, whichever
    # process ended it. Links made before showed names without having asked.
    """
    ALTER TABLE links ADD COLUMN names INTEGER NOT NULL DEFAULT 0;
    INSERT INTO meta VALUES ('ends', '0');
    CREATE TRIGGER session_ends AFTER DELETE ON sessions BEGIN
        UPDATE meta SET value = value + 1 WHERE key = 'ends'; END;
    CREATE TRIGGER user_changes AFTER UPDATE OF role, disabled ON users BEGIN
        UPDATE meta SET value = value + 1 WHERE key = 'ends'; END;
    CREATE TRIGGER token_ends AFTER UPDATE OF revoked ON tokens BEGIN
        UPDATE meta SET value = value + 1 WHERE key = 'ends'; END;
    CREATE TRIGGER link_ends AFTER UPDATE OF revoked ON links BEGIN
        UPDATE meta SET value = value + 1 WHERE key = 'ends'; END;
    """,
    # `proved`: when its owner last showed who it is. `agent`: what the browser calls itself.
    """
    ALTER TABLE sessions ADD COLUMN proved REAL NOT NULL DEFAULT 0;
    ALTER TABLE sessions ADD COLUMN agent TEXT NOT NULL DEFAULT '';
    CREATE TABLE second_factors (
        user TEXT PRIMARY KEY, secret TEXT NOT NULL, created REAL NOT NULL, confirmed REAL,
        last_step INTEGER NOT NULL
    );
    CREATE TABLE recovery_codes (
        user TEXT NOT NULL, hash TEXT NOT NULL, used REAL, PRIMARY KEY (user, hash)
    );
    CREATE TABLE identities (
        issuer TEXT NOT NULL, subject TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (issuer, subject)
    );
    """,
)
