"""Works through the queue of fetches: one at a time from each peer, each peer in a thread of its own.

A fetch is done once: its row says so before its folder is removed, and a crash before that finds either
the series that are complete or the plan of the hand-over.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import sqlite3
import threading
import time
from pathlib import Path
from typing import Callable

from ...core.crash_points import reached
from ...core.error_origin import origin_of, stack_of
from ...core.errors import PipelineError
from ...core.incoming import Intent
from ...core.pacs.config import Peer
from ...core.pacs.fetches import CANCELLED, DONE, ENDED, FAILED, RUNNING, WAITING, Fetch
from ...core.pacs.query import FoundSeries
from ...core.pacs.store import PacsStore
from ...intake.received.handover import ask_to_adopt
from ..context import Context
from .fetched_cases import FetchedFolder, chosen, entry_of, remove_left
from .find import find_series
from .retrieve import Cancelled, fetch_into, move_study

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
SAY_SECONDS = 1.0  # between two notes of the progress
LOCKED_SECONDS = 30.0  # before dicom.sqlite is written again after it could not be
WAITS = (30.0, 120.0, 600.0, 1800.0, 3600.0)  # seconds before the next try; then it has failed
# Another try does not help.
_FINAL = ("pacs.unknown_peer", "pacs.configuration", "pacs.no_scan", "request.", "options.")


class Fetcher:
    """The part of the child that fetches."""

    name = "fetcher"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._busy: dict[str, threading.Thread] = {}
        self._thread = threading.Thread(target=self._run, name="fetches", daemon=True)

    def start(self) -> None:
        """Take up what an earlier process left, and begin."""
        store = self._context.pacs_store()
        try:
            store.fetches.restart(WAITS)
            remove_left(self._context, {one.id for one in store.fetches.open()})
        finally:
            store.close()
        self._thread.start()

    def stop(self) -> None:
        """Break off; what is not complete is fetched after the next start."""
        self._thread.join(5)
        for thread in list(self._busy.values()):
            thread.join(2)

    def _run(self) -> None:
        store = self._context.pacs_store()
        try:
            while not self._context.ended.wait(LOOK_SECONDS):
                try:
                    self._begin(store.fetches.due())
                except sqlite3.OperationalError as error:
                    log.warning("dicom.sqlite cannot be read: %s", error)
                    self._context.ended.wait(LOCKED_SECONDS)
        finally:
            store.close()

    def _begin(self, due: list[Fetch]) -> None:
        for fetch in due:
            peer = fetch.order.peer
            running = self._busy.get(peer)
            if running is None or not running.is_alive():
                thread = threading.Thread(
                    target=_fetch, args=(self._context, fetch), name=f"fetch {peer}", daemon=True
                )
                self._busy[peer] = thread
                thread.start()


def _fetch(context: Context, fetch: Fetch) -> None:
    """One try; where dicom.sqlite cannot be written, the fetch waits until it can."""
    try:
        with contextlib.closing(context.pacs_store()) as store:
            _try(context, store, fetch)
        return
    except sqlite3.OperationalError as error:  # a full disk, or somebody holds the file
        log.error("fetch %d: dicom.sqlite cannot be written: %s", fetch.id, error)
    while not context.ended.wait(LOCKED_SECONDS):
        with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(context.pacs_store()) as store:
            store.fetches.set(fetch.id, state=WAITING)
            return


def _try(context: Context, store: PacsStore, fetch: Fetch) -> None:
    """One try, and what its row says of it."""
    if store.fetches.state(fetch.id) != WAITING:
        return
    if fetch.tries > len(WAITS):  # only what ends the process gets so far
        text = f"the dicom process ended while it fetched this study; {fetch.tries} tries are enough"
        _failed(context, store, fetch, PipelineError("pipeline.internal", text))
        return
    store.fetches.set(fetch.id, state=RUNNING, tries=fetch.tries + 1, done=0, note="")
    try:
        _Try(context, store, fetch).run()
    except Cancelled:
        _broken_off(context, store, fetch)
    except PipelineError as error:
        _failed(context, store, fetch, error)
    except sqlite3.OperationalError:
        raise
    except Exception as error:  # the thread's boundary: its row says what happened
        log.error("fetch %d failed: %s", fetch.id, stack_of(error))
        _failed(context, store, fetch, PipelineError("pipeline.internal", origin_of(error)))


def _broken_off(context: Context, store: PacsStore, fetch: Fetch) -> None:
    found = store.fetches.get(fetch.id)
    if found is not None and found.state == CANCELLED:
        FetchedFolder(context, fetch).remove()
    else:
        store.fetches.set(fetch.id, state=WAITING, tries=fetch.tries)


def _failed(context: Context, store: PacsStore, fetch: Fetch, error: PipelineError) -> None:
    final = error.code.startswith(_FINAL) or fetch.tries >= len(WAITS)
    if final:
        log.error("fetch %d from %s has failed: %s", fetch.id, fetch.order.peer, error.message)
        store.fetches.set(fetch.id, state=FAILED, note=error.message)
        FetchedFolder(context, fetch).remove()
        return
    wait = WAITS[fetch.tries]
    log.warning(
        "fetch %d from %s is tried again in %.0f s: %s", fetch.id, fetch.order.peer, wait, error.message
    )
    store.fetches.set(fetch.id, state=WAITING, due=context.clock.now() + wait, note=error.message)


class _Try:
    """One try of one fetch."""

    def __init__(self, context: Context, store: PacsStore, fetch: Fetch) -> None:
        self._context = context
        self._store = store
        self._fetch = fetch
        self._said = 0.0

    def run(self) -> None:
        """Raises :class:`~...core.errors.PipelineError` and :class:`.retrieve.Cancelled`."""
        order = self._fetch.order
        folder = FetchedFolder(self._context, self._fetch)
        intents = folder.resume()
        if intents is not None:
            self._done(folder, intents)
            return
        config = self._context.config()
        peer, entry = config.peer(order.peer), entry_of(config, order.entry)
        wanted = _wanted(self._fetch, find_series(order.peer, peer, order.study))
        counts = [one.instances for one in wanted]
        total = None if None in counts else sum(one or 0 for one in counts)
        self._store.fetches.set(self._fetch.id, total=total)
        if peer.use == "dimse" and peer.retrieve == "move":
            series = [one.uid for one in wanted]
            move_study(order.peer, peer, order.study, series, entry.title, self._say)
            self._end(f"sent to {entry.title}; the receiver makes the cases")
            folder.remove()
            return
        folders = self._series(folder, peer, wanted)
        taken, verdicts = chosen(self._store, entry, self._fetch, folders)
        left = [f"{one.series.name}: {one.reason}" for one in verdicts if not one.taken]
        if not taken:
            self._end("no series was taken; " + "; ".join(left))
            folder.remove()
            return
        self._done(folder, folder.hand_over(entry, self._fetch, taken), "; ".join(left))

    def _series(self, folder: FetchedFolder, peer: Peer, wanted: list[FoundSeries]) -> dict[str, Path]:
        """Fetch those that an earlier try has not completed; their folders by UID."""
        order, before, folders = self._fetch.order, 0, {}
        for one in wanted:
            path = folder.path / hashlib.sha256(one.uid.encode()).hexdigest()[:16]
            folders[one.uid] = path
            if not path.exists():
                folder.check_free()
                progress = self._progress(before)
                fetch_into(path, order.peer, peer, order.study, one, progress, self._stopped)
                reached("series fetched")
            before += sum(1 for _ in path.iterdir())
            self._say(before)
        return folders

    def _done(self, folder: FetchedFolder, intents: list[Intent], note: str = "") -> None:
        store = self._context.store()
        try:
            ask_to_adopt(store, intents)
        finally:
            store.close()
        reached("fetched cases adopted")
        self._store.fetches.set(self._fetch.id, state=DONE, note=note, jobs=[one.id for one in intents])
        self._store.peers.received(self._fetch.order.peer)
        reached("fetch done")
        folder.remove()

    def _end(self, note: str) -> None:
        self._store.fetches.set(self._fetch.id, state=DONE, note=note)
        self._store.peers.received(self._fetch.order.peer)

    def _progress(self, before: int) -> Callable[[int], None]:
        def say(count: int) -> None:
            if time.monotonic() - self._said > SAY_SECONDS:
                self._say(before + count)

        return say

    def _say(self, count: int) -> None:
        self._said = time.monotonic()
        self._store.fetches.set(self._fetch.id, durable=False, done=count)

    def _stopped(self) -> bool:
        if self._context.ended.is_set():
            return True
        found = self._store.fetches.state(self._fetch.id)
        return found is None or found in ENDED


def _wanted(fetch: Fetch, series: list[FoundSeries]) -> list[FoundSeries]:
    """The series to fetch. Raises ``pacs.no_scan``."""
    order = fetch.order
    if order.series:
        missing = set(order.series) - {one.uid for one in series}
        if missing:
            raise PipelineError(
                "pacs.no_scan", f"{order.peer} has no series {', '.join(sorted(missing))} in the study"
            )
    found = [one for one in series if (not order.series or one.uid in order.series) and one.is_scan]
    if not found:
        kinds = ", ".join(sorted({one.modality for one in series})) or "no series"
        raise PipelineError("pacs.no_scan", f"{order.peer} has no CT or MR in the study, but {kinds}")
    return found
