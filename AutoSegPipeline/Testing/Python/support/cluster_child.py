"""The cluster child's part in this process: a share that is a folder, and a scheduler that a test drives."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping, Sequence

from AutoSegPipelineLib.cluster.bundles_out import BundlesOut
from AutoSegPipelineLib.cluster.executor import WAITING, Executor, JobState
from AutoSegPipelineLib.cluster.share import Share
from AutoSegPipelineLib.core.cluster_settings import JobSize
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.messages.cluster_messages import PackCase
from AutoSegPipelineLib.core.messages.reader import plain
from AutoSegPipelineLib.core.messages.worker_messages import CaseOrder

from . import bundle_worker as worker
from .pipeline import write_scan


class Crash(BaseException):
    """The process dies here."""


def no_room(_packing: object) -> None:
    """Stands for a method that meets a full disk."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@dataclass
class Scheduler:
    """States are what the test says."""

    name: str = "slurm"
    workers: int = 0
    command: str = ""
    submitted: list[list[str]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    state: JobState = field(default_factory=lambda: JobState(WAITING))
    away: bool = False
    known: dict[str, list[str]] = field(default_factory=dict)
    crashes: bool = False

    def submit(self, bundles: Sequence[Path], size: JobSize, token: str) -> list[str]:
        self._check()
        self.submitted.append([bundle.name for bundle in bundles])
        jobs = [f"job-{bundle.name}" for bundle in bundles]
        self.known[token] = jobs
        if self.crashes:
            raise Crash
        return jobs

    def find(self, token: str, count: int) -> list[str]:
        self._check()
        return self.known.get(token, [])

    def states(self, ids: Sequence[str]) -> Mapping[str, JobState]:
        self._check()
        return dict.fromkeys(ids, self.state)

    def _check(self) -> None:
        if self.away:
            raise PipelineError("environment.scheduler_unreachable", "squeue: no answer")

    def cancel(self, ids: Sequence[str]) -> None:
        self.cancelled += ids

    def log(self, job_id: str) -> str:
        return "the last words"

    def forget(self, job_id: str) -> None:
        pass

    def stop(self) -> None:
        pass


class Child:
    """The bundles that are out, a share and what was said."""

    def __init__(self, root: Path, scheduler: Executor | None = None, hung_seconds: float = 3600.0) -> None:
        self.root = root
        self.scheduler: Any = scheduler or Scheduler()
        self.path = root / "share"
        self.path.mkdir(exist_ok=True)
        self.said: list[tuple[Any, tuple[str, int]]] = []
        share = Share(self.path, "home-1", root / "note.json", 1 << 20)
        self.out = BundlesOut(share, self.scheduler, lambda *about: self.said.append(about), hung_seconds)

    def send(self, *jobs: str, bundle: str = "bundle-00000001", attempt: int = 1) -> None:
        """A case for each job, in one bundle."""
        for job in jobs:
            scan = write_scan(self.root / "staged" / job / "scan.nii")
            order = CaseOrder(
                "scan", str(scan), job, str(self.root / "out" / job), str(self.root / "work" / job)
            )
            (self.root / "out").mkdir(exist_ok=True)
            self.out.pack((job, attempt), PackCase(bundle, plain(order)))
        self.out.send(bundle, JobSize(minutes=10))

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.out.look()

    def heard(self, kind: type) -> list[Any]:
        return [message for message, _ in self.said if isinstance(message, kind)]

    def folder(self, job: str, bundle: str = "bundle-00000001", attempt: int = 1) -> Path:
        return self.path / bundle / "cases" / f"{job}-{attempt}"

    def work(self, job: str) -> None:
        """What a worker does with it."""
        folder = self.folder(job)
        (folder / "claim-1").mkdir()
        case = json.loads((folder / "case.json").read_text())
        worker.work_on(self.path / "bundle-00000001", folder, case)
