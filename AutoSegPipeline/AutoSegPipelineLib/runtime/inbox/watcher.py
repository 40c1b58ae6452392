"""The inbox, watched from the Qt loop: file system events, regular listings, examinations.

Nothing here holds the loop for long: a listing goes on in slices of a few
milliseconds, and what needs a file's content is asked of the intake child.
Folders that were emptied by taking their files stay: they are the user's.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from pathlib import Path
from typing import Any, Callable, Iterator

from ...core.clock import Clock
from ...core.errors import PipelineError
from ...core.file_systems import is_network
from ...core.messages.examined_files import ExaminedFile
from ...core.settings import Settings
from ...core.store.small_tables import Consumed
from .. import qt
from .entries import Arrival, ArrivedFile
from .file_book import InboxBook
from .folder_walk import Walk, WalkedFile

__all__ = ["Arrival", "ArrivedFile", "InboxWatcher"]

log = logging.getLogger(__name__)

Answer = Callable[[list[ExaminedFile]], None]
SLICE_SECONDS = 0.01
BATCH = 200
DELIVER = 10
WATCHED_FOLDERS = 512  # every one costs the system a handle; beyond that the listings must do
_SOON_SECONDS = 0.1


class InboxWatcher:
    """Calls back with everything that arrived or cannot be taken, each file once.

    ``ask(paths, answer)`` has the intake child examine files and calls
    ``answer(rows)``; an empty answer means that it could not. ``events=False``
    leaves QFileSystemWatcher out, as on a share that sends none.
    """

    def __init__(
        self,
        inbox: Path,
        ask: Callable[[list[str], Answer], None],
        settings: Settings,
        clock: Clock,
        ledger_lookup: Callable[[str], Consumed | None],
        on_arrival: Callable[[list[Arrival]], None],
        on_refusal: Callable[[list[str], PipelineError, str], None],
        on_passed: Callable[[list[ArrivedFile]], None],
        on_waiting: Callable[[int], None] | None = None,
        *,
        channels: Callable[[str], int] = lambda path: 1,
        events: bool = True,
    ) -> None:
        self._inbox = str(inbox)
        self._ask = ask
        self._clock = clock
        self._on_arrival = on_arrival
        self._on_refusal = on_refusal
        self._on_passed = on_passed
        self._on_waiting = on_waiting
        self._rescan = float(settings["rescan_seconds"])
        settle = "settle_network_seconds" if is_network(inbox) else "settle_seconds"
        patience = settings["truncated_minutes"] * 60
        self._book = InboxBook(settings[settle], patience, ledger_lookup, channels)
        self._events = qt.QFileSystemWatcher() if events else None
        self._work_timer: Any = None
        self._alarm: Any = None
        self._alarm_at = float("inf")
        self._walk: Walk | None = None
        self._listing: Iterator[WalkedFile] | None = None
        self._listed_at = 0.0
        self._listing_took = 0.0
        self._missed = False
        self._batches: deque[list[str]] = deque()
        self._asked: list[str] | None = None
        self._answers: deque[tuple[list[str], list[ExaminedFile]]] = deque()
        self._problems: dict[str, str] = {}
        self._reported_waiting = -1
        self.longest_slice = 0.0  # seconds; for the benchmark

    @property
    def waiting(self) -> int:
        """Files that are on their way: neither the pipeline's nor refused."""
        return self._book.waiting

    @property
    def problems(self) -> dict[str, str]:
        """Folders that the last listing could not look into, and why."""
        return dict(self._problems)

    def start(self) -> None:
        """Watch from now on."""
        self._work_timer = qt.make_timer(0, self._work, start=False)
        self._alarm = qt.make_alarm(self._begin_listing)
        if self._events is not None:
            self._events.directoryChanged.connect(qt.guarded(lambda *_: self.look_soon()))
            self._watch([self._inbox])
        self._begin_listing()

    def stop(self) -> None:
        """No callbacks any more."""
        if self._work_timer is None:
            return
        for timer in (self._work_timer, self._alarm):
            timer.stop()
            qt.release(timer)
        self._work_timer = self._alarm = self._listing = None
        if self._events is not None:
            qt.release(self._events)
            self._events = None

    def look_soon(self) -> None:
        """List the inbox again in a moment; many calls make one listing."""
        # A large inbox whose listing takes long is listed less often while files pour in.
        pause = max(_SOON_SECONDS, 5 * self._listing_took - (self._clock.monotonic() - self._listed_at))
        self._look_in(min(pause, self._rescan))

    def taken(self, paths: list[str]) -> None:
        """The pipeline holds these now: the next file of such a name is a new one."""
        self._book.taken(paths, self._clock.monotonic())

    def put_back(self, paths: list[str]) -> None:
        """The pipeline could not take these (they changed); they arrive again."""
        self._book.put_back(paths, self._clock.monotonic())
        self.look_soon()

    # --- slices ---------------------------------------------------------------------------

    def _work(self) -> None:
        begun = time.perf_counter()
        try:
            while time.perf_counter() - begun < SLICE_SECONDS:
                if not self._step():
                    if self._work_timer is not None:
                        self._work_timer.stop()
                    break
        finally:
            self.longest_slice = max(self.longest_slice, time.perf_counter() - begun)

    def _wake(self) -> None:
        if self._work_timer is not None:
            self._work_timer.start()

    def _step(self) -> bool:
        """One small piece of work; False when there is none."""
        if self._work_timer is None:
            return False
        if self._book.arrivals or self._book.refusals or self._book.passed:
            self._deliver()
        elif self._answers:
            self._take_answer()
        elif self._listing is not None:
            self._list_some()
        else:
            return False
        self._pump()
        return True

    # --- listings -------------------------------------------------------------------------

    def _look_in(self, seconds: float) -> None:
        if self._alarm is None:
            return
        at = self._clock.monotonic() + seconds
        if at < self._alarm_at:
            self._alarm_at = at
            self._alarm.start(max(0, int(seconds * 1000)))

    def _begin_listing(self) -> None:
        self._alarm_at = float("inf")
        if self._listing is not None:
            self._missed = True  # what came into a folder that was listed already
            return
        self._walk = Walk(self._inbox)
        self._listing = iter(self._walk)
        self._listed_at = self._clock.monotonic()
        self._book.begin_listing()
        self._wake()

    def _list_some(self) -> None:
        assert self._listing is not None
        now = self._clock.monotonic()
        try:
            for _ in range(50):
                found = next(self._listing, None)
                if found is None:
                    self._end_listing(now)
                    return
                self._book.see(found, now)
        except Exception:
            # Told by the guard of the slot. A half listing says nothing about what is gone.
            self._listing = None
            self._look_in(self._rescan)
            raise

    def _end_listing(self, now: float) -> None:
        assert self._walk is not None
        self._listing = None
        self._listing_took = now - self._listed_at
        self._listed_at = now
        self._book.end_listing(self._walk.problems, now)
        for folder, problem in self._walk.problems.items():
            if self._problems.get(folder) != problem:
                log.warning("%r in the inbox is passed over: %s", folder, problem)
        self._problems = self._walk.problems
        self._watch(self._walk.folders)
        self._look_in(self._rescan)
        if self._missed:
            self._missed = False
            self.look_soon()
        self._plan()

    def _plan(self) -> None:
        """Look again when something may have rested, and say how much is waiting."""
        ahead = self._book.next_look(self._clock.monotonic()) - self._clock.monotonic()
        if ahead < self._rescan:
            self._look_in(max(ahead + 0.01, _SOON_SECONDS, 5 * self._listing_took))
        if self._on_waiting is not None and self._reported_waiting != self._book.waiting:
            self._reported_waiting = self._book.waiting
            self._on_waiting(self._reported_waiting)

    def _watch(self, folders: list[str]) -> None:
        if self._events is None:
            return
        watched = set(self._events.directories())
        seen = set(folders)
        for folder in watched - seen:
            self._events.removePath(folder)
        for folder in folders[:WATCHED_FOLDERS]:
            if folder not in watched:
                self._events.addPath(folder)

    # --- examinations ---------------------------------------------------------------------

    def _pump(self) -> None:
        """One batch at a time; a small one only when the listing has no more to add."""
        if self._asked is not None:
            return
        if self._batches:
            batch = self._batches.popleft()
        else:
            queue = self._book.to_ask
            if not queue or (self._listing is not None and len(queue) < BATCH):
                return
            batch = [queue.popleft() for _ in range(min(BATCH, len(queue)))]
        self._asked = batch
        self._ask(batch, lambda rows: self._answered(batch, rows))

    def _answered(self, batch: list[str], rows: list[ExaminedFile]) -> None:
        if self._asked is batch:
            self._asked = None
            self._answers.append((batch, rows))
            self._wake()

    def _take_answer(self) -> None:
        batch, rows = self._answers.popleft()
        now = self._clock.monotonic()
        if not rows and len(batch) > 1:
            # One of them ended the reader: find it.
            middle = len(batch) // 2
            self._batches.extend((batch[:middle], batch[middle:]))
            return
        for row in rows:
            self._book.answered(row, now)
        if not rows:
            self._book.unanswered(batch[0], now)
        if self._listing is None:
            self._book.settle_all(now)
            self._plan()

    # --- deliveries -----------------------------------------------------------------------

    def _deliver(self) -> None:
        arrivals, refusals = self._book.arrivals, self._book.refusals
        if refusals:
            one = refusals.popleft()
            self._hand_over(one.paths, lambda: self._on_refusal(one.paths, one.error, one.label))
            return
        if self._book.passed:
            self._on_passed(self._book.passed.popleft())
            return
        some = [self._book.next_arrival() for _ in range(min(DELIVER, len(arrivals)))]
        files = [found.path for arrival in some for found in arrival.files]
        self._hand_over(files, lambda: self._on_arrival(some))

    def _hand_over(self, paths: list[str], call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:  # the job boundary: these come again, the others must not suffer
            log.exception("%d files could not be handed over", len(paths))
            self.put_back(paths)
