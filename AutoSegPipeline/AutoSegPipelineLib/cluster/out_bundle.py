"""A bundle that is out and its cases, as the cluster child knows them; how it is packed and submitted."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from ..core.bundles.layout import Bundle, CaseFolder, CaseProgress, with_paths
from ..core.bundles.packing import Packing
from ..core.cluster_settings import JobSize
from ..core.files import read_json, remove_tree, write_json
from ..core.messages.worker_messages import CaseOrder
from ..core.protocol import Key
from .executor import WAITING, JobState

SUBMITTED = "submitted.json"  # ours, beside the list: what the scheduler was asked for, then its job


@dataclass(frozen=True)
class Asked:
    """Written down before the scheduler is asked: a death or no answer leaves open whether it has the job.

    Of the ``count`` jobs with ``token`` this is number ``number``; ``since`` is monotonic time here.
    """

    token: str
    number: int
    count: int
    since: float


@dataclass
class OutCase:
    """One attempt at a case. ``order`` says where its results go; ``over``: the pipeline was told its end."""

    job: str
    attempt: int
    order: CaseOrder
    over: bool = False
    settled: bool = False
    logged: int = 0  # bytes of its log that were sent
    said: object = None  # the last message about it

    @property
    def key(self) -> Key:
        """Job and attempt."""
        return (self.job, self.attempt)


@dataclass
class OutBundle:
    """``size`` is None until all cases are known; ``job`` is empty until it was submitted."""

    name: str
    cases: dict[Key, OutCase] = field(default_factory=dict)
    size: JobSize | None = None
    packed: bool = False
    job: str = ""
    asked: Asked | None = None  # while nobody knows whether the scheduler has it
    folders: dict[Key, CaseFolder] = field(default_factory=dict)  # as its list says, which never changes
    state: JobState = field(default_factory=lambda: JobState(WAITING))
    ended_looks: int = 0
    idle_looks: int = 0
    counts: object = None  # of heartbeats, at the last change
    changed_at: float = 0.0

    @property
    def open_cases(self) -> list[OutCase]:
        """Those whose end the pipeline does not know yet."""
        return [case for case in self.cases.values() if not case.over]

    @property
    def is_settled(self) -> bool:
        """Whether nobody waits for anything in it."""
        return self.size is not None and all(case.settled for case in self.cases.values())

    def read_list(self, bundle: Bundle) -> None:
        """Read once which cases it has; raises OSError, ``environment.bundle_damaged``."""
        if not self.folders:
            self.folders = {(one.job, one.attempt): bundle.folder(one) for one in bundle.read().cases}

    def folder(self, bundle: Bundle, case: OutCase) -> CaseFolder | None:
        """The folder of ``case``, None where it has none; raises as :meth:`read_list`."""
        self.read_list(bundle)
        return self.folders.get(case.key)

    def claims(self, bundle: Bundle, case: OutCase) -> int:
        """How many workers took ``case``; raises as :meth:`read_list`."""
        folder = self.folder(bundle, case)
        return folder.claim_number() if folder is not None and folder.path.is_dir() else 0


def pack(out: OutBundle, path: Path, pipeline: str) -> list[OutCase]:
    """Make the bundle unless it is complete already; cases whose input is not there, which it leaves out.

    Raises OSError, and then nothing of it is left.
    """
    bundle = Bundle(path)
    if bundle.is_complete:
        _recall(out, path)
        out.packed = True
        return []
    remove_tree(path)  # begun by a process that died
    gone = [case for case in out.open_cases if not all(map(os.path.exists, _inputs(case.order)))]
    try:
        packing = Packing(path, pipeline)
        for case in out.open_cases:
            if case not in gone:
                packing.add(case.job, case.attempt, case.order)
        packing.publish()
    except OSError:
        remove_tree(path)
        raise
    out.packed = True
    return gone


def _inputs(order: CaseOrder) -> list[str]:
    """All files and folders that ``order`` names."""
    found: list[str] = []

    def note(path: str) -> str:
        found.append(path)
        return path

    with_paths(order, note)
    return found


def note_asked(path: Path, asked: Asked) -> None:
    """Write down, durably, that the scheduler is asked about the bundle ``path`` now; raises OSError."""
    write_json(path / SUBMITTED, {"token": asked.token, "number": asked.number, "count": asked.count})


def note_submitted(path: Path, job: str) -> None:
    """Write down, durably, that ``job`` of the scheduler works on the bundle ``path``; raises OSError."""
    write_json(path / SUBMITTED, {"job": job})


def _recall(out: OutBundle, path: Path) -> None:
    try:
        note = read_json(path / SUBMITTED)
        out.job = str(note.get("job", ""))
        if not out.job:
            out.asked = Asked(str(note["token"]), int(note["number"]), int(note["count"]), time.monotonic())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return


def where(kind: str, job: str, progress: CaseProgress | None = None, machine: str = "") -> str:
    """Machine and job, as people read it."""
    host = (progress.host if progress else "") or machine
    named = f"{kind} {job}" if job else kind
    return f"{host} ({named})" if host else named
