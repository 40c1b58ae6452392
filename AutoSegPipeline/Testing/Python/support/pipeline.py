"""A pipeline on a home of its own, with the fake worker, driven from a test."""

from __future__ import annotations

import gzip
import hashlib
import struct
import sys
from pathlib import Path
from typing import Any, Callable

import numpy
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.runtime.pipeline import Pipeline
from AutoSegPipelineLib.runtime.processes.child import Child, Spawn, Spawns
from AutoSegPipelineLib.runtime.processes.child_command import child_environment, command_of
from AutoSegPipelineLib.runtime.processes.child_kinds import INTAKE, WORKER, ChildKind

from support.qt import run_until

FAKE_WORKER = Path(__file__).with_name("fake_worker.py")
QUICK = {"settle_seconds": 0.1, "rescan_seconds": 0.3, "disk_reserve_mb": 1, "disk_min_free_mb": 10}


def write_scan(
    path: Path, seed: int = 0, shape: tuple[int, int, int] = (12, 11, 10), compress: bool = False
) -> Path:
    """A small NIfTI scan (shape i, j, k; 1 mm; sform set) of seeded noise in HU."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *shape, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<f", header, 108, 352.0)
    struct.pack_into("<f", header, 112, 1.0)
    struct.pack_into("<2h", header, 252, 0, 1)
    for row in range(3):
        values = [0.0] * 4
        values[row] = 1.0
        struct.pack_into("<4f", header, 280 + 16 * row, *values)
    header[344:348] = b"n+1\0"
    voxels = (
        numpy.random.default_rng(seed).integers(-1000, 1000, shape[0] * shape[1] * shape[2]).astype("<i2")
    )
    data = bytes(header) + voxels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, 1) if compress else data)
    return path


def fake_spawns(
    home: Home, do: str = "", hung_seconds: float | None = None, more: dict[ChildKind, Spawn] | None = None
) -> Spawns:
    """The fake worker, doing ``do`` with every case, and the real intake child; ``more`` adds or replaces."""

    def worker(on_message: Any, on_log: Any, on_end: Any, on_hung: Any = None) -> Child:
        home.work.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(FAKE_WORKER)] + (["--do", do] if do else [])
        told = {
            "FAKE_WORKER_LOG": str(home.logs / "fake-worker.log"),
            "FAKE_DESCRIBE": str(home.root / "describe.json"),
        }
        env = child_environment(home.work, told)
        return Child(command, env, on_message, on_log, on_end, hung_seconds=hung_seconds, on_hung=on_hung)

    def intake(on_message: Any, on_log: Any, on_end: Any) -> Child:
        home.work.mkdir(parents=True, exist_ok=True)
        return Child(command_of(INTAKE), child_environment(home.work), on_message, on_log, on_end)

    return {WORKER: worker, INTAKE: intake, **(more or {})}


class Bench:
    """One home, one pipeline at a time; ``with`` it, so that no process is left."""

    def __init__(self, root: Path, do: str = "", hung_seconds: float | None = None, **settings: Any) -> None:
        self.home = Home.at(root)
        self.do = do
        self.hung_seconds = hung_seconds
        self.settings = Settings.defaults(**{**QUICK, **settings})
        self.pipeline: Pipeline = self._make()

    def _make(self) -> Pipeline:
        return Pipeline(
            self.home, self.settings, fake_spawns(self.home, self.do, self.hung_seconds), what="test"
        )

    def __enter__(self) -> Bench:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until recovery is over."""
        self.pipeline.start()
        run_until(lambda: self.pipeline.ready, 180)

    def stop(self) -> None:
        """Stop and wait until every child is gone."""
        if self.pipeline.stopped:
            return
        self.pipeline.stop()
        run_until(lambda: self.pipeline.stopped, 180)

    def restart(self) -> None:
        """A new pipeline on the same home."""
        self.stop()
        self.pipeline = self._make()
        self.start()

    def job(self, job_id: str) -> Job:
        return self.pipeline.store.jobs.get(job_id)

    def jobs(self) -> list[Job]:
        return self.pipeline.store.jobs.list()

    def until(self, predicate: Callable[[], object], timeout: float = 180.0) -> None:
        run_until(predicate, timeout)

    def until_ended(self, count: int, timeout: float = 300.0) -> list[Job]:
        """Wait until ``count`` jobs are there and all have ended."""
        run_until(lambda: len(self.jobs()) >= count and all(job.ended for job in self.jobs()), timeout)
        return self.jobs()

    def drop(self, name: str, seed: int = 0, **kinds: Any) -> Path:
        """A scan in the inbox, moved into place like a browser's download."""
        waiting = write_scan(self.home.root / "elsewhere" / Path(name).name, seed, **kinds)
        target = self.home.inbox / name
        target.parent.mkdir(parents=True, exist_ok=True)
        waiting.rename(target)
        return target

    def results(self) -> list[str]:
        """Names in the results folder."""
        return sorted(path.name for path in self.home.results.iterdir())


def leftovers(bench: Bench) -> list[str]:
    """What no ended case may leave in the working folders."""
    folders = (bench.home.incoming, bench.home.results)
    found = [path.name for folder in folders for path in folder.iterdir()]
    found = [name for name in found if name.startswith(".publish-") or len(name) == 32]
    return found + [path.name for path in bench.home.work.iterdir() if len(path.name) == 32]


def without_wait(back: Callable[..., None]) -> Callable[..., None]:
    """``CaseEnds.back`` whose back-off does not fill a test's time."""
    return lambda job, message, wait=0.0: back(job, message)


class Later:
    """The clock, some seconds on."""

    def __init__(self, clock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def now(self) -> float:
        return self._clock.now() + self._seconds


def hashes(folder: Path) -> set[str]:
    """Of every staged scan below ``folder``."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix in (".nii", ".gz", ".zip")]
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
