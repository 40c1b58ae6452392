"""How each peer was, the last time that somebody looked."""

from __future__ import annotations

from dataclasses import dataclass

from ..clock import Clock
from ..store.database import Database


@dataclass(frozen=True)
class PeerState:
    """Times are seconds since 1970, None where it never happened. ``echo_note`` says what went wrong."""

    name: str
    echo: float | None = None
    echo_ok: bool = False
    echo_note: str = ""
    received: float | None = None
    sent: float | None = None


class PeerStates:
    """The table ``peers``; a row is the name of a peer in ``dicom.json``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def echoed(self, name: str, ok: bool, note: str = "") -> None:
        """Note the answer to a C-ECHO, or to the question for one study over DICOMweb."""
        self._set(name, "echo = ?, echo_ok = ?, echo_note = ?", self._clock.now(), int(ok), note)

    def received(self, name: str) -> None:
        """Note that something came from the peer now."""
        self._set(name, "received = ?", self._clock.now())

    def sent(self, name: str) -> None:
        """Note that the peer took something now."""
        self._set(name, "sent = ?", self._clock.now())

    def list(self) -> list[PeerState]:
        """All rows, by name."""
        return [
            PeerState(
                row["name"], row["echo"], bool(row["echo_ok"]), row["echo_note"], row["received"], row["sent"]
            )
            for row in self._database.rows("SELECT * FROM peers ORDER BY name")
        ]

    def _set(self, name: str, assignment: str, *values: object) -> None:
        with self._database.transaction():
            self._database.execute(
                "INSERT OR IGNORE INTO peers (name, echo_ok, echo_note) VALUES (?, 0, '')", (name,)
            )
            self._database.execute(f"UPDATE peers SET {assignment} WHERE name = ?", (*values, name))
