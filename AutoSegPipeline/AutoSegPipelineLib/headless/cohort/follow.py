"""Keeps the record of a run over a folder of scans while the batch goes on, and says how far it is."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Callable, Sequence

from ...core import states
from ...core.cohort.run_record import BEGUN, Entry, Record, RecordWriter, content_of
from ...core.job import Job
from .plan import Facts
from .units import Unit

_EVERY_SECONDS = 60.0


@dataclass
class RecordKeeper:
    """The follower of a batch whose inputs are ``todo``; ``say`` shows a line to people."""

    todo: Sequence[tuple[Unit, Facts]]
    record: Record
    writer: RecordWriter
    asked: str
    version: str
    say: Callable[[str], None]
    settled: int = 0  # done or refused; what failed or was cancelled is tried again
    _open: dict[int, Entry] = field(default_factory=dict)
    _said_at: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> int:
        """How many scans a later run has to do."""
        return len(self.todo) - self.settled

    def began(self, number: int, job_id: str) -> None:
        """The input was submitted: a run after a crash knows that its leftovers are ours."""
        entry = self._open[number] = self._entry(number, job_id)
        # Its end is synced; a power cut before that leaves a case of another name at most.
        self._keep(entry, durable=False)

    def copied(self, number: int, sha256: tuple[str, ...]) -> None:
        """The bytes that are processed have these hashes."""
        self._open[number] = replace(self._open[number], content=content_of(sha256))

    def ended(self, number: int, family: list[Job]) -> None:
        """Everything that came out of the input has ended."""
        entry = self._open.pop(number, None) or self._entry(number, "")
        found = {job.state for job in family}
        state = next(
            (one for one in (states.CANCELLED, states.FAILED) if one in found),
            states.DONE if states.DONE in found else states.REFUSED,
        )
        names = [job.name for job in family if job.state == states.DONE]
        self._keep(replace(entry, state=state, names=names), durable=True)
        self.settled += state in (states.DONE, states.REFUSED)
        left = self.left
        if left and time.monotonic() - self._said_at > _EVERY_SECONDS:
            self._said_at = time.monotonic()
            self.say(f"{left:,} of {len(self.todo):,} scans left")

    def _entry(self, number: int, job_id: str) -> Entry:
        unit, facts = self.todo[number]
        single = len(unit.files) == 1 and not unit.folders and not unit.files[0].lower().endswith(".zip")
        return Entry(
            unit.key, BEGUN, job_id, facts.stat, self.asked, facts.size, facts.newest_ns, time.time_ns(),
            version=self.version, single=single,
        )  # fmt: skip

    def _keep(self, entry: Entry, durable: bool) -> None:
        self.record.add(entry)
        self.writer.write(entry, durable)
