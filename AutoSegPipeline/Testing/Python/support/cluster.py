"""A pipeline with a cluster: no local worker takes a case, bundles go to a share beside the home."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from AutoSegPipelineLib.runtime.cluster.choice import Choice, Chosen
from AutoSegPipelineLib.runtime.pipeline import Pipeline
from AutoSegPipelineLib.runtime.processes.child import Child
from AutoSegPipelineLib.runtime.processes.child_command import child_environment, command_of
from AutoSegPipelineLib.runtime.processes.child_kinds import CLUSTER

import support

from .pipeline import Bench, fake_spawns, write_scan

BUNDLE_WORKER = Path(__file__).with_name("bundle_worker.py")
_TESTS = Path(support.__file__).resolve().parents[1]


def node_python(folder: Path) -> Path:
    """A program that stands for ``cluster_python``: a worker's command runs the pretending one."""
    library = _TESTS.parents[1]
    path = folder / "node-python"
    path.write_text(
        f'#!/bin/sh\nexport PYTHONPATH="{_TESTS}:{library}"\nexec "{sys.executable}" "{BUNDLE_WORKER}" "$@"\n'
    )
    path.chmod(0o755)
    return path


def chosen_by(choice: Choice, free_bundles: int = 0) -> Chosen | None:
    """The next bundle, after all slices of the work."""
    slices = choice.next(free_bundles)
    while True:
        try:
            next(slices)
        except StopIteration as end:
            return end.value


class ClusterBench(Bench):
    """One home with a cluster. ``local``: the worker of this machine takes cases too."""

    def __init__(
        self, root: Path, *, local: bool = False, share: Path | None = None, **settings: Any
    ) -> None:
        self.share = share or root.parent / "share"
        self.share.mkdir(exist_ok=True)
        self.local = local
        root.parent.mkdir(exist_ok=True)
        values = {
            "cluster": "slurm", "cluster_share": str(self.share), "cluster_look_seconds": 0.2,
            "cluster_python": str(node_python(root.parent)), "cluster_memory_gb": [], "watch": False,
        }  # fmt: skip
        super().__init__(root, **{**values, **settings})

    def _make(self) -> Pipeline:
        home = self.home

        def child(on_message: Any, on_log: Any, on_end: Any) -> Child:
            home.work.mkdir(parents=True, exist_ok=True)
            return Child(command_of(CLUSTER), child_environment(home.work), on_message, on_log, on_end)

        spawns = fake_spawns(home, self.do, more={CLUSTER: child})
        pipeline = Pipeline(home, self.settings, spawns, what="test")
        build = pipeline._build

        def without_local_cases() -> None:
            build()
            pipeline.flow.scheduler.dispatch = lambda: None  # type: ignore[method-assign]

        if not self.local:
            pipeline._build = without_local_cases  # type: ignore[method-assign]
        return pipeline

    def kill_and_start(self) -> None:
        """As after ``kill -9``: nothing is written any more, every child dies; then a new pipeline starts."""
        old = self.pipeline
        old.flow.abandon()
        self.until(lambda: old.flow.ended)
        for timer in old._timers:
            timer.stop()
        old._running = False
        old.store.close()
        old._lock.release()
        old.stopped = True
        self.pipeline = self._make()
        self.start()

    def submit(self, folder: Path, *stems: str, **options: object) -> list[str]:
        """Hand in a scan for each stem; the ids of the jobs."""
        found = []
        for number, stem in enumerate(stems):
            scan = write_scan(folder / f"{stem}.nii", seed=number)
            found.append(self.pipeline.commands.submit(scan, dict(options)).id)
        return found

    def ran(self) -> list[tuple[str, int]]:
        """(job, attempt) of every case that a worker of the cluster began."""
        path = self.share / "ran.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(line.split()[0], int(line.split()[1])) for line in lines]

    def bundles(self) -> list[str]:
        """Names of the bundles on the share."""
        return sorted(one for one in os.listdir(self.share) if one.startswith("bundle-"))
