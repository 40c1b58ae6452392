"""One connection: opening, migrations with a copy before each, transactions."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from pathlib import Path
from typing import Iterator, Mapping, Sequence, Union

from ..errors import PipelineError
from ..files import fsync_file
from . import schema
from .job_filter import FOLDED, folded

_PROGRAM = "0.1.0"  # the first release that reads the newest schema; named to older ones


Values = Union[Sequence[object], Mapping[str, object]]  # of the marks in a statement, by place or by name


class Database:
    """A durable SQLite file (WAL, synchronous FULL) with one writer at a time.

    Raises ``store.newer`` for a store of a later program and ``store.damaged``
    for a file that is none.
    """

    def __init__(self, path: Path, migrations: Sequence[str] = schema.MIGRATIONS) -> None:
        self.path = path
        if not path.exists():
            _create(path, migrations)
        try:
            self._connection = sqlite3.connect(str(path), timeout=30, isolation_level=None)
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.create_function(FOLDED, 1, folded, deterministic=True)
            # What is purged is overwritten, not only unlinked: file names may tell of patients.
            self._connection.execute("PRAGMA secure_delete = ON")
            # The pipeline has its journal written back by a child long before that.
            self._connection.execute("PRAGMA wal_autocheckpoint = 8000")
            self._connection.execute(f"PRAGMA journal_size_limit = {4 << 20}")
            self._migrate(migrations)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            raise PipelineError("store.damaged", f"{path} is no store: {error}") from error
        self._depth = 0

    def close(self) -> None:
        self._connection.close()

    def _migrate(self, migrations: Sequence[str]) -> None:
        version = self._user_version()
        if version > len(migrations):
            raise PipelineError(
                "store.newer",
                f"{self.path} was written by a newer AutoSegPipeline (store {version}, this one "
                f"reads up to {len(migrations)}); it needs version {self._needs()} or later",
            )
        while self._user_version() < len(migrations):
            self._migrate_one(migrations, copy=version > 0)

    def _migrate_one(self, migrations: Sequence[str], copy: bool) -> None:
        number = self._user_version()
        if copy:  # a file that was made a moment ago holds nothing
            self._copy(number)
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have done it while we waited for the lock.
            if self._user_version() == number:
                for statement in _statements(migrations[number]):
                    self._connection.execute(statement)
                self._connection.execute(
                    "INSERT OR REPLACE INTO meta VALUES ('needs_program', ?)", (_PROGRAM,)
                )
                self._connection.execute(f"PRAGMA user_version = {number + 1}")
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise

    def _user_version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    def _needs(self) -> str:
        row = self._connection.execute("SELECT value FROM meta WHERE key = 'needs_program'").fetchone()
        return str(row[0]) if row else "the one that wrote it"

    def _copy(self, version: int) -> None:
        folder = self.path.parent / "backups"
        folder.mkdir(mode=0o700, exist_ok=True)
        target = sqlite3.connect(str(folder / f"{self.path.stem}-{version}.sqlite"))
        try:
            self._connection.backup(target)
        finally:
            target.close()

    @contextlib.contextmanager
    def transaction(self, durable: bool = True) -> Iterator[None]:
        """All or nothing; inside another one it is part of that.

        Without ``durable`` a power cut (never a crash of this process) may undo it until the
        next durable one: for rows that the files beside them would bring back.
        """
        if self._depth:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
            return
        if not durable:
            with self._lazily(), self.transaction():
                yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
        except BaseException:
            self._depth = 0
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._depth = 0
        try:
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk refuses COMMIT and leaves it open
                self._connection.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _lazily(self) -> Iterator[None]:
        self._connection.execute("PRAGMA synchronous = NORMAL")  # of WAL: fsync at checkpoints only
        try:
            yield
        finally:
            self._connection.execute("PRAGMA synchronous = FULL")

    def execute(self, sql: str, values: Values = ()) -> sqlite3.Cursor:
        return self._connection.execute(sql, values)

    def rows(self, sql: str, values: Values = ()) -> list[sqlite3.Row]:
        return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Values = ()) -> sqlite3.Row | None:
        found = self._connection.execute(sql, values).fetchone()
        return found if found is None or isinstance(found, sqlite3.Row) else None

    def scrub(self) -> None:
        """Take what was deleted out of the journal, too, as far as no reader needs it."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def data_version(self) -> int:
        """Changes when another connection has committed."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def next_revision(self) -> int:
        """The revision of the change at hand; call it inside the transaction of the change."""
        if not self._depth:
            raise AssertionError("a revision belongs to a transaction")
        self.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'revision'")
        return self.revision()

    def revision(self) -> int:
        """The revision of the newest change."""
        row = self.row("SELECT value FROM meta WHERE key = 'revision'")
        return int(row[0]) if row else 0


def _create(path: Path, migrations: Sequence[str]) -> None:
    """Make a new store beside its place and put it there complete: one wait for the disk, not one a table.

    Where that is not possible (no hard links), or another process was first, nothing is done:
    opening does the rest.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.new")
    part.unlink(missing_ok=True)
    try:
        connection = sqlite3.connect(str(part), isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = MEMORY")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            for statement in (one for script in migrations for one in _statements(script)):
                connection.execute(statement)
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('needs_program', ?)", (_PROGRAM,))
            connection.execute(f"PRAGMA user_version = {len(migrations)}")
            connection.execute("COMMIT")
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
        fsync_file(part)
        with contextlib.suppress(OSError):
            # Unlike a rename it never replaces what is there.
            os.rename(part, path) if os.name == "nt" else os.link(part, path)
    finally:
        part.unlink(missing_ok=True)


def checkpoint(path: Path) -> None:
    """Bring what stands in the journal of the store into its file, from another process.

    It syncs twice, which would hold the pipeline's loop; nobody has to wait for it.
    """
    connection = sqlite3.connect(str(path), timeout=1, isolation_level=None)
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    finally:
        connection.close()


def _statements(script: str) -> list[str]:
    return [part for part in re.split(r";\s*\n", script) if part.strip()]
