"""Asks the intake child and hands each answer to whoever asked.

The child may die over a file that makes a reader crash: its tasks are given to
a new one, and a task that killed it three times is answered with an error. One
that ends before it is ready says nothing about any file: the next waits longer
each time, and only after many in a row are the tasks answered with an error.
"""

from __future__ import annotations

import itertools
import logging
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator, TypeVar

from ...core.errors import PipelineError, from_dict
from ...core.messages.child_messages import Done, Failed, Log
from ...core.messages.intake_messages import IntakeTask, RunTask
from ...core.messages.reader import ProtocolError, plain
from ...core.protocol import Envelope
from .. import qt
from .child import ChildLike, Exit, Spawn
from .child_kinds import INTAKE

log = logging.getLogger(__name__)

A = TypeVar("A")
_IN_FLIGHT = 8


@dataclass
class _Task:
    number: int
    job: str
    task: IntakeTask[object]
    done: Callable[[object], None]
    failed: Callable[[PipelineError], None]
    kills: int = 0
    cancelled: bool = False
    sent: bool = False


@dataclass
class IntakeClient:
    """``ask`` never blocks; answers come in any order, each exactly once, unless :meth:`stop` was called.

    ``spawn`` makes its child.
    """

    spawn: Spawn
    spill: Path
    on_idle_error: Callable[[PipelineError], None]
    _waiting: deque[_Task] = field(default_factory=deque)
    _running: dict[int, _Task] = field(default_factory=dict)
    _child: ChildLike | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _failed_starts: int = 0  # in a row
    _again: Any = None  # the alarm of the next start
    _stopped: bool = False

    def ask(
        self,
        task: IntakeTask[A],
        answer: Callable[[A | None, PipelineError | None], None],
        job: str = "",
    ) -> None:
        """Have the child do ``task``; ``answer(result, None)`` or ``answer(None, error)`` follows."""

        def done(values: object) -> None:
            try:
                result = task.answer(values)
            except ProtocolError as error:
                answer(None, error)
            else:
                answer(result, None)

        def failed(error: PipelineError) -> None:
            answer(None, error)

        self._waiting.append(_Task(next(self._numbers), job, task, done, failed))
        self._pump()

    @property
    def load(self) -> int:
        """Tasks that are waiting or under way."""
        return len(self._waiting) + len(self._running)

    def has(self, job: str) -> bool:
        """Whether a task of ``job`` waits or is under way."""
        return any(task.job == job for task in [*self._waiting, *self._running.values()])

    def cancel(self, job: str) -> None:
        """Answer every task of ``job`` with nothing; what runs is told to stop."""
        self._waiting = deque(task for task in self._waiting if task.job != job)
        for task in self._running.values():
            if task.job == job and not task.cancelled:
                task.cancelled = True
                if self._child is not None:
                    self._child.cancel(str(task.number), 1)

    def stop(self, at_once: bool = False) -> None:
        """No more answers; the child ends."""
        self._stopped = True
        if self._again is not None:
            self._again.stop()
        self._waiting.clear()
        self._running.clear()
        if self._child is not None:
            if at_once:
                self._child.kill()
            else:
                self._child.quit()

    @property
    def ended(self) -> bool:
        """Whether no child is left."""
        return self._child is None

    def _start_later(self) -> None:
        def start() -> None:
            self._again = None
            self._pump()

        seconds = INTAKE.restart.wait_after(self._failed_starts)
        log.error("the intake child ended before it was ready; the next starts in %.2f s", seconds)
        self._again = qt.make_alarm(start)
        self._again.start(int(seconds * 1000))

    def _pump(self) -> None:
        if self._stopped or self._again is not None or not self._waiting:
            return
        if self._child is None:
            self._child = self.spawn(self._on_message, self._on_log, self._on_end)
            self._child.start()
        while self._waiting and len(self._running) < _IN_FLIGHT and self._child is not None:
            task = self._waiting.popleft()
            self._running[task.number] = task
            command = RunTask(task.task.NAME, plain(task.task))
            self._child.send(Envelope(command, str(task.number), 1, str(self.spill)))

    def _on_log(self, text: str) -> None:
        log.info("intake: %s", text)

    def _on_message(self, envelope: Envelope) -> None:
        message = envelope.message
        if isinstance(message, Log):
            log.info("intake: %s", message.text)
        if not isinstance(message, (Done, Failed)):
            return
        self._failed_starts = 0
        task = self._running.pop(int(envelope.job), None) if envelope.job.isdigit() else None
        if task is None:
            return
        self._pump()
        if task.cancelled or self._stopped:
            return
        if isinstance(message, Done):
            task.done(message.result or {})
        else:
            task.failed(from_dict(message.error))

    def _on_end(self, end: Exit) -> None:
        self._child = None
        if self._stopped:
            return
        lost = sorted(self._running.values(), key=lambda task: task.number)
        self._running.clear()
        self._failed_starts = 0 if end.began else self._failed_starts + 1
        # Only the oldest can have been at work: the child takes one after the other.
        if lost and end.began:
            lost[0].kills += 1
        no_start = self._failed_starts >= INTAKE.restart.starts
        for task in reversed(lost):
            if task.cancelled:
                continue
            if no_start or task.kills >= INTAKE.restart.tries:
                self._give_up(task, end)
            else:
                self._waiting.appendleft(task)
        if self._waiting and self._failed_starts and not no_start:
            self._start_later()
        self._pump()

    def _give_up(self, task: _Task, end: Exit) -> None:
        if not end.began:
            said = f"the intake child cannot start ({end.how})"
            error = PipelineError("worker.not_started", said, log_tail=end.stderr_tail)
            self.on_idle_error(error)
        else:
            said = f"the intake child ended {task.kills} times over this input ({end.how})"
            error = PipelineError("worker.vanished", said, log_tail=end.stderr_tail)
        task.failed(error)
