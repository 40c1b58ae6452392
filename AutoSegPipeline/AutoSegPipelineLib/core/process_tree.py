"""A child with everything that it started: how the complete tree is found and ended.

POSIX: a child makes itself leader of a session and says its real pid in
``hello``; its group and all descendants are stopped first, so that nothing
slips away by forking, then killed. Windows: a job object that ends all its
processes when its last handle closes, also when the pipeline itself was killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Protocol

from .process_table import Process, linux_process, marked, members, process_table

__all__ = ["PosixTree", "Process", "ProcessTree", "WindowsTree", "make_tree", "members", "process_table"]


class ProcessTree(Protocol):
    """What a child process and its descendants are to the pipeline."""

    def add(self, pid: int) -> None:
        """``pid`` is a root: the process that was started, or the real one behind a launcher."""

    def left(self) -> int:
        """How many processes of the tree are there."""

    def kill(self) -> None:
        """End every process of the tree at once."""

    def close(self) -> None:
        """The child has ended: end what it left behind and give the handles back."""


def make_tree(mark: str = "") -> ProcessTree:
    """The tree for this system, empty; see :class:`PosixTree` for ``mark``."""
    return WindowsTree() if sys.platform == "win32" else PosixTree(mark)


class PosixTree:
    """Roots by pid and time of birth, the groups that they lead, and whoever inherited their mark.

    ``mark`` is a variable (``NAME=value``) of the roots' environment that nothing else has. Processes whose
    parent has ended, and which lead a group of their own, are found by it.
    """

    _ROUNDS = 5  # a fork bomb is not our child

    def __init__(self, mark: str = "") -> None:
        self._mark = mark
        self._roots: dict[int, str] = {}
        self._groups: set[int] = set()

    def add(self, pid: int) -> None:
        process = linux_process(pid) if os.path.isdir("/proc/self") else process_table().get(pid)
        if process is None or pid <= 1:
            return
        self._roots[pid] = process.born
        # Only a group that the child leads: any other one is ours or a stranger's.
        if process.group == pid != os.getpgrp():
            self._groups.add(pid)

    def left(self) -> int:
        return len(self._alive())

    def kill(self) -> None:
        known: set[int] = set()
        for _ in range(self._ROUNDS):
            found = self._alive() - known
            if not found:
                break
            for pid in found:
                _signal(pid, signal.SIGSTOP)
            known |= found
        for pid in known:
            _signal(pid, signal.SIGKILL)

    def close(self) -> None:
        if self._anything_left():  # else the complete process table need not be read
            self.kill()
        self._roots.clear()
        self._groups.clear()

    def _anything_left(self) -> bool:
        there = any(map(_group_has_members, self._groups)) or any(map(_exists, self._roots))
        return there or bool(self._mark)

    def _alive(self) -> set[int]:
        table = process_table()
        roots = [pid for pid, born in self._roots.items() if pid in table and table[pid].born == born]
        # A group's number is not given to a new process while the group has a member; a new
        # process that bears it was born later than the child and leads a group of its own.
        groups = [g for g in self._groups if g not in table or table[g].born == self._roots[g]]
        if self._mark:
            roots += [pid for pid in marked(self._mark) if pid in table]
        found = members(table, roots, groups)
        return {pid for pid in found if not table[pid].zombie} - {os.getpid(), 0, 1}


def _group_has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return  # it has ended, or it changed its user and is not ours to end


class WindowsTree:
    """A job object; descendants belong to it by birth. Nested jobs exist since Windows 8."""

    def __init__(self) -> None:
        from .windows_job import WindowsJob

        self._job: WindowsJob | None = WindowsJob()
        self._strays: list[int] = []

    def add(self, pid: int) -> None:
        if self._job is not None and not self._job.add(pid):
            self._strays.append(pid)

    def left(self) -> int:
        return self._job.active() if self._job is not None else 0

    def kill(self) -> None:
        if self._job is not None:
            self._job.terminate()
        for pid in self._strays:
            # Not waited for: the Qt thread must not stand still.
            subprocess.Popen(
                ["taskkill", "/T", "/F", "/PID", str(pid)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )  # fmt: skip
        self._strays.clear()

    def close(self) -> None:
        if self._job is not None:
            self._job.terminate()
            self._job.close()
            self._job = None
        self._strays.clear()
