"""Bundles: two workers of one processor each against one, and what a bundle costs a case besides its work.

    python AutoSegPipeline/Testing/benchmarks/bundles.py [--cases 24] [--small 500] [--shape 64 64 64]

Workers: real `autoseg worker` processes with the tissue engine and all default files, each held to one
processor and one thread, on one bundle of the same phantom. Counted are the results that appear after each
worker has its first, so starting is not in it; one worker is measured before and after the two. Target: at
least 1.8 times the cases.

Cost of a case: small scans and an engine that computes nothing are packed, worked on by one worker, and
fetched with their hashes checked. Target: less than 200 ms a case, all three together. The baseline is the
same bytes copied and synced one by one.
"""

from __future__ import annotations

import argparse
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

import psutil  # noqa: E402
from AutoSegPipelineLib.core.bundles.layout import Bundle  # noqa: E402
from AutoSegPipelineLib.core.bundles.packing import Packing, fetch_result  # noqa: E402
from AutoSegPipelineLib.core.files import fsync_file  # noqa: E402
from AutoSegPipelineLib.processing.phantom import torso, write_nifti  # noqa: E402
from meters import said_load  # noqa: E402
from support import headless  # noqa: E402
from support.bundles import order  # noqa: E402
from support.pipeline import write_scan  # noqa: E402

TARGET_RATIO, TARGET_MS = 1.8, 200.0
_THREADS = ("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "OPENBLAS_NUM_THREADS")
ONE_THREAD = dict.fromkeys(_THREADS, "1")
FAKE = [sys.executable, str(Path(headless.__file__).with_name("bundle_driver.py"))]


def pack(folder: Path, scans: list[Path], **more: Any) -> Bundle:
    """One bundle with a case for each path."""
    packing = Packing(folder)
    for number, scan in enumerate(scans):
        packing.add(f"{number:032x}", 1, order(scan, f"case_{number:05d}", **more))
    return packing.publish()


def work(bundle: Bundle, processor: int | None = None, command: list[str] = headless.COMMAND) -> Any:
    """A worker, held to one processor where the system can do that."""
    process = subprocess.Popen(
        [*command, "worker", str(bundle.path), "--quiet"], env=headless.clean_environment(**ONE_THREAD)
    )
    if processor is not None and hasattr(psutil.Process, "cpu_affinity"):
        psutil.Process(process.pid).cpu_affinity([processor])
    return process


def finished(bundle: Bundle) -> int:
    """How many cases have a result."""
    return sum(bundle.folder(entry).is_finished for entry in bundle.read().cases)


def pace(scan: Path, folder: Path, workers: int, cases: int) -> float:
    """Seconds a case with so many workers, once each of them is warm."""
    bundle = pack(folder, [scan] * (cases + workers), options={"engine": "tissue"})
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(workers))
    processes = [work(bundle, cores[number % len(cores)]) for number in range(workers)]
    while sum(alive.done > 0 for alive in bundle.workers()) < workers and finished(bundle) < cases:
        time.sleep(0.05)
    begun, before = time.perf_counter(), finished(bundle)
    while finished(bundle) < cases:
        time.sleep(0.05)
    took = time.perf_counter() - begun
    for process in processes:
        process.wait(120)
    return took / (cases - before)


def two_against_one(folder: Path, cases: int, shape: tuple[int, int, int]) -> bool:
    """Print it; whether the target was met."""
    scan = folder / "scan.nii.gz"
    write_nifti(torso(shape=shape, spacing=tuple(380.0 / n for n in shape), noise_hu=15.0).volume, scan)
    first = pace(scan, folder / "one", 1, cases)
    both = pace(scan, folder / "two", 2, 2 * cases)
    second = pace(scan, folder / "again", 1, cases)
    ratio = (first + second) / 2 / both
    word = "ok" if ratio >= TARGET_RATIO else "MISSED"
    print(f"workers: {'x'.join(map(str, shape))} voxels, tissue engine, default files; {said_load()}")
    print(f"  one worker    {first * 1000:6.0f} and {second * 1000:.0f} ms a case")
    print(f"  two workers   {both * 1000:6.0f} ms a case")
    print(f"  ratio         {ratio:6.2f} (target {TARGET_RATIO}): {word}")
    return ratio >= TARGET_RATIO


def cost(folder: Path, cases: int) -> bool:
    """Print what packing, working and fetching cost a small case; whether the target was met."""
    scans = [write_scan(folder / "scans" / f"{number}.nii", number) for number in range(cases)]
    begun = time.perf_counter()
    for number, scan in enumerate(scans):
        target = folder / "copied" / str(number)
        target.mkdir(parents=True)
        shutil.copyfile(scan, target / scan.name)
        fsync_file(target / scan.name)
    copied = time.perf_counter() - begun
    begun = time.perf_counter()
    bundle = pack(folder / "small", scans)
    packed = time.perf_counter() - begun
    worker = work(bundle, command=FAKE)
    while not finished_any(bundle):
        time.sleep(0.01)
    begun = time.perf_counter()
    worker.wait()
    worked = time.perf_counter() - begun
    begun = time.perf_counter()
    for entry in bundle.read().cases:
        case, target = bundle.folder(entry), folder / "fetched" / entry.folder
        outcome = case.outcome()
        assert outcome is not None and outcome.ok, outcome
        target.mkdir(parents=True)
        fetch_result(case, outcome, target)
    fetched = time.perf_counter() - begun
    each = [1000 * seconds / cases for seconds in (copied, packed, worked, fetched)]
    total = sum(each[1:])
    word = "ok" if total < TARGET_MS else "MISSED"
    print(f"cost of a case: {cases} cases, an engine that computes nothing; {said_load()}")
    print(f"  baseline, the input copied and synced {each[0]:5.1f} ms")
    print(f"  packed {each[1]:.1f} ms, worked on {each[2]:.1f} ms, fetched {each[3]:.1f} ms")
    print(f"  together      {total:6.1f} ms (target {TARGET_MS:.0f}): {word}")
    return total < TARGET_MS


def finished_any(bundle: Bundle) -> bool:
    """Whether the worker is warm."""
    return bundle.folder(bundle.read().cases[0]).is_finished


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=24, help="of one worker; two get twice as many")
    parser.add_argument("--small", type=int, default=500, help="small cases")
    parser.add_argument("--shape", type=int, nargs=3, default=(64, 64, 64))
    parser.add_argument("--only", choices=("workers", "cost"))
    arguments = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as name:
        if arguments.only != "workers":
            good &= cost(Path(name) / "cost", arguments.small)
        if arguments.only != "cost":
            (Path(name) / "workers").mkdir()
            good &= two_against_one(Path(name) / "workers", arguments.cases, tuple(arguments.shape))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
