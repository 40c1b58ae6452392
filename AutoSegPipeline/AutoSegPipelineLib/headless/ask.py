"""Asking the pipeline through the store, whether or not one runs."""

from __future__ import annotations

import time
from typing import Any

from ..core.errors import PipelineError, from_dict
from ..core.store import Store
from .session import Session, user_name

ANSWER_SECONDS = 10.0
_LOOK_SECONDS = 0.05


class Waiting(Exception):
    """The wish is written down but nobody has answered it yet."""

    def __init__(self, running: bool) -> None:
        super().__init__("not answered yet")
        self.running = running

    @property
    def text(self) -> str:
        """What to tell the person who asked."""
        if self.running:
            return "The pipeline is busy; it will do so as soon as it can."
        return "No pipeline is running; this takes effect when one starts (autoseg serve)."


def ask(
    session: Session,
    store: Store,
    kind: str,
    job: str | None = None,
    args: dict[str, Any] | None = None,
    seconds: float = ANSWER_SECONDS,
) -> dict[str, Any]:
    """The pipeline's answer.

    Raises :class:`Waiting` when none came in time, and the pipeline's own
    :class:`~..core.errors.PipelineError` when it said no.
    """
    number = store.requests.ask(kind, job, args, user_name())
    return answer_of(session, store, number, seconds)


def answer_of(session: Session, store: Store, number: int, seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
    """Wait for the answer to request ``number`` while a pipeline runs."""
    until = time.monotonic() + seconds
    while True:
        answer = store.requests.answer_of(number)
        if answer is not None:
            return checked(answer)
        running = session.is_running
        if not running or time.monotonic() >= until:
            # It may have answered between the two looks.
            answer = store.requests.answer_of(number)
            if answer is not None:
                return checked(answer)
            raise Waiting(running)
        time.sleep(_LOOK_SECONDS)


def checked(answer: dict[str, Any]) -> dict[str, Any]:
    """``answer``, or the error that it carries."""
    if "error" in answer:
        raise from_dict(answer["error"])
    return answer


def existing_store(session: Session) -> Store:
    """The store of this home; where none is, there can be no such job."""
    store = session.store()
    if store is None:
        raise PipelineError("request.unknown_job", f"no pipeline has run in {session.home.root} yet")
    return store
