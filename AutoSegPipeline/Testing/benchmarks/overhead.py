"""What the pipeline costs a case: 20 phantom scans through it, against the same work called directly.

    python AutoSegPipeline/Testing/benchmarks/overhead.py [--cases 20] [--shape 48 48 40]

Directly: one warm process calls ``process_case`` with the tissue engine for one scan after the other.
Through: all of them are dropped at once into the inbox of a pipeline with a warm worker; the time runs
from the first case that begins to the last that is done, so settling is not in it, the hand-over from
case to case is. Both write all default files. A shared machine's noise is larger than the difference,
so it is also taken from the same run: wall less the time that the cases' own manifests say. Target: less
than 150 ms a case.

Also how much of a core a pipeline takes that has nothing to do (--idle seconds; target below 1 %).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Python"), str(HERE.parent.parent)]

from meters import Cpu, said_load, sleep_in_loop  # noqa: E402

TARGET_MS, TARGET_IDLE = 150.0, 1.0


def make_scans(folder: Path, cases: int, shape: tuple[int, int, int]) -> list[Path]:
    """Phantom torsos, each with noise of its own."""
    from AutoSegPipelineLib.processing.phantom import torso, write_nifti

    folder.mkdir()
    made = []
    for seed in range(cases):
        found = torso(shape=shape, spacing=tuple(380.0 / n for n in shape), seed=seed, noise_hu=15.0)
        made.append(folder / f"scan_{seed:03d}.nii.gz")
        write_nifti(found.volume, made[-1])
    return made


def directly(scans: list[Path], folder: Path) -> dict[str, Any]:
    """In this process: warm up with the first scan, then all; seconds of wall and CPU."""
    from AutoSegPipelineLib.core.progress import SilentReport
    from AutoSegPipelineLib.processing.case import Case, complete_options
    from AutoSegPipelineLib.processing.child_processes import end_children
    from AutoSegPipelineLib.processing.process import process_case

    def one(path: Path, name: str) -> None:
        out, work = folder / name / "out", folder / name / "work"
        out.mkdir(parents=True)
        work.mkdir()
        options = complete_options({"engine": "tissue"})
        process_case(Case("scan", path, name, out, work, options, modality="CT"), SilentReport())

    one(scans[0], "warm")
    each = []
    cpu, begun = Cpu(), time.perf_counter()
    for path in scans:
        start = time.perf_counter()
        one(path, path.name.split(".")[0])
        each.append(time.perf_counter() - start)
    found = {"seconds": time.perf_counter() - begun, "cpu": sum(cpu.spent()), "each": sorted(each)}
    end_children()
    return found


def through(scans: list[Path], folder: Path, idle: float) -> dict[str, Any]:
    """A real pipeline with a warm worker; from the first ``preparing`` to the last ``done``."""
    from AutoSegPipelineLib.core.events import JobChanged
    from AutoSegPipelineLib.core.home import Home
    from AutoSegPipelineLib.core.settings import Settings
    from AutoSegPipelineLib.runtime.wiring import make_pipeline
    from support.qt import run_for, run_until

    home = Home.at(folder / "home")
    settings = Settings.defaults(engine="tissue", settle_seconds=0.5, disk_min_free_mb=10)
    pipeline = make_pipeline(home, settings, what="benchmark")
    passed: dict[str, dict[str, float]] = {}

    def heard(event: Any) -> None:
        if isinstance(event, JobChanged):
            passed.setdefault(event.job_id, {}).setdefault(event.state, time.perf_counter())

    pipeline.bus.subscribe(heard)
    pipeline.start()
    run_until(lambda: pipeline.ready, 60)

    def drop(paths: list[Path], name: str = "{}") -> None:
        for path in paths:
            waiting = home.root / path.name
            shutil.copyfile(path, waiting)
            os.rename(waiting, home.inbox / name.format(path.name))

    drop(scans[:1], "warm_{}")
    run_until(lambda: pipeline.store.jobs.counts()["done"] == 1, 300)
    run_for(1.0)
    passed.clear()
    pipeline.commands.pause()
    # The warm one's label map must not serve the first again.
    for kept in pipeline.store.cache.oldest_first():
        pipeline.store.cache.forget(kept)
    drop(scans)
    run_until(lambda: pipeline.store.jobs.counts()["queued"] == len(scans), 120)
    cpu = Cpu()
    pipeline.commands.resume()
    run_until(lambda: pipeline.store.jobs.counts()["done"] == len(scans) + 1, 900)
    spent = cpu.spent()
    states = list(passed.values())
    seconds = max(one["done"] for one in states) - min(one["preparing"] for one in states)
    found: dict[str, Any] = {"seconds": seconds, "cpu": sum(spent), "own_cpu": spent[0]}
    found["stages"] = _stages(states)
    found["beside"] = seconds - _inside(home.results, len(scans))
    run_for(3.0)
    cpu, begun = Cpu(), time.perf_counter()
    sleep_in_loop(idle)
    own, children = cpu.spent()
    took = time.perf_counter() - begun
    found["idle"] = {"own": own / took * 100, "children": children / took * 100, "seconds": took}
    pipeline.stop()
    run_until(lambda: pipeline.stopped, 60)
    return found


def _stages(jobs: list[dict[str, float]]) -> dict[str, float]:
    """Mean milliseconds between the states, and from one's end to the next one's beginning."""
    order = ["preparing", "segmenting", "exporting", "publishing", "done"]
    found = {}
    for first, second in zip(order, order[1:]):
        found[first] = 1000 * sum(one[second] - one[first] for one in jobs) / len(jobs)
    ranked = sorted(jobs, key=lambda one: one["preparing"])
    gaps = [after["preparing"] - before["done"] for before, after in zip(ranked, ranked[1:])]
    found["to the next"] = 1000 * sum(gaps) / max(len(gaps), 1)
    return found


def _inside(results: Path, cases: int) -> float:
    """Seconds of ``process_case`` by the manifests, less what only the pipeline's cache wants."""
    manifests = [path for path in results.glob("*.manifest.json") if not path.name.startswith("warm")]
    assert len(manifests) == cases, manifests
    timings = [json.loads(path.read_text())["timings_s"] for path in manifests]
    return sum(one["total"] - one.get("keep", 0.0) for one in timings)


