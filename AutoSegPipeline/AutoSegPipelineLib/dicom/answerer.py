"""Answers what page, panel and command line ask of the dicom child: a row of :data:`ANSWERS` each."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Callable, Mapping

from ..core.errors import PipelineError
from ..core.pacs.asks import Ask
from .context import Context
from .query import answers
from .receive.web_instances import stow
from .self_test import self_test
from .send.answers import send

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
AT_ONCE = 2  # of one peer; a slow one delays nobody else
Answer = Callable[[Context, Ask], "dict[str, object]"]

ANSWERS: Mapping[str, Answer] = {
    "find": answers.find,
    "series": answers.series,
    "fetch": answers.fetch,
    "cancel_fetch": answers.cancel_fetch,
    "echo": answers.echo,
    "send": send,
    "stow": stow,
    "self_test": self_test,
}
_OF_NO_PEER = ""


class Answerer:
    """Looks for new rows and answers them, those about each peer in threads of its own."""

    name = "answerer"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._queues: dict[str, queue.SimpleQueue[Ask]] = {}
        self._thread = threading.Thread(target=self._run, name="asks", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; rows without an answer wait for the next start."""
        self._thread.join(5)

    def _run(self) -> None:
        store = self._context.pacs_store()
        seen, last = -1, 0
        try:
            while not self._context.ended.wait(LOOK_SECONDS):
                version = store.data_version()
                if version == seen:
                    continue
                seen = version
                while True:
                    found = store.asks.open(last)
                    for ask in found:
                        last = ask.id
                        self._queue_of(ask).put(ask)
                    if not found:
                        break
        finally:
            store.close()

    def _queue_of(self, ask: Ask) -> queue.SimpleQueue[Ask]:
        peer = ask.args.get("peer")
        known = peer if isinstance(peer, str) and peer in self._context.config().peers else _OF_NO_PEER
        if known not in self._queues:
            self._queues[known] = queue.SimpleQueue()
            for number in range(AT_ONCE):  # daemons, because no peer may hold up the end of the process
                threading.Thread(
                    target=self._serve, args=(self._queues[known],), name=f"ask {known} {number}", daemon=True
                ).start()
        return self._queues[known]

    def _serve(self, asks: queue.SimpleQueue[Ask]) -> None:
        while not self._context.ended.is_set():
            try:
                self._answer(asks.get(timeout=1))
            except queue.Empty:
                continue

    def _answer(self, ask: Ask) -> None:
        store = self._context.pacs_store()
        try:
            if store.asks.is_open(ask.id):  # whoever asked may have gone
                store.asks.answer(ask.id, answered(self._context, ask))
        finally:
            store.close()


def answered(context: Context, ask: Ask) -> dict[str, object]:
    """What stands in the row: ``ok`` with the values, or ``error``."""
    try:
        if ask.kind not in ANSWERS:
            raise PipelineError("request.invalid", f"the dicom process cannot {ask.kind!r}")
        return {"ok": True, **ANSWERS[ask.kind](context, ask)}
    except PipelineError as error:
        return {"error": error.to_dict()}
    except Exception as error:  # the thread's boundary: whoever asked hears of it
        log.exception("%s failed", ask.kind)
        return {"error": PipelineError("pipeline.internal", f"{type(error).__name__}: {error}").to_dict()}
