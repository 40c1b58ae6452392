"""What goes to which peer: kept until the peer has acknowledged it, or until it is given up."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from typing import List, Mapping, Sequence

from ..clock import Clock
from ..errors import PipelineError
from ..store.database import Database
from .alarms import Alarms
from .sent_uids import SentUids

WAITING, SENDING, SENT, FAILED = "waiting", "sending", "sent", "failed"
STATES = (WAITING, SENDING, SENT, FAILED)


@dataclass(frozen=True)
class SentObject:
    """One object of a send; ``file`` is its name in the folder of the send, the others are UIDs."""

    kind: str
    file: str
    sop_class: str
    sop_instance: str
    series: str
    transfer_syntax: str


@dataclass(frozen=True)
class Send:
    """The results of one job for one peer.

    ``done`` is when the job became done: a retried job is sent again. ``since`` is when it was last asked
    for, ``acknowledged`` when the peer last had all of it; seconds since 1970. ``encoding`` and
    ``compression`` of the segmentation stay once they are decided, ``objects`` once they are built.
    """

    id: int
    job: str
    peer: str
    done: str
    by: str
    state: str
    created: float
    since: float
    tries: int
    not_before: float
    acknowledged: float | None
    error: dict[str, str] | None
    encoding: str
    compression: str
    objects: list[SentObject] = field(default_factory=list)

    @property
    def waits(self) -> bool:
        """Whether it will be tried by itself."""
        return self.state in (WAITING, SENDING)

    def to_dict(self) -> dict[str, object]:
        """For programs; nothing of it names a patient."""
        return {**vars(self), "objects": [vars(one) for one in self.objects]}


class Sends:
    """The table ``sends``, a row for each job and peer. The dicom child is its only writer."""

    def __init__(self, database: Database, clock: Clock, sent_uids: SentUids, alarms: Alarms) -> None:
        self._database = database
        self._clock = clock
        self._uids = sent_uids
        self._alarms = alarms

    # --- rows begin -------------------------------------------------------------------

    def want(self, job: str, peer: str, done: str, by: str = "") -> int:
        """A send of ``job`` as of ``done``; its number. One that is known for this ``done`` is left alone."""
        found = self.of(job, peer)
        if found is not None and found.done == done:
            return found.id
        return self.want_again(job, peer, done, by)

    def want_again(self, job: str, peer: str, done: str, by: str = "") -> int:
        """The same, sent whatever became of it before; what is sent again has its UIDs again."""
        now = self._clock.now()
        with self._database.transaction():
            found = self.of(job, peer)
            if found is None:
                cursor = self._database.execute(
                    'INSERT INTO sends (job, peer, done, "by", state, created, since, tries, not_before, '
                    "encoding, compression, objects) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, '', '', '[]')",
                    (job, peer, done, by, WAITING, now, now),
                )
                return int(cursor.lastrowid or 0)
            kept = found.objects if found.done == done else []
            self._set(
                found.id, state=SENDING if found.state == SENDING else WAITING, since=now, tries=0,
                not_before=0.0, error=None, done=done, objects=_text(kept), by=by or found.by,
            )  # fmt: skip
            return found.id

    # --- rows go on -------------------------------------------------------------------

    def begin_again(self, peer: str = "") -> None:
        """Nobody is sending any more, to ``peer`` or at all: what was being sent waits again."""
        with self._database.transaction():
            self._database.execute(
                "UPDATE sends SET state = ? WHERE state = ? AND (peer = ? OR ? = '')",
                (WAITING, SENDING, peer, peer),
            )

    def due_peers(self) -> List[str]:
        """Peers for which something could be tried now."""
        sql = "SELECT DISTINCT peer FROM sends WHERE state = ? AND not_before <= ?"
        return [row["peer"] for row in self._database.rows(sql, (WAITING, self._clock.now()))]

    def take(self, peer: str) -> Send | None:
        """The next one to try for ``peer``, the least tried first; from now on it is being sent."""
        with self._database.transaction():
            row = self._database.row(
                "SELECT id FROM sends WHERE peer = ? AND state = ? AND not_before <= ? "
                "ORDER BY tries, id LIMIT 1",
                (peer, WAITING, self._clock.now()),
            )
            if row is None:
                return None
            self._set(row["id"], state=SENDING)
        return self.get(row["id"])

    def encode(self, number: int, encoding: str, compression: str) -> None:
        """Decide how the segmentation is encoded; what was built otherwise is built again."""
        self._set(number, encoding=encoding, compression=compression, objects="[]")

    def built(self, send: Send, objects: Sequence[SentObject]) -> None:
        """Note the objects and, before any of them leaves, that they are ours."""
        with self._database.transaction():
            for one in objects:
                self._uids.note(send.job, one.sop_instance, one.series)
            self._set(send.id, objects=_text(objects))

    def sent(self, send: Send) -> None:
        """The peer has acknowledged every object; others that wait for it are tried at once."""
        with self._database.transaction():
            self._end(send, SENT, None)
            self._set(send.id, acknowledged=self._clock.now())
            self._database.execute(
                "UPDATE sends SET not_before = 0 WHERE peer = ? AND state = ? AND error LIKE ?",
                (send.peer, WAITING, '%"pacs.peer_away"%'),
            )

    def postpone(self, send: Send, error: PipelineError, seconds: float) -> None:
        """It did not work; it is tried again after ``seconds``."""
        self._set(
            send.id, state=WAITING, tries=send.tries + 1, not_before=self._clock.now() + seconds,
            error=json.dumps(error.to_dict()),
        )  # fmt: skip

    def postpone_peer(self, peer: str, seconds: float, error: PipelineError) -> None:
        """Nothing else is tried at a peer that is away; ``error`` is what is said of those that wait."""
        with self._database.transaction():
            self._database.execute(
                "UPDATE sends SET not_before = MAX(not_before, ?), error = ? WHERE peer = ? AND state = ?",
                (self._clock.now() + seconds, json.dumps(error.to_dict()), peer, WAITING),
            )

    def wait(self, number: int, seconds: float) -> None:
        """Look at it again after ``seconds``; nothing went wrong."""
        self._set(number, state=WAITING, not_before=self._clock.now() + seconds)

    def fail(self, send: Send, error: PipelineError) -> bool:
        """It is tried no more until somebody asks: an alarm. False: there is a newer result, which is."""
        with self._database.transaction():
            ended = self._end(send, FAILED, json.dumps(error.to_dict()))
            if ended:
                text = f"the results of {send.job} were not sent to {send.peer}: {error.message}"
                self._alarms.add(error.code, send.job, send.peer, text)
        return ended

    def _end(self, send: Send, state: str, error: str | None) -> bool:
        """The end of a try; a job that became done again meanwhile waits for the next one (False)."""
        found = self.get(send.id)
        if found is None:
            return False
        same = found.done == send.done
        self._set(send.id, state=state if same else WAITING, error=error)
        return same

    def forget(self, job: str) -> List[int]:
        """Remove what a purged job leaves; the numbers of its sends. That its UIDs are ours stays known."""
        with self._database.transaction():
            numbers = [
                int(row["id"]) for row in self._database.rows("SELECT id FROM sends WHERE job = ?", (job,))
            ]
            self._database.execute("DELETE FROM sends WHERE job = ?", (job,))
        return numbers

    # --- reading: everybody -----------------------------------------------------------

    def get(self, number: int) -> Send | None:
        """The row, or None."""
        row = self._database.row("SELECT * FROM sends WHERE id = ?", (number,))
        return None if row is None else _send(row)

    def of(self, job: str, peer: str) -> Send | None:
        """The row of a job and peer, or None."""
        row = self._database.row("SELECT * FROM sends WHERE job = ? AND peer = ?", (job, peer))
        return None if row is None else _send(row)

    def list(self, states: Sequence[str] = STATES, job: str = "", limit: int = 1000) -> List[Send]:
        """Rows, the newest first."""
        marks = ", ".join("?" for _ in states)
        where, values = (" AND job = ?", [job]) if job else ("", [])
        sql = f"SELECT * FROM sends WHERE state IN ({marks}){where} ORDER BY id DESC LIMIT ?"
        return [_send(row) for row in self._database.rows(sql, (*states, *values, limit))]

    def waiting(self) -> List[Send]:
        """All that wait, oldest first."""
        sql = "SELECT * FROM sends WHERE state = ? ORDER BY id"
        return [_send(row) for row in self._database.rows(sql, (WAITING,))]

    def counts(self) -> dict[str, dict[str, int]]:
        """How many rows of each peer are in each state; every state is a key."""
        found: dict[str, dict[str, int]] = {}
        for row in self._database.rows("SELECT peer, state, COUNT(*) AS n FROM sends GROUP BY peer, state"):
            found.setdefault(row["peer"], dict.fromkeys(STATES, 0))[row["state"]] = int(row["n"])
        return found

    def _set(self, number: int, **values: object) -> None:
        names = ", ".join(f'"{name}" = ?' for name in values)
        with self._database.transaction():
            self._database.execute(f"UPDATE sends SET {names} WHERE id = ?", (*values.values(), number))


def _text(objects: Sequence[SentObject]) -> str:
    return json.dumps([vars(one) for one in objects])


def _send(row: sqlite3.Row) -> Send:
    values: Mapping[str, object] = dict(row)
    error = row["error"]
    decoded = {
        "error": None if error is None else json.loads(error),
        "objects": [SentObject(**one) for one in json.loads(row["objects"])],
    }
    return Send(**{**values, **decoded})  # type: ignore[arg-type]
