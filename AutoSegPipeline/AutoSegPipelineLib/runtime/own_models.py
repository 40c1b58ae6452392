"""Has a child add, check and remove your own models; it reads checkpoints, the pipeline never does."""

from __future__ import annotations

import itertools
import time
from collections import deque
from dataclasses import dataclass
from typing import Callable, Deque, Mapping

from ..core.errors import PipelineError, from_dict
from ..core.files import remove_tree
from ..core.home import Home
from ..core.messages.child_messages import Done, Failed, Log
from ..core.messages.intake_messages import RunTask
from ..core.model_uploads import upload_folder
from ..core.protocol import Envelope
from .job_logs import JobLogs
from .processes.child import ChildLike, Exit, Spawn

Answered = Callable[["PipelineError | None"], None]
_LIMIT_SECONDS = 3600.0  # as on the command line: a large model on a slow disk


@dataclass
class _Question:
    number: int
    task: RunTask
    answer: Answered


class OwnModels:
    """One child at a time, which ends after its answer and gives its memory back.

    ``place`` is the setting ``models_dir``; ``spawn`` makes the child, None where none can be made.
    """

    def __init__(self, home: Home, place: str, spawn: Spawn | None, logs: JobLogs) -> None:
        self._home = home
        self._place = place
        self._spawn = spawn
        self._logs = logs
        self._waiting: Deque[_Question] = deque()
        self._asked: _Question | None = None
        self._child: ChildLike | None = None
        self._began = 0.0  # monotonic, of the child
        self._numbers = itertools.count(1)
        self._stopped = False

    def add(self, upload: str, fields: Mapping[str, object], answer: Answered) -> None:
        """Add what was uploaded; the upload goes once it was added, and stays for another try where not.

        Raises ``request.invalid`` for an upload that is not there.
        """
        files = upload_folder(self._home, upload)

        def answered(error: PipelineError | None) -> None:
            if error is None:
                remove_tree(files.folder)
            answer(error)

        labels = {"labels": str(files.labels)} if files.labels is not None else {}
        self.ask("add", {**fields, "source": str(files.model), **labels}, answered)

    def ask(self, do: str, fields: Mapping[str, object], answer: Answered) -> None:
        """``check`` or ``remove``; ``answer(None)`` follows, or the error."""
        task = RunTask(do, {**fields, "place": self._place})
        self._waiting.append(_Question(next(self._numbers), task, answer))
        self._next()

    def _next(self) -> None:
        if self._child is not None or self._asked is not None or not self._waiting or self._stopped:
            return
        self._asked = self._waiting.popleft()
        if self._spawn is None:
            return self._answer(PipelineError("worker.not_started", "no child can look at models here"))
        self._child = self._spawn(self._on_message, self._log, self._on_end)
        self._began = time.monotonic()
        self._child.start()
        self._child.send(Envelope(self._asked.task, "models", self._asked.number))

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
            self._answer(PipelineError(code, f"the process that looks at models ended ({end.how})"))
        self._next()

    def look(self) -> None:
        """End a child that takes too long, so that the next question gets its own."""
        if self._child is None or time.monotonic() - self._began < _LIMIT_SECONDS:
            return
        child = self._child
        if self._asked is not None:
            text = f"the process that looks at models gave no answer within {_LIMIT_SECONDS / 60:.0f} min"
            hint = "Try again; a disk that does not answer, or the model itself, may be why."
            self._answer(PipelineError("worker.hung", text, hint))
        child.kill()

    def _log(self, text: str) -> None:
        self._logs.write("", "models", text)

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
