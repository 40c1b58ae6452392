"""Repeats the queries of ``watch`` in ``dicom.json`` and queues what is new.

Each watch has a thread of its own while it asks, so a peer that is slow or away delays nobody else.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading

from ...core.error_origin import origin_of, stack_of
from ...core.errors import PipelineError
from ...core.pacs.config import Peer, Watch
from ...core.pacs.query import StudyQuery
from ...core.pacs.store import PacsStore
from ..context import Context
from .find import echo, find_studies

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
ECHO_SECONDS = 300.0
MOST_FOUND = 1000  # studies that one query of a watch may answer


class Watcher:
    """The part of the child that repeats queries, and asks each peer whether it is there."""

    name = "watcher"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._thread = threading.Thread(target=self._run, name="watches", daemon=True)
        self._begun: dict[object, tuple[float, object, threading.Thread]] = {}

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; a query that is under way ends by itself."""
        self._thread.join(5)

    def _run(self) -> None:
        while not self._context.ended.wait(LOOK_SECONDS):
            config = self._context.config()
            for name, peer in config.peers.items():
                self._repeat(("echo", name), peer, ECHO_SECONDS, ask_peer, name, peer)
            for watch in config.watch:
                peer = config.peers[watch.peer]
                self._repeat(("watch", watch.name), watch, watch.every_minutes * 60, look, watch, peer)

    def _repeat(self, key: object, settings: object, seconds: float, what: object, *args: object) -> None:
        """Call ``what`` where it is due, or its settings have changed, and the last call has ended."""
        now = self._context.clock.monotonic()
        begun, before, thread = self._begun.get(key, (float("-inf"), None, None))
        if thread is not None and thread.is_alive():
            return
        if now - begun < seconds and settings == before:
            return
        thread = threading.Thread(target=what, args=(self._context, *args), name=str(key), daemon=True)  # type: ignore[arg-type]
        self._begun[key] = (now, settings, thread)
        thread.start()


def ask_peer(context: Context, name: str, peer: Peer) -> str:
    """Ask whether a peer is there and note the answer; what went wrong, or ``""``."""
    try:
        echo(name, peer)
        note = ""
    except PipelineError as error:
        note = error.message
    except Exception as error:  # the thread's boundary
        log.error("C-ECHO of %s failed: %s", name, stack_of(error))
        note = origin_of(error)
    try:
        with contextlib.closing(context.pacs_store()) as store:
            store.peers.echoed(name, not note, note)
    except sqlite3.OperationalError as error:  # a full disk; the next answer is noted
        log.warning("the answer of %s cannot be noted: %s", name, error)
    return note


def look(context: Context, watch: Watch, peer: Peer) -> None:
    """One round of a watch."""
    try:
        with contextlib.closing(context.pacs_store()) as store:
            _look(store, watch, peer)
    except sqlite3.OperationalError as error:  # a full disk; the next round takes what this one found
        log.warning("watch %s: what it found cannot be noted: %s", watch.name, error)


def _look(store: PacsStore, watch: Watch, peer: Peer) -> None:
    try:
        found = find_studies(
            watch.peer, peer, StudyQuery.of(watch.match, f"watch {watch.name!r}"), MOST_FOUND
        )
        taken, waiting = store.watched.take(
            watch.name, watch.peer, watch.entry, found.studies, watch.at_most_studies
        )
        note = f"more than {MOST_FOUND} studies match; the others are not seen" if found.more else ""
        store.watched.ended(watch.name, not found.more, note, len(found.studies), waiting)
        if taken:
            log.info("watch %s: %d studies are fetched, %d wait", watch.name, taken, waiting)
    except PipelineError as error:
        log.warning("watch %s: %s", watch.name, error.message)
        store.watched.ended(watch.name, False, error.message)
    except sqlite3.OperationalError:
        raise
    except Exception as error:  # the thread's boundary
        log.error("watch %s failed: %s", watch.name, stack_of(error))
        store.watched.ended(watch.name, False, origin_of(error))
