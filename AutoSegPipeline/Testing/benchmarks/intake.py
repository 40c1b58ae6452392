"""Many small scans dropped at once: how long until all are queued, and what it costs.

    python AutoSegPipeline/Testing/benchmarks/intake.py [--files 10000] [--settle 5] [--profile]

A real pipeline with its real watcher and intake children on a real inbox, paused so that no case is
begun; settings are the defaults, ``--settle`` apart. The baseline, in the same run on the same disk, is
the least that keeps a file for sure: copy it, fsync it, rename it, fsync the folder. Targets: 10,000
queued within 60 s, memory flat, the Qt loop never held longer than 50 ms.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Python"), str(HERE.parent.parent)]

from AutoSegPipelineLib.core.events import JobChanged  # noqa: E402
from AutoSegPipelineLib.core.files import fsync_folder  # noqa: E402
from AutoSegPipelineLib.core.home import Home  # noqa: E402
from AutoSegPipelineLib.core.settings import Settings  # noqa: E402
from AutoSegPipelineLib.runtime.wiring import make_pipeline  # noqa: E402
from meters import HELD_MS, Cpu, Fsyncs, LoopGaps, Memory, said_load  # noqa: E402
from support.pipeline import write_scan  # noqa: E402
from support.qt import run_for, run_until  # noqa: E402

TARGET_SECONDS_PER_10000 = 60.0


def make_scans(folder: Path, files: int) -> int:
    """Scans of 16x16x16 voxels (8.5 KB), each with other voxels; the bytes of all."""
    folder.mkdir()
    data = bytearray(write_scan(folder / "first.nii", 0, (16, 16, 16)).read_bytes())
    (folder / "first.nii").unlink()
    for number in range(files):
        data[352:360] = b"%08d" % number
        (folder / f"scan_{number:06d}.nii").write_bytes(data)
    return files * len(data)


def copied(source: Path, target: Path) -> float:
    """Seconds for copy, fsync, rename and fsync of the folder, file by file."""
    target.mkdir()
    begun = time.perf_counter()
    for path in sorted(source.iterdir()):
        part = target / (path.name + ".part")
        shutil.copyfile(path, part)
        descriptor = os.open(part, os.O_RDWR)
        os.fsync(descriptor)
        os.close(descriptor)
        os.replace(part, target / path.name)
        fsync_folder(target)
    return time.perf_counter() - begun


class Drop:
    """One run: a started, paused pipeline into whose inbox everything is moved at once."""

    def __init__(self, root: Path, settle: float) -> None:
        self.home = Home.at(root)
        self.pipeline = make_pipeline(
            self.home, Settings.defaults(settle_seconds=settle, disk_min_free_mb=10), what="benchmark"
        )
        self.queued: set[str] = set()
        self.other: set[str] = set()
        self.passed: dict[str, float] = {}

    def _heard(self, event: Any) -> None:
        if not isinstance(event, JobChanged):
            return
        self.passed.setdefault(event.state, time.perf_counter())
        if event.state == "queued":
            self.queued.add(event.job_id)
        elif event.state in ("refused", "failed"):
            self.other.add(event.job_id)

    def run(self, source: Path, files: int) -> dict[str, Any]:
        pipeline = self.pipeline
        pipeline.start()
        run_until(lambda: pipeline.ready, 60)
        pipeline.commands.pause()
        pipeline.bus.subscribe(self._heard)
        run_for(3.0)  # children are up, the worker has described its engines
        gaps, memory, cpu = LoopGaps(), Memory(), Cpu()
        run_for(1.0)
        idle = gaps.longest_ms
        names = sorted(os.listdir(source))
        with Fsyncs() as fsyncs:
            begun = time.perf_counter()
            for name in names:
                os.rename(source / name, self.home.inbox / name)
            dropped = time.perf_counter() - begun
            gaps.reset()
            memory.start()
            run_until(lambda: len(self.queued) + len(self.other) >= files, 900)
            took = time.perf_counter() - begun
            memory.stop()
        gaps.stop()
        own, children = cpu.spent()
        store = self.pipeline.store.jobs.counts()
        first = self.passed["queued"] - begun
        pipeline.stop()
        run_until(lambda: pipeline.stopped, 60)
        return {
            "seconds": took, "dropped": dropped, "first_queued": first,
            "own_cpu": own, "children_cpu": children, "memory": memory.said(), "memory_own": memory.own,
            "longest_ms": gaps.longest_ms, "cpu_ms": gaps.cpu_ms, "over": gaps.over, "idle_ms": idle,
            "fsyncs": fsyncs.count, "fsync_s": fsyncs.seconds,
            "queued": store["queued"], "refused": store["refused"],
        }  # fmt: skip


def measure(files: int, settle: float, folder: Path) -> dict[str, Any]:
    """Baseline and drop on the same files."""
    size = make_scans(folder / "scans", files)
    base = copied(folder / "scans", folder / "baseline")
    shutil.rmtree(folder / "baseline")
    found = Drop(folder / "home", settle).run(folder / "scans", files)
    return {**found, "files": files, "settle": settle, "bytes": size, "baseline": base}


def said(found: dict[str, Any]) -> bool:
    """Print what was measured; whether the targets were met."""
    files, seconds = found["files"], found["seconds"]
    allowed = found["settle"] + (TARGET_SECONDS_PER_10000 - found["settle"]) * max(files, 1000) / 10000
    in_time = seconds <= allowed and found["queued"] == files
    own = found["memory_own"]
    growth = max(own[len(own) // 2 :]) - own[len(own) // 2]
    flat, held = growth < 10, found["longest_ms"] <= HELD_MS
    own_ms, children_ms = found["own_cpu"] / files * 1000, found["children_cpu"] / files * 1000
    rest = (seconds - found["settle"]) / found["baseline"]
    lines = [
        f"intake: {files} scans, {found['bytes'] / 1e6:.0f} MB, settle {found['settle']:g} s; {said_load()}",
        f"  all queued after     {seconds:8.1f} s  (target {allowed:.0f}): {_word(in_time)}",
        f"  queued, refused      {found['queued']:8d}    {found['refused']}",
        f"  moved into the inbox {found['dropped']:8.1f} s  (first queued: {found['first_queued']:.1f} s)",
        f"  copy + fsync alone   {found['baseline']:8.1f} s  (ratio {seconds / found['baseline']:.2f}, "
        f"without settling {rest:.2f})",
        f"  CPU, pipeline        {found['own_cpu']:8.1f} s  ({own_ms:.2f} ms a file)",
        f"  CPU, children        {found['children_cpu']:8.1f} s  ({children_ms:.2f} ms a file)",
        f"  fsyncs, pipeline     {found['fsyncs']:8d}    ({found['fsync_s']:.1f} s; SQLite's not counted)",
        f"  loop held at most    {found['longest_ms']:8.0f} ms (own CPU at most {found['cpu_ms']:.0f}, "
        f"{found['over']} gaps over {HELD_MS:.0f}; idle {found['idle_ms']:.0f}): {_word(held)}",
        f"  memory over time     {found['memory']}: second half +{growth:.1f} MB: {_word(flat)}",
    ]
    print("\n".join(lines))
    return in_time and flat and held


def _word(good: bool) -> str:
    return "ok" if good else "MISSED"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10000)
    parser.add_argument("--settle", type=float, default=5.0, help="seconds; 5 is the default of serve")
    parser.add_argument("--folder", help="make everything below this folder (another disk)")
    parser.add_argument("--profile", action="store_true", help="print where the pipeline's process computes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        if arguments.profile:
            import cProfile
            import pstats

            profile = cProfile.Profile()
            found = profile.runcall(measure, arguments.files, arguments.settle, Path(folder))
            pstats.Stats(profile).sort_stats("tottime").print_stats(45)
            pstats.Stats(profile).sort_stats("cumtime").print_stats(70)
        else:
            found = measure(arguments.files, arguments.settle, Path(folder))
        return 0 if said(found) else 1


if __name__ == "__main__":
    sys.exit(main())
