"""Who has a case of a bundle: one worker at a time, also where several work on the same bundle.

A claim is a numbered folder, which the share lets only one worker make. Who made the highest one has the
case; whoever sees a higher one than its own has lost it. Its count in ``progress.json`` grows while its
worker lives. Where it stands still for a settled time by the reader's own monotonic clock, the next number
may be made.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from dataclasses import dataclass
from typing import Mapping

from ..files import fsync_folder, remove_tree, retried, write_json
from ..messages.reader import plain
from ..process_table import linux_process
from .layout import CLAIM, MAKING, OUTCOME, CaseFolder, Outcome, read_or_none

OWNER = "owner.json"
# A worker counts every few seconds; a share may be slow for a while, and caches what it shows for a minute.
STALE_SECONDS = 120.0


@dataclass(frozen=True)
class Owner:
    """Which process made a claim. ``machine`` and ``born`` are empty where they cannot be known."""

    host: str
    pid: int
    machine: str = ""
    born: str = ""
    scheduler_job: str = ""


def this_process(scheduler_job: str = "") -> Owner:
    """The owner that this process is."""
    pid = os.getpid()
    found = linux_process(pid) if sys.platform.startswith("linux") else None
    return Owner(platform.node(), pid, _machine(), found.born if found else "", scheduler_job)


def scheduler_job(environ: Mapping[str, str]) -> str:
    """The id of the batch job that this process belongs to; empty outside of one."""
    array, task = environ.get("SLURM_ARRAY_JOB_ID"), environ.get("SLURM_ARRAY_TASK_ID")
    if array and task:
        return f"{array}_{task}"
    names = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")
    return next((environ[name] for name in names if environ.get(name)), "")


def _machine() -> str:
    """The same for processes that see one another's pids, until the next start of the machine (Linux)."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return f"{stream.read().strip()} {os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def is_dead(owner: Owner) -> bool:
    """Whether the process is known to have ended: it ran on this machine and is not there any more."""
    if not owner.machine or owner.machine != _machine():
        return False
    found = linux_process(owner.pid)
    return found is None or found.zombie or found.born != owner.born


class Claim:
    """A case that this worker has."""

    def __init__(self, folder: CaseFolder, number: int) -> None:
        self.folder = folder
        self.number = number
        self._place = folder.path / f"{CLAIM}{number}"
        self.making = folder.path / f"{MAKING}{number}"

    def is_lost(self) -> bool:
        """Whether another worker took the case over, or finished it; raises OSError."""
        return self.folder.claim_number() != self.number or self.folder.is_finished

    def empty(self) -> None:
        """Make ``making`` an empty folder; raises OSError."""
        remove_tree(self.making)
        self.making.mkdir()

    def publish(self, outcome: Outcome) -> bool:
        """Let ``making`` with ``outcome`` be the result, in one step and durably; raises OSError.

        False where another worker had the case: its result stays and ours goes.
        """
        if self.is_lost():
            remove_tree(self.making)
            return False
        try:
            write_json(self.making / OUTCOME, plain(outcome))
            # A folder is never renamed over one with files in it; on Windows over none at all.
            retried(lambda: os.rename(self.making, self.folder.result))
        except OSError:
            if not self.folder.is_finished:
                raise
            remove_tree(self.making)
            return False
        fsync_folder(self.folder.path)
        for left in self.folder.path.glob(f"{MAKING}*"):  # of workers that vanished
            with contextlib.suppress(OSError):
                remove_tree(left)
        return True

    def release(self) -> None:
        """Let somebody else have the case at once; raises OSError."""
        remove_tree(self.making)
        remove_tree(self._place)


def take(folder: CaseFolder, number: int, owner: Owner) -> Claim | None:
    """Make claim ``number``, or None where somebody else has it; raises OSError."""
    place = folder.path / f"{CLAIM}{number}"
    try:
        os.mkdir(place)
    except FileExistsError:
        return None
    try:
        write_json(place / OWNER, plain(owner), durable=False)
    except OSError:
        with contextlib.suppress(OSError):  # else nobody has the case until the claim is stale
            remove_tree(place)
        raise
    return Claim(folder, number)


class Sight:
    """What one worker sees of a claim of another: whether it counts on, and since when it does not."""

    def __init__(self, folder: CaseFolder, now: float) -> None:
        self._folder = folder
        self._seen = self._look()
        self._since = now
        self.is_alive = False  # it was seen counting

    def _look(self) -> tuple[int, int, int]:
        progress = self._folder.progress()
        counted = (progress.claim, progress.count) if progress else (0, 0)
        return (self._folder.claim_number(), *counted)

    @property
    def number(self) -> int:
        """The highest claim as it was last seen."""
        return self._seen[0]

    def may_be_taken(self, now: float, stale_seconds: float) -> bool:
        """Look again at the monotonic time ``now``: its worker has ended, or let go; raises OSError."""
        seen = self._look()
        if seen != self._seen:
            self._seen, self._since = seen, now
            self.is_alive = seen[0] > 0
        owner = read_or_none(Owner, self._folder.path / f"{CLAIM}{seen[0]}" / OWNER)
        if seen[0] == 0 or (owner is not None and is_dead(owner)):
            self.is_alive = False
            return True
        return now - self._since >= stale_seconds