def measure(cases: int, shape: tuple[int, int, int], idle: float, folder: Path) -> dict[str, Any]:
    """Direct, through, direct again: the machine is shared, the mean of the two is the baseline."""
    scans = make_scans(folder / "scans", cases, shape)
    first = _apart(scans, folder / "direct-1")
    found = through(scans, folder, idle)
    second = _apart(scans, folder / "direct-2")
    mean = {key: (first[key] + second[key]) / 2 for key in ("seconds", "cpu")}
    return {"cases": cases, "shape": shape, "direct": [first, second], "mean": mean, **found}


def _apart(scans: list[Path], folder: Path) -> dict[str, Any]:
    """The baseline in a process of its own, as the worker is one."""
    command = [sys.executable, __file__, "--directly", str(folder), *map(str, scans)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def said(found: dict[str, Any]) -> bool:
    """Print what was measured; whether the targets were met."""
    cases, mean, idle = found["cases"], found["mean"], found["idle"]
    more = (found["seconds"] - mean["seconds"]) / cases * 1000
    cpu = (found["cpu"] - mean["cpu"]) / cases * 1000
    shape = "x".join(map(str, found["shape"]))
    beside, total = found["beside"] / cases * 1000, idle["own"] + idle["children"]
    each = found["seconds"] / cases * 1000
    lines = [f"overhead: {cases} cases of {shape} voxels, tissue engine, default files; {said_load()}"]
    for number, one in enumerate(found["direct"], 1):
        ms = one["seconds"] / cases * 1000
        took = f"{one['seconds']:8.2f} s  ({ms:.0f} ms a case, CPU {one['cpu']:.1f} s)"
        lines.append(f"  directly ({number})         {took}")
    lines += [
        f"  through the pipeline {found['seconds']:8.2f} s  ({each:.0f} ms a case, CPU {found['cpu']:.1f} s, "
        f"the pipeline's own {found['own_cpu']:.2f} s)",
        f"  ratio                {found['seconds'] / mean['seconds']:8.2f}",
        f"  more a case          {more:8.0f} ms (CPU {cpu:.0f} ms)",
        f"  beside the work      {beside:8.0f} ms a case (wall less the manifests' times; "
        f"target {TARGET_MS:.0f}): {_word(beside < TARGET_MS)}",
        "  mean ms in           " + ", ".join(f"{name} {ms:.0f}" for name, ms in found["stages"].items()),
        f"  idle for {idle['seconds']:3.0f} s       {total:8.2f} % of a core (pipeline {idle['own']:.2f}, "
        f"children {idle['children']:.2f}; target {TARGET_IDLE:g}): {_word(total < TARGET_IDLE)}",
    ]
    print("\n".join(lines))
    return beside < TARGET_MS and total < TARGET_IDLE


def _word(good: bool) -> str:
    return "ok" if good else "MISSED"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--shape", type=int, nargs=3, default=(48, 48, 40))
    parser.add_argument("--idle", type=float, default=60.0, help="seconds")
    parser.add_argument("--directly", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.directly:
        folder, *scans = map(Path, arguments.directly)
        print(json.dumps(directly(scans, folder)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        shape = tuple(arguments.shape)
        return 0 if said(measure(arguments.cases, shape, arguments.idle, Path(folder))) else 1


if __name__ == "__main__":
    sys.exit(main())
