"""Answers what page, panel and command line ask of the dicom child: a row of :data:`ANSWERS` each."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Mapping

from ..core.errors import PipelineError
from ..core.pacs.asks import Ask
from .context import Context

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
AT_ONCE = 4
Answer = Callable[[Context, Ask], "dict[str, object]"]

ANSWERS: Mapping[str, Answer] = {}


class Answerer:
    """Looks for new rows; several are answered at once, so that a slow peer does not block the others."""

    name = "answerer"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._begun: set[int] = set()
        self._pool = ThreadPoolExecutor(AT_ONCE, "ask")
        self._thread = threading.Thread(target=self._run, name="asks", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; rows without an answer wait for the next start."""
        self._thread.join(5)
        self._pool.shutdown(wait=False)

    def _run(self) -> None:
        store = self._context.pacs_store()
        seen = -1
        try:
            while not self._context.ended.wait(LOOK_SECONDS):
                version = store.data_version()
                if version == seen:
                    continue
                seen = version
                for ask in store.asks.open():
                    if ask.id not in self._begun:
                        self._begun.add(ask.id)
                        self._pool.submit(self._answer, ask)
        finally:
            store.close()

    def _answer(self, ask: Ask) -> None:
        answer = answered(self._context, ask)
        store = self._context.pacs_store()
        try:
            store.asks.answer(ask.id, answer)
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
