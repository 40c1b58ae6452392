"""Which processes there are on this machine and who started whom (POSIX)."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import Iterable


@dataclass(frozen=True)
class Process:
    """One line of the process table; ``born`` tells two users of one pid apart."""

    pid: int
    parent: int
    group: int
    born: str
    zombie: bool = False


def process_table() -> dict[int, Process]:
    """Every process that this user may see (POSIX), by pid."""
    return _linux_table() if os.path.isdir("/proc/self") else _ps_table()


def _linux_table() -> dict[int, Process]:
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            found = linux_process(int(name))
            if found is not None:
                table[found.pid] = found
    return table


def linux_process(pid: int) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            text = stream.read()
    except OSError:
        return None
    # pid (name) state ppid pgrp ...; the name may hold spaces and brackets. Field 22 is the start time.
    fields = text[text.rfind(b")") + 2 :].split()
    return Process(pid, int(fields[1]), int(fields[2]), fields[19].decode("ascii"), fields[0] in (b"Z", b"X"))


def _ps_table() -> dict[int, Process]:
    columns = ["ps", "-axo", "pid=,ppid=,pgid=,stat=,lstart="]
    listed = subprocess.run(columns, capture_output=True, text=True, errors="replace", check=False)
    table = {}
    for line in listed.stdout.splitlines():
        fields = line.split(None, 4)
        if len(fields) == 5:
            pid, parent, group = (int(field) for field in fields[:3])
            table[pid] = Process(pid, parent, group, fields[4].strip(), fields[3].startswith("Z"))
    return table


def marked(mark: str) -> set[int]:
    """Pids of the processes that inherited ``mark`` (``NAME=value``) in their environment (POSIX).

    Who started whom is lost when a parent ends; what it handed down is not.
    """
    if os.path.isdir("/proc/self"):
        return {int(name) for name in os.listdir("/proc") if name.isdigit() and _has_mark(name, mark)}
    # macOS and the BSDs: with E the environment follows the command.
    listed = subprocess.run(
        ["ps", "-axEww", "-o", "pid=,command="], capture_output=True, text=True, errors="replace", check=False
    )
    lines = (line.split(None, 1) for line in listed.stdout.splitlines() if mark in line)
    return {int(fields[0]) for fields in lines if fields[0].isdigit()}


def _has_mark(pid: str, mark: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            return mark.encode() in stream.read().split(b"\0")
    except OSError:
        return False  # it has ended, or is another user's


def members(table: dict[int, Process], roots: Iterable[int], groups: Iterable[int]) -> set[int]:
    """Pids of ``roots``, of all their descendants and of every process in ``groups``. Pure."""
    below: dict[int, list[int]] = {}
    for process in table.values():
        below.setdefault(process.parent, []).append(process.pid)
    wanted = set(groups)
    waiting = [pid for pid in roots if pid in table]
    waiting += [process.pid for process in table.values() if process.group in wanted]
    found: set[int] = set()
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += below.get(pid, [])
    return found
