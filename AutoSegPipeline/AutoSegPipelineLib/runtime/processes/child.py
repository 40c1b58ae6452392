"""A child process that speaks :mod:`...core.protocol`, watched from the Qt loop without ever waiting.

The child's standard output carries messages, its standard error goes to the log
line by line. When the child ends, however, its complete tree is ended too.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Protocol, Sequence

from ...core.clock import Clock, SystemClock
from ...core.messages.child_messages import Cancel, Describe, Done, Failed, Hello, Progress, Quit, Stage
from ...core.messages.intake_messages import RunTask
from ...core.messages.worker_messages import RunCase
from ...core.process_tree import ProcessTree, make_tree
from ...core.protocol import Envelope, Key, LineBuffer, ProtocolError, decode, encode
from .. import qt
from .child_command import library_parent
from .child_kinds import ChildKind
from .hang_watch import HungWatch
from .stderr_lines import StderrLines

__all__ = [
    "Child",
    "ChildLike",
    "Exit",
    "Spawn",
    "Spawns",
]

CANCEL_SECONDS = 5.0
_COMMANDS = (RunCase, RunTask, Describe)
_SIGNS_OF_PROGRESS = (Hello, Stage, Progress, Done, Failed)
_FAILED_TO_START = 0

OnMessage = Callable[[Envelope], None]
OnLog = Callable[[str], None]


@dataclass(frozen=True)
class Exit:
    """How a child ended. Look at this first, at what it wrote second.

    ``code`` is the exit code, or the signal's number where ``crashed``.
    ``asked``: the pipeline itself told it to end. ``note`` says in words what
    the pipeline knows beyond that (a protocol error, why it did not start).
    """

    code: int
    crashed: bool = False
    failed_to_start: bool = False
    stderr_tail: str = ""
    pid: int = 0
    asked: bool = False
    note: str = ""
    began: bool = False  # it said hello; else it never got as far as our code

    @property
    def last_words(self) -> str:
        """The last line that it wrote to standard error, or what the pipeline knows; empty for neither."""
        lines = [line.strip() for line in self.stderr_tail.splitlines() if line.strip()]
        return lines[-1] if lines else self.note

    @property
    def how(self) -> str:
        """``exit code 1: ModuleNotFoundError: ...`` or ``signal 9``."""
        ending = f"signal {self.code}" if self.crashed else f"exit code {self.code}"
        return f"{ending}: {self.last_words}" if self.last_words else ending

    @property
    def clean(self) -> bool:
        """Exit code 0 and nothing held against it."""
        return self.code == 0 and not (self.crashed or self.failed_to_start or self.note)


OnEnd = Callable[[Exit], None]
OnHung = Callable[[float], None]


class ChildLike(Protocol):
    """What the pipeline needs of a child; tests hand in a fake with plain methods."""

    def start(self) -> None: ...

    def send(self, envelope: Envelope) -> None: ...

    def cancel(self, job: str, attempt: int) -> bool: ...

    def quit(self, grace: float = CANCEL_SECONDS) -> None: ...

    def kill(self) -> None: ...

    def silent_for(self) -> float: ...


# spawn(on_message, on_log, on_end) makes a child that is not yet started, with its command and
# environment already bound; that of the workers also takes on_hung.
Spawn = Callable[..., ChildLike]
# How each kind of child process is made; tests hand in fakes.
Spawns = Mapping[ChildKind, Spawn]


class Child:
    """One child process. Nothing here blocks; callbacks come from the Qt loop, ``on_end`` last and once."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        on_message: OnMessage,
        on_log: OnLog,
        on_end: OnEnd,
        clock: Clock | None = None,
        *,
        folder: str | None = None,
        hung_seconds: float | None = None,
        on_hung: OnHung | None = None,
        cancel_seconds: float = CANCEL_SECONDS,
        tree: ProcessTree | None = None,
    ) -> None:
        """``hung_seconds`` without progress while a command is under way calls ``on_hung(seconds)``
        once for that silence; with no ``on_hung`` the child's tree is killed.
        """
        self._command = list(command)
        self._env = dict(env)
        self._folder = folder or str(library_parent())
        self._on_message = on_message
        self._on_log = on_log
        self._on_end = on_end
        self._cancel_ms = int(cancel_seconds * 1000)
        self._tree = tree
        self._lines = LineBuffer()
        self._stderr = StderrLines(on_log)
        self._outstanding: OrderedDict[Key, None] = OrderedDict()
        self._cancelling: dict[Key, Any] = {}  # key -> alarm, or None before its turn
        self._quit_alarm: Any = None
        self._process: Any = None
        self._pid = 0
        self._began = False
        self._asked = False
        self._note = ""
        self._ended = False
        self._on_hung = on_hung
        self._hung = HungWatch(hung_seconds, self._silent_too_long, clock or SystemClock())

    @property
    def pid(self) -> int:
        """The real process once it said hello, before that what was started; 0 before the start."""
        return self._pid

    @property
    def busy(self) -> bool:
        """Whether a command was sent that has not been answered."""
        return bool(self._outstanding)

    @property
    def ended(self) -> bool:
        """Whether ``on_end`` was called or is about to be."""
        return self._ended

    def silent_for(self) -> float:
        """Seconds without progress (heartbeats are none) of the command at hand; 0.0 without one."""
        return self._hung.silent_for()

    def start(self) -> None:
        """Start the process; what is sent before it runs waits in the pipe."""
        process = self._process = qt.QProcess()
        process.setProcessEnvironment(qt.environment(self._env))
        process.setWorkingDirectory(self._folder)
        process.started.connect(qt.guarded(self._started))
        process.readyReadStandardOutput.connect(qt.guarded(self._read_output))
        process.readyReadStandardError.connect(qt.guarded(self._read_stderr))
        process.errorOccurred.connect(qt.guarded(self._failed))
        process.finished.connect(qt.guarded(self._finished))
        if self._tree is None:
            self._tree = make_tree()
        process.start(self._command[0], self._command[1:])

    def send(self, envelope: Envelope) -> None:
        """Queue one command; a child that has ended swallows it (its ``on_end`` tells).

        Raises what :func:`~...core.protocol.encode` does.
        """
        line = encode(envelope)
        if self._ended or self._asked or self._process is None:
            return
        if isinstance(envelope.message, _COMMANDS):
            self._outstanding[envelope.key] = None
            if len(self._outstanding) == 1:
                self._hung.begin()
        self._process.write(line)

    def cancel(self, job: str, attempt: int) -> bool:
        """Ask the child to stop one command; when it is at that for 5 s more, the tree is killed.

        The clock starts when the commands before it are answered: a child does
        one after the other. False when no such command is under way.
        """
        key = (str(job), int(attempt))
        if key not in self._outstanding or key in self._cancelling:
            return key in self._cancelling
        self._cancelling[key] = None
        self.send(Envelope(Cancel(), *key))
        self._start_cancel_alarm()
        return True

    def quit(self, grace: float = CANCEL_SECONDS) -> None:
        """Close its standard input: an idle child ends by itself, a busy one breaks off; then the kill."""
        if self._ended or self._process is None:
            return
        if not self._asked:
            self.send(Envelope(Quit()))
            self._asked = True
            self._process.closeWriteChannel()
        if self._quit_alarm is None:
            self._quit_alarm = qt.make_alarm(self.kill)
        self._quit_alarm.start(int(grace * 1000))

    def kill(self) -> None:
        """End the complete tree now. ``on_end`` follows from the loop."""
        self._asked = True
        self._end_tree()

    def _end_tree(self) -> None:
        if self._ended or self._process is None:
            return
        self._hung.end()
        if self._tree is not None:
            self._tree.kill()
        self._process.kill()

    def _started(self, *_: Any) -> None:
        self._pid = int(self._process.processId())
        if self._tree is not None and self._pid:
            self._tree.add(self._pid)

    def _read_output(self, *_: object) -> None:
        self._take(qt.to_bytes(self._process.readAllStandardOutput()))

    def _take(self, data: bytes) -> None:
        if self._note:
            return  # after a protocol error nothing that it says counts
        try:
            for line in self._lines.feed(data):
                self._heard(decode(line))
        except ProtocolError as error:
            self._note = str(error.message)
            self._on_log(f"the child does not speak the protocol: {error.message}")
            self._end_tree()

    def _heard(self, envelope: Envelope) -> None:
        message = envelope.message
        if isinstance(message, _SIGNS_OF_PROGRESS):
            self._hung.progress()
        if isinstance(message, Hello):
            self._began = True
            self._pid = message.pid or self._pid
            if self._tree is not None and self._pid:
                self._tree.add(self._pid)
        elif isinstance(message, (Done, Failed)):
            self._answered(envelope.key)
        qt.guarded(self._on_message)(envelope)

    def _answered(self, key: Key) -> None:
        self._outstanding.pop(key, None)
        alarm = self._cancelling.pop(key, None)
        if alarm is not None:
            alarm.stop()
        if not self._outstanding:
            self._hung.end()
        self._start_cancel_alarm()

    def _start_cancel_alarm(self) -> None:
        """Give the command at hand its last seconds, if it is a cancelled one."""
        key = next(iter(self._outstanding), None)
        if key is None or key not in self._cancelling or self._cancelling[key] is not None:
            return
        alarm = self._cancelling[key] = qt.make_alarm(self.kill)
        alarm.start(self._cancel_ms)

    def _silent_too_long(self, seconds: float) -> None:
        self._read_output()
        if self._hung.silent_for() < seconds:
            return  # it had spoken
        if self._on_hung is not None:
            self._on_hung(seconds)
        else:
            self._note = f"no progress for {seconds:.0f} s"
            self._end_tree()

    def _read_stderr(self, *_: object) -> None:
        self._stderr.feed(qt.to_bytes(self._process.readAllStandardError()))

    def _failed(self, error: object = None) -> None:
        if error is None or qt.number(error) != _FAILED_TO_START:
            return  # a crash is reported by `finished`; a failed write means the same
        self._note = f"{self._command[0]} cannot be started: {self._process.errorString()}"
        # Never inside start(): its caller is not ready for the answer (Windows tells at once).
        ended = Exit(-1, failed_to_start=True, note=self._note, asked=self._asked)
        qt.single_shot(0, lambda: self._end(ended))

    def _finished(self, *_: object) -> None:
        self._take(qt.to_bytes(self._process.readAllStandardOutput()))
        self._read_stderr()
        self._stderr.close()
        crashed = qt.crashed(self._process)
        code = int(self._process.exitCode())
        tail, began = self._stderr.tail, self._began
        self._end(Exit(code, crashed, False, tail, self._pid, self._asked, self._note, began))

    def _end(self, exit_: Exit) -> None:
        if self._ended:
            return
        self._ended = True
        self._hung.end()
        for alarm in [*self._cancelling.values(), self._quit_alarm]:
            if alarm is not None:
                alarm.stop()
        self._cancelling.clear()
        self._outstanding.clear()
        if self._tree is not None:
            self._tree.close()
            self._tree = None
        qt.release(self._process)
        self._process = None
        self._on_end(exit_)
