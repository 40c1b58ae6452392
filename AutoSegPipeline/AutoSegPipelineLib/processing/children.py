"""Processes that this process started; they must not outlive it."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

_lock = threading.Lock()
_children: set[Any] = set()  # subprocess.Popen; the class is generic only since Python 3.9


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


def end_children() -> None:
    """End every child that is left; called where this process is about to end."""
    with _lock:
        left = list(_children)
    for child in left:
        end_child(child)
