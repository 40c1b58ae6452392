"""Who stands behind which pseudonym: a file of its own that nobody but this user may read.

A pseudonym or replaced UID follows from the original and the table's secret, so that the same patient,
study and instance get the same one each time, here and in no other table. Whoever has the file can undo
the de-identification; without it nobody can, not even with the program.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import stat
import sys
import uuid
from pathlib import Path
from typing import Mapping

from ...core.clock import Clock, SystemClock, rfc3339
from ...core.files import create_private
from ...core.store.database import Database

FILE = "dicom-identities.sqlite"
PREFIX = "ANON"
_MIGRATIONS = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE patients (pseudonym TEXT PRIMARY KEY, identity TEXT NOT NULL, at TEXT NOT NULL);
    CREATE TABLE studies (
        uid TEXT PRIMARY KEY, original TEXT NOT NULL, pseudonym TEXT NOT NULL, identity TEXT NOT NULL,
        at TEXT NOT NULL
    );
    CREATE TABLE uids (replacement TEXT PRIMARY KEY, original TEXT NOT NULL);
    CREATE TABLE uses (
        id INTEGER PRIMARY KEY, at TEXT NOT NULL, "by" TEXT NOT NULL, what TEXT NOT NULL,
        pseudonym TEXT NOT NULL
    );
    """,
)

Identity = Mapping[str, str]  # DICOM keyword to value


class Pseudonyms:
    """The table; one connection, for one thread. ``prefix`` begins each new pseudonym of a patient."""

    def __init__(self, path: Path, prefix: str = PREFIX, clock: Clock | None = None) -> None:
        _make_private(path)
        self._database = Database(path, _MIGRATIONS)
        self._clock = clock or SystemClock()
        self._prefix = prefix
        with self._database.transaction():
            self._database.execute(
                "INSERT OR IGNORE INTO meta VALUES ('secret', ?)", (secrets.token_hex(32),)
            )
        row = self._database.row("SELECT value FROM meta WHERE key = 'secret'")
        assert row is not None
        self._secret = bytes.fromhex(row["value"])

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    # --- the way out ---------------------------------------------------------------------------

    def pseudonym(self, patient: str) -> str:
        """What stands for a patient; ``patient`` is what tells him from all others."""
        return f"{self._prefix}-{self._keyed('patient', patient).hex()[:12].upper()}"

    def uid(self, original: str) -> str:
        """What stands for a UID (PS3.5 B.2: a UUID as one number below 2.25)."""
        return f"2.25.{uuid.UUID(bytes=self._keyed('uid', original)[:16], version=4).int}"

    def keep(
        self, pseudonym: str, study: str, patient: Identity, identity: Identity, uids: Mapping[str, str]
    ) -> None:
        """Note what is replaced before it leaves; durable when this comes back.

        ``study`` is the original UID, ``uids`` go from replacement to original.
        """
        at = rfc3339(self._clock.now())
        with self._database.transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO patients VALUES (?, ?, ?)", (pseudonym, json.dumps(patient), at)
            )
            if study:
                both = json.dumps({**patient, **identity})
                self._database.execute(
                    "INSERT OR REPLACE INTO studies VALUES (?, ?, ?, ?, ?)",
                    (self.uid(study), study, pseudonym, both, at),
                )
            for replacement, original in uids.items():
                self._database.execute("INSERT OR IGNORE INTO uids VALUES (?, ?)", (replacement, original))

    # --- the way back --------------------------------------------------------------------------

    def patient(self, pseudonym: str) -> dict[str, str] | None:
        """Who stands behind ``pseudonym``, by DICOM keyword."""
        row = self._database.row("SELECT identity FROM patients WHERE pseudonym = ?", (pseudonym,))
        return None if row is None else dict(json.loads(row["identity"]))

    def study(self, uid: str) -> tuple[str, dict[str, str]] | None:
        """The pseudonym and the attributes of the patient and study that a replaced study UID stands for."""
        row = self._database.row("SELECT pseudonym, identity FROM studies WHERE uid = ?", (uid,))
        return None if row is None else (row["pseudonym"], dict(json.loads(row["identity"])))

    def original(self, uid: str) -> str | None:
        """The UID that ``uid`` stands for."""
        row = self._database.row("SELECT original FROM uids WHERE replacement = ?", (uid,))
        return None if row is None else str(row["original"])

    def note_use(self, by: str, what: str, pseudonym: str) -> None:
        """Write down that somebody was shown who stands behind a pseudonym."""
        with self._database.transaction():
            self._database.execute(
                'INSERT INTO uses (at, "by", what, pseudonym) VALUES (?, ?, ?, ?)',
                (rfc3339(self._clock.now()), by, what, pseudonym),
            )

    def uses(self) -> list[dict[str, str]]:
        """Who was shown what, oldest first."""
        rows = self._database.rows('SELECT at, "by", what, pseudonym FROM uses ORDER BY id')
        return [dict(row) for row in rows]

    def _keyed(self, kind: str, text: str) -> bytes:
        return hmac.new(self._secret, f"{kind}\0{text}".encode("utf-8", "replace"), hashlib.sha256).digest()


def _make_private(path: Path) -> None:
    """The file belongs to its user alone, whatever the umask; SQLite gives its journals the same mode."""
    create_private(path)
    # Windows: the home lies in the user's own folder, whose rights the file inherits.
    if sys.platform != "win32" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        path.chmod(0o600)
