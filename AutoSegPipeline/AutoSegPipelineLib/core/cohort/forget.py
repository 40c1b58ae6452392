"""Taking cases out of the kept table, whether or not somebody shows it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Iterable

from ..store import Store
from .table import VERSION, remove_case

REVISION = "revision"  # the note of how far the table has been filled from the store


def remove_table(path: Path) -> None:
    """Remove the table and what SQLite keeps beside it. Raises OSError."""
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def forget(path: Path, keys: Iterable[str]) -> bool:
    """Take the cases ``keys`` out of the table at ``path``, so that no byte of theirs stays.

    It waits for nobody: False where the table is in use or cannot be written now; see
    :func:`forget_deleted`. A table that cannot be understood is removed. Raises nothing.
    """
    if not path.exists():
        return True
    try:
        with closing(sqlite3.connect(str(path), timeout=0, isolation_level=None)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == VERSION:
                return _remove(connection, keys)
    except sqlite3.OperationalError:
        return False
    except sqlite3.DatabaseError:  # damaged: it will be made again from result files
        pass
    try:
        remove_table(path)
    except OSError:  # Windows, while somebody has it open
        return False
    return True


def _remove(connection: sqlite3.Connection, keys: Iterable[str]) -> bool:
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("BEGIN IMMEDIATE")
    for key in keys:
        remove_case(connection, key)
    connection.execute("COMMIT")
    # The log beside the file still holds what was deleted.
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def forget_deleted(path: Path, store: Store) -> bool:
    """:func:`forget` every case that was deleted from ``store`` since the table was filled."""
    if not path.exists():
        return True
    try:
        with closing(sqlite3.connect(str(path), timeout=0, isolation_level=None)) as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = ?", (REVISION,)).fetchone()
    except sqlite3.OperationalError:
        return False
    except sqlite3.DatabaseError:
        row = None
    return forget(path, store.jobs.deleted(0 if row is None else int(row[0])))
