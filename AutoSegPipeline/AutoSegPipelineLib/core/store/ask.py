"""Asking the pipeline of a home through its store, and waiting for the answer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from ..commands import Command
from ..errors import from_dict
from ..home import Home
from ..lock import HomeLock
from .store import Store

ANSWER_SECONDS = 10.0
LOOK_SECONDS = 0.05


class Waiting(Exception):
    """The request is written but not answered yet; ``running`` says whether a pipeline runs."""

    def __init__(self, running: bool) -> None:
        super().__init__("not answered yet")
        self.running = running


@dataclass(frozen=True)
class Answer:
    """The job that a command was about, and the state that it has now."""

    job: str | None = None
    state: str | None = None


def is_running(home: Home) -> bool:
    """Whether a pipeline holds this home now."""
    return HomeLock(home.lock).is_held()


class Question:
    """One request of whoever waits for its answer: look at it every ``LOOK_SECONDS``."""

    def __init__(
        self, store: Store, home: Home, command: Command, by: str, seconds: float = ANSWER_SECONDS
    ) -> None:
        self._requests = store.requests
        self._home = home
        self._number = self._requests.ask(command, by)
        self._until = time.monotonic() + seconds

    def look(self) -> Answer | None:
        """The answer, or None while it is worth waiting for.

        Raises the :class:`~..errors.PipelineError` with which the pipeline said no, and
        :class:`Waiting` where no pipeline runs or the time is over. The request then stays.
        """
        answer = self._requests.answer_of(self._number)
        if answer is None:
            running = is_running(self._home)
            if running and time.monotonic() < self._until:
                return None
            # It may have answered between the two looks.
            answer = self._requests.answer_of(self._number)
            if answer is None:
                raise Waiting(running)
        return checked(answer)

    def withdraw(self) -> bool:
        """Take the request back; False where it has been answered meanwhile."""
        return self._requests.withdraw(self._number)


def ask(store: Store, home: Home, command: Command, by: str = "", seconds: float = ANSWER_SECONDS) -> Answer:
    """Write ``command`` into the store and wait; raises as :meth:`Question.look` does."""
    question = Question(store, home, command, by, seconds)
    while True:
        answer = question.look()
        if answer is not None:
            return answer
        time.sleep(LOOK_SECONDS)


def checked(answer: dict[str, Any]) -> Answer:
    """What a request row says; raises the error that it carries."""
    if "error" in answer:
        raise from_dict(answer["error"])
    return Answer(answer.get("job"), answer.get("state"))
