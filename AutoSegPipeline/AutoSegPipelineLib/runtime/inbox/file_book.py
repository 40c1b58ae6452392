"""What is known of every file in the inbox, and what follows from it. No I/O but a rare ``lstat``; no Qt.

A file's way: CHANGING until it rested, ASKING while the intake child looks,
then one of the rest. The arrival rule itself is :mod:`...intake.arrival`.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from dataclasses import replace
from typing import Callable, Iterable

from ...core.errors import PipelineError, Refused
from ...core.messages.examined_files import COMPLETE, GONE, LOCKED, DicomHeader, ExaminedFile
from ...core.store.small_tables import Consumed
from ...intake import arrival as rule
from ...intake.case_names import is_options_name
from ...intake.dicom.objects import not_an_image
from .complete_files import CompleteFiles
from .entries import (
    ASIDE,
    ASKING,
    CHANGING,
    DATA,
    GATHERED,
    GIVEN,
    HELD,
    MEMBER,
    PASSED,
    READY,
    SKIPPED,
    UNKNOWN,
    Arrival,
    ArrivedFile,
    Entries,
    Entry,
    arrived,
    series_arrival,
)
from .folder_answers import FolderAnswer, FolderAnswers, RefusedFiles
from .folder_walk import WalkedFile
from .series import Series, SeriesBook


class InboxBook:
    """Feed it listings and examinations; it fills ``to_ask``, ``arrivals`` and ``refusals``."""

    def __init__(
        self,
        settle: float,
        truncated: float,
        ledger: Callable[[str], Consumed | None],
        channels: Callable[[str], int] = lambda path: 1,
    ) -> None:
        """``settle`` and ``truncated`` in seconds of a monotonic clock; ``channels`` as in complete_files."""
        self.settle = settle
        self.truncated = truncated
        self.to_ask: deque[str] = deque()
        self.arrivals: deque[Arrival] = deque()
        self.refusals: deque[RefusedFiles] = deque()
        self.passed: deque[list[ArrivedFile]] = deque()
        self._ledger = ledger
        self._rule = rule.Arrivals(settle, truncated)
        self._entries = Entries()
        self._complete_files = CompleteFiles(self._entries, settle, truncated, channels)
        self._series = SeriesBook()
        self._answers = FolderAnswers()
        self._generation = 0
        self._next_look = float("inf")

    # --- listings -------------------------------------------------------------------------

    def begin_listing(self) -> None:
        """A new walk through the inbox begins."""
        self._generation += 1
        self._next_look = float("inf")

    def see(self, found: WalkedFile, now: float) -> None:
        """One file of the listing."""
        entry = self._entries.find(found.path)
        stat = (found.size, found.mtime_ns, found.inode)
        if entry is None:
            folder = os.path.dirname(found.path)
            aside = found.partial or is_options_name(os.path.basename(found.path))
            entry = Entry(found.path, folder, found.relative, stat, now, 0, aside)
            self._entries.add(entry)
            self._changed(entry, stat, now)
        elif entry.stat != stat:
            self._changed(entry, stat, now)
        entry.generation = self._generation
        if entry.phase in (CHANGING, HELD, READY, DATA, UNKNOWN):
            self._judge(entry, now)

    def end_listing(self, problems: Iterable[str], now: float) -> None:
        """The walk is over: what was not seen is gone, unless it lies in a folder with ``problems``."""
        hidden = tuple(os.path.join(folder, "") for folder in problems)
        for entry in [e for e in self._entries if e.generation != self._generation]:
            if not os.path.join(entry.path, "").startswith(hidden):
                self._drop(entry, now)
        self.settle_all(now)

    @property
    def waiting(self) -> int:
        """Files that are neither the pipeline's nor refused nor skipped."""
        return self._entries.waiting

    def next_look(self, now: float) -> float:
        """The monotonic time at which a listing can bring something new; infinite for never."""
        due = self._series.next_due(now, self.settle), self._answers.next_due(now, self.settle)
        return min(self._next_look, *due)

    def _look_at(self, when: float) -> None:
        self._next_look = min(self._next_look, when)

    def _changed(self, entry: Entry, stat: tuple[int, int, int], now: float) -> None:
        self._leave(entry, now)
        self._entries.enter(entry, CHANGING)
        entry.stat, entry.since, entry.row, entry.not_before = stat, now, None, 0.0
        self._rule.forget(entry.path)
        self._rule.feed(entry.path, stat[0], stat[1], now)
        for header in self._entries.wanted_by(entry.path):
            self._rule.ask_again(header)

    def _judge(self, entry: Entry, now: float) -> None:
        verdict = self._rule.feed(entry.path, entry.stat[0], entry.stat[1], now)
        if verdict == rule.WAITING:
            rested = now - entry.since >= self.settle
            self._look_at(entry.since + (self.truncated if rested else self.settle))
        elif verdict == rule.RESTED:
            self._ask(entry, now)
        elif verdict == rule.ARRIVED:
            self._complete(entry, now)

    def _ask(self, entry: Entry, now: float) -> None:
        if now < entry.not_before:
            self._look_at(entry.not_before)
        elif entry.aside:
            self._entries.enter(entry, ASIDE)
        elif taken := self._consumed(entry):
            self._entries.enter(entry, SKIPPED if taken.job else PASSED)
            if taken.job:
                self._answers.scan_in(entry.top)
        else:
            self._entries.enter(entry, ASKING)
            self.to_ask.append(entry.path)

    def _consumed(self, entry: Entry) -> Consumed | None:
        taken = self._ledger(entry.path)
        return taken if taken is not None and (taken.size, taken.mtime_ns) == entry.stat[:2] else None

    # --- examinations ---------------------------------------------------------------------

    def answered(self, row: ExaminedFile, now: float) -> None:
        """The intake child's row on one file."""
        entry = self._entries.find(row.path)
        if entry is None or entry.phase != ASKING:
            return
        if row.state == GONE:
            self._drop(entry, now)
            return
        if (row.size, row.mtime_ns) != entry.stat[:2]:
            self._changed(entry, (row.size, row.mtime_ns, entry.stat[2]), now)
            self._look_at(now + self.settle)
            return
        self._entries.unwant(entry)
        entry.row = row
        self._entries.want(entry)
        if row.state == LOCKED:
            self._locked(entry, now)
            return
        verdict = self._rule.feed(entry.path, *entry.stat[:2], now, row.state == COMPLETE)
        if verdict == rule.ARRIVED:
            self._complete(entry, now)
        elif verdict == rule.TRUNCATED and not self._entries.data_changed_since(entry, now - self.truncated):
            self._refuse(entry, entry.error, now)
        else:
            self._entries.enter(entry, HELD)
            if verdict == rule.TRUNCATED:
                self._try_later(entry, now)

    def unanswered(self, path: str, now: float) -> None:
        """The intake child could not even say what is wrong with ``path``."""
        entry = self._entries.find(path)
        if entry is not None and entry.phase == ASKING:
            text = f"{os.path.basename(path)} could not be examined; the reader ended over it."
            entry.row = ExaminedFile(path, error=Refused("input.unreadable", text).to_dict())
            self._locked(entry, now, patient=False)

    def _locked(self, entry: Entry, now: float, patient: bool = sys.platform == "win32") -> None:
        """Somebody holds it. On Windows for as long as they like; elsewhere it is its permissions."""
        if not patient and now - entry.since >= max(self.truncated, self.settle):
            self._refuse(entry, entry.error, now)
            return
        self._entries.enter(entry, HELD)
        self._try_later(entry, now)

    def _try_later(self, entry: Entry, now: float) -> None:
        entry.not_before = now + max(self.settle, min(30.0, (now - entry.since) / 4))
        self._rule.ask_again(entry.path)
        self._look_at(entry.not_before)

    def _complete(self, entry: Entry, now: float) -> None:
        row = entry.row or ExaminedFile(entry.path)
        error = row.error
        if row.format == "data" or entry.phase == DATA:
            self._data(entry, now)
        elif error and error["code"] == "input.unknown_format":
            self._unknown(entry, now)
        elif error:
            self._refuse(entry, entry.error, now)
        elif row.format == "dicom":
            self._slice(entry, row, now)
        elif row.format == "options":
            self._entries.enter(entry, ASIDE)
        else:
            self._file(entry, now)

    def _data(self, entry: Entry, now: float) -> None:
        self._entries.enter(entry, DATA)
        if now - entry.since < self.truncated or self._entries.wanted_by(entry.path):
            self._look_at(max(now + self.settle, entry.since + self.truncated))
            return
        text = f"{os.path.basename(entry.path)} is raw data without its header."
        self._refuse(entry, Refused("input.unknown_format", text, "Give its header, too."), now)

    def _unknown(self, entry: Entry, now: float) -> None:
        self._entries.enter(entry, UNKNOWN)
        if self._entries.wanted_by(entry.path):
            self._entries.enter(entry, DATA)
        elif self._entries.headers_arrive(entry.folder):
            self._look_at(now + self.settle)
        else:
            self._refuse(entry, entry.error, now)

    def _slice(self, entry: Entry, row: ExaminedFile, now: float) -> None:
        dicom = row.dicom or DicomHeader()
        if not dicom.image:
            problem = not_an_image(os.path.basename(entry.path), dicom.sop_class, dicom.modality)
            self._refuse(entry, problem, now)
            return
        self._entries.enter(entry, MEMBER)
        self._series.add(dicom.series_uid or entry.path, entry.path, entry.folder, row, now)

    def _file(self, entry: Entry, now: float) -> None:
        found = self._complete_files.arrival(entry, now)
        if not isinstance(found, Arrival):
            self._look_at(found)
            self._entries.enter(entry, READY)
            return
        for one in found.files:
            self._give(one.path)
        self._answers.scan_in(entry.top)
        self.arrivals.append(found)

    # --- series ---------------------------------------------------------------------------

    def settle_all(self, now: float) -> None:
        """Let go of the series and the folders that have settled."""
        for series in self._series.take_due(now, self.settle, self._entries.slices_arrive):
            self._give_series(series)
        for top, answer in self._answers.take_due(now, self.settle, self._entries.is_busy).items():
            self._give_answer(top, answer)

    def next_arrival(self) -> Arrival:
        """The next input, with the names of files in its folder that are no scan."""
        arrival = self.arrivals.popleft()
        return replace(arrival, passed=self._answers.take_notes(arrival.top, arrival.format))

    def _give_answer(self, top: str, answer: FolderAnswer) -> None:
        found = answer.refusals(top)
        if answer.no_scan and (found or self._answers.has_scan(top) or self._entries.has_scan(top)):
            entries = [entry for path in answer.no_scan if (entry := self._entries.find(path))]
            self.passed.append([arrived(entry) for entry in entries])
            for entry in entries:
                self._entries.enter(entry, PASSED)
        elif answer.no_scan:
            found.append(answer.nothing_inside(top))
        for one in found:
            for path in one.paths:
                self._give(path)
        self.refusals += found

    def _give_series(self, series: Series) -> None:
        found = [self._entries.find(path) for path in series.rows]
        entries = sorted((entry for entry in found if entry is not None), key=lambda entry: entry.path)
        options = self._entries.options_of(entries[0]) if len(entries) == 1 else None
        self._answers.scan_in(entries[0].top)
        for entry in entries:
            self._entries.enter(entry, GIVEN)
            entry.row = None  # thousands of them; the arrival has the rows
        self.arrivals.append(series_arrival(entries, series.rows, options))

    # --- the pipeline's word --------------------------------------------------------------

    def taken(self, paths: list[str], now: float) -> None:
        """The pipeline has these: what lies there from now on is another file (or stands in the ledger)."""
        for path in paths:
            entry = self._entries.find(path)
            if entry is not None and entry.phase == GIVEN:
                self._drop(entry, now)

    def put_back(self, paths: list[str], now: float) -> None:
        """The pipeline could not take these; they arrive again."""
        self.taken(paths, now)

    def _give(self, path: str) -> None:
        entry = self._entries.find(path)
        if entry is not None:
            self._entries.unwant(entry)
            self._entries.enter(entry, GIVEN)
            entry.row = None

    def _refuse(self, entry: Entry, error: PipelineError, now: float) -> None:
        """At once where the file is all that was dropped; else when its folder has settled."""
        companions = entry.row.companions if entry.row else []
        paths = [entry.path, *(path for path in companions if self._entries.find(path))]
        if FolderAnswers.gathers(entry):
            self._entries.enter(entry, GATHERED)
            self._answers.add(entry, paths, error, now)
            return
        for path in paths:
            self._give(path)
        self.refusals.append(RefusedFiles(paths, error))

    # --- book-keeping ---------------------------------------------------------------------

    def _leave(self, entry: Entry, now: float) -> None:
        self._entries.unwant(entry)
        if entry.phase == MEMBER:
            self._series.remove(entry.path, entry.folder, now)
        elif entry.phase == GATHERED:
            self._answers.remove(entry.path, now)

    def _drop(self, entry: Entry, now: float) -> None:
        self._leave(entry, now)
        self._rule.forget(entry.path)
        self._entries.remove(entry)
