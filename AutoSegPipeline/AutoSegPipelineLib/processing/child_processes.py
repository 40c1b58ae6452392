"""Processes that this process started; they must not outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import Any

from ..core.process_table import members, process_table
from ..core.process_tree import ProcessTree

_lock = threading.Lock()
_guard_lock = threading.Lock()
_children: set[Any] = set()  # subprocess.Popen; the class is generic only since Python 3.9
_trees: list[ProcessTree] = []
_guarded: dict[int, str] = {}  # pid -> when it was born, which tells two users of one pid apart


def start_child(command: list[str], **how: Any) -> subprocess.Popen[bytes]:
    """Start ``command`` (no console window on Windows) and remember it."""
    if sys.platform == "win32":
        how.setdefault("creationflags", subprocess.CREATE_NO_WINDOW)
    with _lock:
        child = subprocess.Popen(command, **how)
        _children.add(child)
    return child


def end_child(child: subprocess.Popen[bytes]) -> None:
    """Kill ``child`` and take its exit code, so that no zombie stays."""
    if child.poll() is None:
        child.kill()
    child.wait()
    with _lock:
        _children.discard(child)


def remember_tree(tree: ProcessTree) -> None:
    """``tree`` must not outlive this process either; :func:`forget_tree` follows when it has ended."""
    with _lock:
        _trees.append(tree)


def run_child(command: list[str], seconds: float, tree: ProcessTree, **how: Any) -> int:
    """The exit code of ``command``. Nothing of ``tree``, which it joins, is left afterwards.

    Raises ``OSError`` where it cannot be started and ``subprocess.TimeoutExpired``.
    """
    remember_tree(tree)
    try:
        child = start_child(command, stdin=subprocess.DEVNULL, **how)
        try:
            tree.add(child.pid)
            return child.wait(seconds)
        finally:
            tree.kill()
            end_child(child)
    finally:
        forget_tree(tree)


def forget_tree(tree: ProcessTree) -> None:
    """End what is left of ``tree`` and give back what it holds."""
    with _lock:
        if tree in _trees:
            _trees.remove(tree)
    tree.close()


def guard(pid: int) -> None:
    """``pid`` is a process of the pipeline's own, which must not outlive it; not needed on Windows.

    There the pipeline's job object ends it.
    """
    if sys.platform != "win32":
        with _guard_lock:
            found = process_table().get(pid)
            if found is not None:
                _guarded[pid] = found.born


def _end_guarded() -> None:
    """End each guarded process with its descendants, unless its number is another's by now.

    A second thread waits here until the first is done: its process ends after it.
    """
    with _guard_lock:
        if not _guarded:
            return
        table = process_table()
        left = [pid for pid, born in _guarded.items() if pid in table and table[pid].born == born]
        for pid in members(table, left, []) - {os.getpid(), 0, 1}:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue  # it has ended, or is not ours to end
        _guarded.clear()


def end_children() -> None:
    """End every child that is left; called where this process is about to end."""
    if sys.platform != "win32":
        _end_guarded()
    with _lock:
        left, trees = list(_children), list(_trees)
    for tree in trees:
        tree.kill()
    for child in left:
        end_child(child)
