"""Processes that this process started; they must not outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import Any

_lock = threading.Lock()
_children: set[Any] = set()  # subprocess.Popen; the class is generic only since Python 3.9
_guarded: dict[int, str] = {}  # pid -> its command at the time


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


def guard(pid: int) -> None:
    """``pid`` is a process of the pipeline's own, which must not outlive it; not needed on Windows.

    There the pipeline's job object ends it.
    """
    if sys.platform != "win32":
        with _lock:
            _guarded[pid] = _table().get(pid, (0, ""))[1]


def _table() -> dict[int, tuple[int, str]]:
    """Parent and time of birth of every process (POSIX)."""
    listed = subprocess.run(
        ["ps", "-axo", "pid=,ppid=,lstart="], capture_output=True, text=True, errors="replace", check=False
    )
    rows = (line.split(None, 2) for line in listed.stdout.splitlines())
    return {int(row[0]): (int(row[1]), row[2].strip()) for row in rows if len(row) == 3}


def _end_guarded() -> None:
    """End each guarded process with its descendants, unless its number is another's by now."""
    with _lock:
        guarded = dict(_guarded)
        _guarded.clear()
    if not guarded:
        return
    table = _table()
    doomed = [pid for pid, born in guarded.items() if pid in table and table[pid][1] == born]
    for pid in doomed:  # grows while it is walked
        doomed += [child for child, (parent, _born) in table.items() if parent == pid and child not in doomed]
    for pid in doomed:
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue  # it has ended, or is not ours to end


def end_children() -> None:
    """End every child that is left; called where this process is about to end."""
    if sys.platform != "win32":
        _end_guarded()
    with _lock:
        left = list(_children)
    for child in left:
        end_child(child)
