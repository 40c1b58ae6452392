"""``state/dicom.sqlite``: what was received, asked and sent. The dicom child writes it, all read it."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Mapping

from ..clock import Clock, SystemClock
from ..home import Home
from ..store.database import Database
from .alarms import Alarms
from .asks import Asks
from .fetches import Fetches
from .peer_states import PeerStates
from .received import Received
from .refusals import Refusals
from .schema import MIGRATIONS
from .sends import Sends
from .sent_uids import SentUids
from .verdicts import Verdicts
from .watched import Watched

FILE = "dicom.sqlite"
_RECEIVER = "receiver"  # key of a note


class PacsStore:
    """Every table, each behind a small class of its own. One connection, used from one thread."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        self._database = Database(path, MIGRATIONS)
        if sys.platform != "win32":
            path.chmod(0o600)
        self.asks = Asks(self._database, clock)
        self.refusals = Refusals(self._database, clock)
        self.peers = PeerStates(self._database, clock)
        self.received = Received(self._database)
        self.verdicts = Verdicts(self._database, clock)
        self.sent_uids = SentUids(self._database, clock)
        self.alarms = Alarms(self._database, clock)
        self.sends = Sends(self._database, clock, self.sent_uids, self.alarms)
        self.fetches = Fetches(self._database, clock)
        self.watched = Watched(self._database, clock, self.fetches)

    @classmethod
    def of(cls, home: Home, clock: Clock | None = None) -> PacsStore:
        """That of a home; the file is made where it is missing."""
        return cls(home.state / FILE, clock)

    def transaction(self) -> AbstractContextManager[None]:
        """Several changes, all or nothing."""
        return self._database.transaction()

    def note(self, key: str) -> str | None:
        """What the dicom child noted for itself under ``key``."""
        row = self._database.row("SELECT value FROM meta WHERE key = ?", (key,))
        return None if row is None else str(row["value"])

    def set_note(self, key: str, value: str) -> None:
        """Note it."""
        with self._database.transaction():
            self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def listening(self) -> dict[str, object]:
        """Where the receiver listens: ``title``, ``host``, ``port``, ``error``; empty before it has begun."""
        return dict(json.loads(self.note(_RECEIVER) or "{}"))

    def set_listening(self, note: Mapping[str, object]) -> None:
        """Note it."""
        self.set_note(_RECEIVER, json.dumps(note))

    def data_version(self) -> int:
        """Changes when another connection wrote."""
        return self._database.data_version()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def exists(home: Home) -> bool:
    """Whether a dicom child has ever run here; nothing is made by asking."""
    return (home.state / FILE).exists()
