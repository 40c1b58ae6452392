"""Answers what page, panel and command line ask of the dicom child: a row of :data:`ANSWERS` each."""

from __future__ import annotations

import contextlib
import logging
import queue
import sqlite3
import threading
import time
from typing import Callable, Mapping

from ..core.error_origin import origin_of, stack_of
from ..core.errors import PipelineError
from ..core.pacs.asks import Ask
from ..core.pacs.store import PacsStore
from .context import Context
from .query import query_asks
from .receive.web_instances import stow
from .self_test import self_test
from .send.send_asks import send

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
PURGE_SECONDS = 60.0
LOCKED_SECONDS = 5.0  # before dicom.sqlite is read again after it could not be
AT_ONCE = 2  # of one line; a slow peer delays nobody else
Answer = Callable[[Context, Ask], "dict[str, object]"]

ANSWERS: Mapping[str, Answer] = {
    "find": query_asks.find,
    "series": query_asks.series,
    "fetch": query_asks.fetch,
    "cancel_fetch": query_asks.cancel_fetch,
    "echo": query_asks.echo,
    "send": send,
    "stow": stow,
    "self_test": self_test,
}
# Read and write our own files only, so they are answered at once whatever the others wait for.
_LOCAL = ("fetch", "cancel_fetch", "send")


class Answerer:
    """Looks for new rows and answers them. Each peer has a line with threads of its own, and so have
    what needs no peer and the studies that come in over the web, which may take minutes."""

    name = "answerer"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lines: dict[tuple[str, str], queue.SimpleQueue[Ask]] = {}
        self._last = 0
        self._thread = threading.Thread(target=self._run, name="asks", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; rows without an answer wait for the next start."""
        self._thread.join(5)

    def _run(self) -> None:
        store = self._context.pacs_store()
        seen, purged = -1, float("-inf")
        try:
            while not self._context.ended.wait(LOOK_SECONDS):
                try:
                    if time.monotonic() - purged > PURGE_SECONDS:
                        store.asks.purge()
                        purged = time.monotonic()
                    version = store.data_version()
                    if version != seen:
                        self._take(store)
                        seen = version
                except sqlite3.OperationalError as error:  # a full disk, or somebody holds the file
                    log.warning("dicom.sqlite cannot be used: %s", error)
                    self._context.ended.wait(LOCKED_SECONDS)
        finally:
            store.close()

    def _take(self, store: PacsStore) -> None:
        while found := store.asks.open(self._last):
            for ask in found:
                self._last = ask.id
                self._line_of(ask).put(ask)

    def _line_of(self, ask: Ask) -> queue.SimpleQueue[Ask]:
        peer = ask.args.get("peer")
        if ask.kind in _LOCAL:
            key = ("", "local")
        elif isinstance(peer, str) and peer in self._context.config().peers:
            key = ("peer", peer)
        else:
            key = ("", ask.kind if ask.kind in ANSWERS else "unknown")
        if key not in self._lines:
            self._lines[key] = queue.SimpleQueue()
            for number in range(AT_ONCE):  # daemons, because no peer may hold up the end of the process
                threading.Thread(
                    target=self._serve, args=(self._lines[key],), name=f"ask {key[1]} {number}", daemon=True
                ).start()
        return self._lines[key]

    def _serve(self, asks: queue.SimpleQueue[Ask]) -> None:
        while not self._context.ended.is_set():
            try:
                self._answer(asks.get(timeout=1))
            except queue.Empty:
                continue

    def _answer(self, ask: Ask) -> None:
        try:
            with contextlib.closing(self._context.pacs_store()) as store:
                if store.asks.is_open(ask.id):  # whoever asked may have gone
                    store.asks.answer(ask.id, answered(self._context, ask))
        except sqlite3.OperationalError as error:
            log.error("%s cannot be answered, dicom.sqlite cannot be written: %s", ask.kind, error)


def answered(context: Context, ask: Ask) -> dict[str, object]:
    """What stands in the row: ``ok`` with the values, or ``error``."""
    try:
        if ask.kind not in ANSWERS:
            raise PipelineError("request.invalid", f"the dicom process cannot {ask.kind!r}")
        return {"ok": True, **ANSWERS[ask.kind](context, ask)}
    except PipelineError as error:
        return {"error": error.to_dict()}
    except sqlite3.OperationalError as error:
        log.error("%s failed: %s", ask.kind, error)
        return {"error": PipelineError("pipeline.internal", f"dicom.sqlite: {error}").to_dict()}
    except Exception as error:  # the thread's boundary: whoever asked hears of it
        log.error("%s failed: %s", ask.kind, stack_of(error))
        return {"error": PipelineError("pipeline.internal", origin_of(error)).to_dict()}
