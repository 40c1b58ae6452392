"""The smaller books: reserved stems, consumed files, kept label maps, learned times, notes."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import unicodedata
from dataclasses import dataclass
from typing import Any, Callable

from ..clock import Clock, rfc3339
from .database import Database

LONGEST_STEM = 80  # characters


class Stems:
    """Names of results. A stem belongs to one job for ever, also after a purge."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(
        self,
        wanted: str,
        job_id: str,
        free: Callable[[str], bool] = lambda stem: True,
        limit: int = LONGEST_STEM,
    ) -> str:
        """``wanted``, or ``wanted-2`` and so on where another job has it or ``free`` says no."""
        with self._database.transaction():
            row = self._database.row("SELECT stem FROM stems WHERE job = ?", (job_id,))
            if row is not None:
                return str(row["stem"])
            number = 1
            while True:
                ending = "" if number == 1 else f"-{number}"
                stem = wanted[: limit - len(ending)] + ending
                if self._database.row("SELECT 1 FROM stems WHERE key = ?", (_key(stem),)) is None and free(
                    stem
                ):
                    self._database.execute("INSERT INTO stems VALUES (?, ?, ?)", (_key(stem), stem, job_id))
                    return stem
                number += 1

    def taken(self, stem: str) -> str | None:
        """The job that has ``stem``, or None."""
        row = self._database.row("SELECT job FROM stems WHERE key = ?", (_key(stem),))
        return None if row is None else str(row["job"])


def _key(stem: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", stem).casefold())


@dataclass(frozen=True)
class Consumed:
    """A file of the inbox that became ``job``."""

    path: str
    size: int
    mtime_ns: int
    hash: str
    job: str


class Ledger:
    """Files already taken, so that one that stays in the inbox is not taken twice."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def note(self, consumed: Consumed) -> None:
        with self._database.transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO ledger VALUES (?, ?, ?, ?, ?, ?)",
                (
                    consumed.path,
                    consumed.size,
                    consumed.mtime_ns,
                    consumed.hash,
                    consumed.job,
                    rfc3339(self._clock.now()),
                ),
            )

    def find(self, path: str) -> Consumed | None:
        row = self._database.row("SELECT * FROM ledger WHERE path IN (?, ?)", (path, _blind(path)))
        if row is None:
            return None
        return Consumed(row["path"], row["size"], row["mtime_ns"], row["hash"], row["job"])

    def all(self) -> list[Consumed]:
        return [
            Consumed(row["path"], row["size"], row["mtime_ns"], row["hash"], row["job"])
            for row in self._database.rows("SELECT * FROM ledger")
        ]

    def forget(self, path: str) -> None:
        with self._database.transaction():
            self._database.execute("DELETE FROM ledger WHERE path IN (?, ?)", (path, _blind(path)))

    def blind(self, job_id: str) -> None:
        """Keep only a hash of the paths that became ``job_id``: a name may tell of the patient."""
        with self._database.transaction():
            for row in self._database.rows("SELECT path FROM ledger WHERE job = ?", (job_id,)):
                self._database.execute(
                    "UPDATE ledger SET path = ?, job = '' WHERE path = ?", (_blind(row["path"]), row["path"])
                )


def _blind(path: str) -> str:
    return "sha256:" + hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Kept:
    """A label map in the cache."""

    key: str
    scope: str
    job: str
    file: str  # name inside state/cache
    size: int


class Cache:
    """Label maps by content, resolved options, engine and versions, within one visibility scope."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def find(self, key: str, scope: str) -> Kept | None:
        """The kept label map, marked as used now."""
        with self._database.transaction():
            row = self._database.row("SELECT * FROM cache WHERE key = ? AND scope = ?", (key, scope))
            if row is None:
                return None
            self._database.execute(
                "UPDATE cache SET used_at = ? WHERE key = ? AND scope = ?", (self._clock.now(), key, scope)
            )
            return _kept(row)

    def keep(self, kept: Kept) -> None:
        with self._database.transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO cache VALUES (?, ?, ?, ?, ?, ?)",
                (kept.key, kept.scope, kept.job, kept.file, kept.size, self._clock.now()),
            )

    def oldest_first(self) -> list[Kept]:
        return [_kept(row) for row in self._database.rows("SELECT * FROM cache ORDER BY used_at")]

    def forget(self, kept: Kept) -> None:
        with self._database.transaction():
            self._database.execute("DELETE FROM cache WHERE key = ? AND scope = ?", (kept.key, kept.scope))


def _kept(row: sqlite3.Row) -> Kept:
    return Kept(row["key"], row["scope"], row["job"], row["file"], row["size"])


class Timings:
    """How long earlier cases took, by kind (engine, task, quality, device)."""

    KEPT = 50

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def note(self, kind: str, voxels: int, seconds: float) -> None:
        with self._database.transaction(durable=False):  # a power cut may take it
            self._database.execute(
                "INSERT INTO timings (kind, voxels, seconds, at) VALUES (?, ?, ?, ?)",
                (kind, voxels, seconds, rfc3339(self._clock.now())),
            )
            self._database.execute(
                "DELETE FROM timings WHERE kind = ? AND id <= "
                "(SELECT id FROM timings WHERE kind = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (kind, kind, self.KEPT),
            )

    def of(self, kind: str) -> list[tuple[int, float]]:
        """(voxels, seconds) of the latest cases, newest first."""
        rows = self._database.rows(
            "SELECT voxels, seconds FROM timings WHERE kind = ? ORDER BY id DESC LIMIT ?", (kind, self.KEPT)
        )
        return [(int(row["voxels"]), float(row["seconds"])) for row in rows]


class Meta:
    """Notes by key, as JSON: who runs, why it is paused, what the engines offer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str, default: object = None) -> Any:
        row = self._database.row("SELECT value FROM meta WHERE key = ?", ("note." + key,))
        return default if row is None else json.loads(row["value"])

    def set(self, key: str, value: object) -> None:
        """Write the note; readers that follow by revision see it."""
        with self._database.transaction():
            self._database.next_revision()
            self._database.execute(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)", ("note." + key, json.dumps(value))
            )
