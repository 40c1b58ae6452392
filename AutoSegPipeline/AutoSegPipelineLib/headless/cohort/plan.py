"""What is left of a folder of scans: done, changed and new told apart by content."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Iterable

from ...core import states
from ...core.cohort.read_case import manifests
from ...core.cohort.run_record import Entry, Record, content_of
from ...core.errors import PipelineError
from ...core.files import read_json, sha256
from ...core.result_formats import MANIFEST
from .units import Unit

# A file that changed this shortly before it was taken may change again within its time stamp's grain.
_GRAIN_NS = 2_000_000_000
DONE, NEW, CHANGED, OPTIONS, FAILED, REFUSED, GONE = (
    "done", "new", "changed", "options", "failed", "refused", "gone",
)  # fmt: skip
_WORDS = {
    DONE: "done",
    NEW: "new",
    CHANGED: "changed",
    OPTIONS: "with other options than before",
    FAILED: "that failed or were interrupted",
    REFUSED: "refused before",
    GONE: "whose results are gone",
}


@dataclass(frozen=True)
class Facts:
    """``stat`` changes with name, size or time of a member; ``newest_ns`` is the last time."""

    stat: str
    size: int
    newest_ns: int


@dataclass
class Plan:
    """``todo`` in their order; ``counts`` by the words above."""

    todo: list[tuple[Unit, Facts]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    missing: int = 0  # scans that were here and are not any more

    def text(self) -> str:
        """``10,000 scans: 6,200 done, 12 changed, 3,788 new``."""
        total = sum(self.counts.values())
        parts = [f"{self.counts[word]:,} {text}" for word, text in _WORDS.items() if self.counts[word]]
        gone = f"; {self.missing:,} from before are not in the folder any more" if self.missing else ""
        return f"{total:,} {'scan' if total == 1 else 'scans'}: {', '.join(parts) or 'nothing'}{gone}"


@dataclass
class Planner:
    """``asked`` is the hash of the options; ``note`` keeps what was found out about a unit."""

    out: Path
    record: Record
    asked: str
    version: str
    again: bool
    note: Callable[[Entry], None]

    def plan(self, units: Iterable[Unit]) -> Plan:
        """Raises ``input.unreadable`` where a file of the folder cannot be looked at."""
        found, fresh = Plan(), []
        there = manifests(self.out)
        self._adopt(there)
        seen: set[str] = set()
        for unit in units:
            facts = facts_of(unit)
            seen.add(unit.key)
            entry = self.record.units.get(unit.key)
            if entry is None:
                fresh.append((unit, facts))
                continue
            self._sort_in(found, unit, facts, entry, there)
        vanished = [entry for key, entry in self.record.units.items() if key not in seen]
        for unit, facts in fresh:
            moved = self._moved(unit, facts, vanished)
            if moved is None:
                found.counts[NEW] += 1
                found.todo.append((unit, facts))
            else:
                vanished.remove(moved)
                self._sort_in(found, unit, facts, replace(moved, unit=unit.key), there)
        found.missing = len(vanished)
        return found

    def _sort_in(self, plan: Plan, unit: Unit, facts: Facts, entry: Entry, there: dict[str, str]) -> None:
        word = self._word(unit, facts, entry, there)
        plan.counts[word] += 1
        if self.again or word not in (DONE, REFUSED):
            plan.todo.append((unit, facts))
            return
        settled = replace(entry, stat=facts.stat, size=facts.size, newest_ns=facts.newest_ns)
        if settled != self.record.units.get(unit.key):
            self.note(settled)

    def _word(self, unit: Unit, facts: Facts, entry: Entry, there: dict[str, str]) -> str:
        if not self._same(unit, facts, entry):
            return CHANGED
        if entry.asked != self.asked:
            return OPTIONS
        if entry.state == states.DONE:
            return DONE if all(name + MANIFEST in there for name in entry.names) else GONE
        if entry.state == states.REFUSED and entry.version == self.version:
            return REFUSED
        return FAILED

    def _same(self, unit: Unit, facts: Facts, entry: Entry) -> bool:
        """Whether the bytes are those of then; they are read only where size or time leave a doubt."""
        settled = entry.newest_ns < entry.at_ns - _GRAIN_NS
        if facts.stat == entry.stat and (settled or not entry.content):
            return True
        return facts.size == entry.size and bool(entry.content) and content(unit) == entry.content

    def _moved(self, unit: Unit, facts: Facts, vanished: list[Entry]) -> Entry | None:
        """The entry of a scan that lies under another name now."""
        near = [entry for entry in vanished if entry.size == facts.size and entry.content]
        if not near:
            return None
        found = content(unit)
        return next((entry for entry in near if entry.content == found), None)

    def _adopt(self, there: dict[str, str]) -> None:
        """Cases that were published before a crash and have no end in the record.

        That of a single file is done; of several nobody knows whether they are all, so they are replaced.
        """
        begun = {entry.job: entry for entry in self.record.begun.values()}
        if not begun:
            return
        known = {name for entry in self.record.units.values() for name in entry.names} | self.record.left
        found: dict[str, list[str]] = {}
        for file in there:
            name = file[: -len(MANIFEST)]
            if name not in known:
                found.setdefault(_job_of(self.out / file), []).append(name)
        for job, entry in begun.items():
            names = found.get(job, [])
            if names:
                state = states.DONE if entry.single and len(names) == 1 else states.CANCELLED
                ended = replace(entry, state=state, names=names)
                self.note(ended)


def facts_of(unit: Unit) -> Facts:
    """What the file system says of the members of ``unit``."""
    lines, size, newest = [], 0, 0
    for name in unit.members():
        try:
            found = (unit.root / name).lstat()
        except OSError as error:
            raise PipelineError(
                "input.unreadable", f"{unit.root / name} cannot be read: {error.strerror}"
            ) from error
        lines.append(f"{name}\0{found.st_size}\0{found.st_mtime_ns}")
        size, newest = size + found.st_size, max(newest, found.st_mtime_ns)
    digest = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    return Facts(digest, size, newest)


def content(unit: Unit) -> str:
    """The hash of the bytes of ``unit``."""
    return content_of(sha256(unit.root / name) for name in unit.members())


def _job_of(manifest: Path) -> str:
    try:
        return str(read_json(manifest)["input"]["job"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
