"""One run of a program: started without a shell, watched, ended with everything that it started."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from ....core.errors import EngineFailed, PipelineError
from ....core.files import free_bytes
from ....core.process_tree import ProcessTree, make_tree
from ....core.progress import Report
from ...child_processes import end_child, forget_tree, remember_tree, start_child
from .declaration import Declaration
from .messages import MOST_BYTES, Messages
from .program import MARK, environment_of, run_beside

_LOOK_SECONDS = 0.2
_SPACE_SECONDS = 3.0  # between two looks at how much it has written
_MOST_FILES = 200_000
_POLITE_SECONDS = 1.5  # a cancelled case has 5 s in all
_STOP_SECONDS = 2.5
_LEFT_SECONDS = 2.0  # helpers of a program that has ended may need a moment
_FULL = 1 << 20
_NO_MEMORY = ("out of memory", "outofmemory", "memoryerror", "bad_alloc", "cannot allocate memory")


@dataclass(frozen=True)
class Order:
    """What to run: ``command`` complete, ``variables`` besides its usual environment."""

    declared: Declaration
    command: Sequence[str]
    folder: Path
    run: str
    variables: dict[str, str]
    stop: Sequence[str] = ()


def run_program(order: Order, report: Report) -> None:
    """Run it to its end. No process of it is left afterwards, however it ends.

    Raises ``engine.failed``, ``.no_memory``, ``.time_limit``, ``.bad_output`` (it floods its messages or its
    folder), ``environment.disk_full`` and what ``report`` raises (``Cancelled``).
    """
    _Run(order, report).run()


class _Run:
    def __init__(self, order: Order, report: Report) -> None:
        self._order = order
        self._declared = order.declared
        self._name = order.declared.name
        self._report = report

    def run(self) -> None:
        tree = make_tree(f"{MARK}={self._order.run}")
        remember_tree(tree)
        try:
            self._started(tree)
        finally:
            forget_tree(tree)

    def _started(self, tree: ProcessTree) -> None:
        order = self._order
        try:
            child = start_child(
                list(order.command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=str(order.folder),
                env=environment_of(self._declared, order.folder, {**order.variables, MARK: order.run}),
            )
        except OSError as error:
            raise EngineFailed(
                "engine.not_available", f"{self._name} cannot be started: {error.strerror or error}"
            ) from error
        assert child.stdout is not None
        tree.add(child.pid)
        messages = Messages(child.stdout.fileno(), self._declared.progress)
        try:
            code = self._watched(child, messages)
            left = _left_behind(tree)
        except BaseException:
            self._break_off(child, tree)
            raise
        finally:
            tree.kill()
            end_child(child)
            messages.finish(_LEFT_SECONDS)
            messages.flush(self._log)
            child.stdout.close()
        self._judge(code, left, messages)

    def _watched(self, child: subprocess.Popen[bytes], messages: Messages) -> int:
        """The exit code; raises what ends it before."""
        began = looked = time.monotonic()
        limit = self._declared.time_limit_minutes * 60.0
        while True:
            try:
                return child.wait(_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                pass
            now = time.monotonic()
            messages.flush(self._log)
            self._report.progress(messages.fraction or 0.0, f"{self._name}: {_duration(now - began)}")
            if now - began > limit:
                text = f"{self._name} did not end within {_duration(limit)} and was ended"
                raise EngineFailed("engine.time_limit", text)
            if messages.bytes > MOST_BYTES:
                text = f"{self._name} wrote more than {MOST_BYTES >> 20} MB of messages and was ended"
                raise EngineFailed("engine.bad_output", text)
            if now - looked > _SPACE_SECONDS:
                self.check_space()
                looked = time.monotonic()

    def check_space(self) -> None:
        """Raise ``engine.bad_output`` where it has written too much."""
        limit = self._declared.space_limit_gb * 1e9
        size, files = _usage(self._order.folder)
        if size > limit or files > _MOST_FILES:
            what = f"{size / 1e9:.2f} GB" if size > limit else f"{files} files"
            text = f"{self._name} wrote {what} into its folder, more than it may, and was ended"
            raise EngineFailed(
                "engine.bad_output", text, "Raise space_limit_gb in engines.json if it needs that."
            )

    def _break_off(self, child: subprocess.Popen[bytes], tree: ProcessTree) -> None:
        """Ask politely, because a container's client passes that on; then by force."""
        if sys.platform != "win32" and child.poll() is None:
            child.terminate()
            try:
                child.wait(_POLITE_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        tree.kill()
        if self._order.stop:
            self._stop()

    def _stop(self) -> None:
        """The declared way to end what is not in the tree, such as a container."""
        order = self._order
        try:
            code = run_beside(self._declared, order.stop, _STOP_SECONDS, order.folder, subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired) as error:
            self._log(f"the command to stop {self._name} did not work: {error}")
            return
        if code:
            self._log(f"the command to stop {self._name} ended with exit code {code}")

    def _log(self, text: str) -> None:
        self._report.log(text)

    def _judge(self, code: int, left: int, messages: Messages) -> None:
        """Raise unless it ended well and alone."""
        if code:
            if self._order.stop:  # perhaps only the client ended, and what it asked for still runs
                self._stop()
            raise self._failed(code, messages)
        self.check_space()
        if left:
            text = (
                f"{self._name} ended and left {left} process{'es' if left > 1 else ''} running, "
                "which might still have been writing; all were ended"
            )
            raise EngineFailed("engine.failed", text)

    def _failed(self, code: int, messages: Messages) -> PipelineError:
        tail = messages.tail
        last = tail[-1] if tail else ""
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        text = f"{self._name} ended with {how}{': ' + last[:300] if last else ''}"
        if free_bytes(self._order.folder) < _FULL:
            return PipelineError("environment.disk_full", f"no space left for {self._name}")
        said = " ".join(tail).casefold()
        # Linux ends the process that holds most when memory runs out.
        if code == -9 or code == 137 or any(words in said for words in _NO_MEMORY):
            return EngineFailed("engine.no_memory", text)
        return EngineFailed("engine.failed", text)


def _left_behind(tree: ProcessTree) -> int:
    """How many processes are still there after the program's own end."""
    until = time.monotonic() + _LEFT_SECONDS
    while tree.left():
        if time.monotonic() > until:
            return tree.left()
        time.sleep(0.05)
    return 0


def _usage(folder: Path) -> tuple[int, int]:
    """Bytes and number of the files below ``folder``; counting ends at the most that is allowed."""
    size = files = 0
    waiting = [str(folder)]
    while waiting and files <= _MOST_FILES:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    files += 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        size += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue  # it went away while we looked
    return size, files


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
