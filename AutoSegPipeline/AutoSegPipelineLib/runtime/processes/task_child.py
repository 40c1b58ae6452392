"""A child that is started for one task, answers it, and gives its memory back."""

from __future__ import annotations

import itertools
import time
from collections import deque
from dataclasses import dataclass
from typing import Callable, Deque

from ...core.errors import PipelineError, from_dict
from ...core.messages.child_messages import Done, Failed, Log
from ...core.messages.intake_messages import RunTask
from ...core.protocol import Envelope
from ..job_logs import JobLogs
from .child import ChildLike, Exit, Spawn

Answered = Callable[["PipelineError | None"], None]
LIMIT_SECONDS = 3600.0  # as on the command line: a large model on a slow disk


@dataclass
class _Question:
    number: int
    task: RunTask
    answer: Answered


class TaskChild:
    """One child at a time; what is asked meanwhile waits. Each question is answered once.

    ``does`` says in errors what the process is for, ``hint`` what may help where it hangs; ``spawn``
    is None where no child can be made.
    """

    def __init__(self, name: str, does: str, spawn: Spawn | None, logs: JobLogs, hint: str) -> None:
        self._name = name
        self._does = does
        self._spawn = spawn
        self._logs = logs
        self._hint = hint
        self._waiting: Deque[_Question] = deque()
        self._asked: _Question | None = None
        self._child: ChildLike | None = None
        self._began = 0.0  # monotonic, of the child
        self._numbers = itertools.count(1)
        self._stopped = False

    def ask(self, task: RunTask, answer: Answered) -> None:
        """``answer(None)`` follows when it is done, or the error."""
        self._waiting.append(_Question(next(self._numbers), task, answer))
        self._next()

    def _next(self) -> None:
        if self._child is not None or self._asked is not None or not self._waiting or self._stopped:
            return
        self._asked = self._waiting.popleft()
        if self._spawn is None:
            return self._answer(PipelineError("worker.not_started", f"no process {self._does} here"))
        self._child = self._spawn(self._on_message, self._log, self._on_end)
        self._began = time.monotonic()
        self._child.start()
        self._child.send(Envelope(self._asked.task, self._name, self._asked.number))

    def _on_message(self, envelope: Envelope) -> None:
        message = envelope.message
        if isinstance(message, Log):
            self._log(message.text)
        elif self._asked is None or envelope.attempt != self._asked.number:
            return
        elif isinstance(message, Done):
            self._answer(None)
        elif isinstance(message, Failed):
            self._answer(from_dict(message.error))

    def _answer(self, error: PipelineError | None) -> None:
        asked, self._asked = self._asked, None
        if self._child is not None:
            self._child.quit()
        if asked is not None:
            asked.answer(error)
        self._next()

    def _on_end(self, end: Exit) -> None:
        self._child = None
        if self._asked is not None:
            code = "worker.not_started" if end.failed_to_start or not end.began else "worker.vanished"
            self._answer(PipelineError(code, f"the process that {self._does} ended ({end.how})"))
        self._next()

    def look(self) -> None:
        """End a child that takes too long, so that the next question gets its own."""
        if self._child is None or time.monotonic() - self._began < LIMIT_SECONDS:
            return
        child = self._child
        if self._asked is not None:
            text = f"the process that {self._does} gave no answer within {LIMIT_SECONDS / 60:.0f} min"
            self._answer(PipelineError("worker.hung", text, self._hint))
        child.kill()

    def _log(self, text: str) -> None:
        self._logs.write("", self._name, text)

    def stop(self, at_once: bool = False) -> None:
        """End the child; nobody is answered any more."""
        self._stopped, self._asked = True, None
        self._waiting.clear()
        if self._child is not None:
            self._child.kill() if at_once else self._child.quit()

    @property
    def ended(self) -> bool:
        """Whether no child is left."""
        return self._child is None
