"""A warm worker against one ``TotalSegmentator`` process for each case, on the same scans.

    python warm_totalsegmentator.py [--cases 10] [--quality fastest fast] [--real-size] [--large]
                                    [--device cpu]

Run it with a Python that has TotalSegmentator, torch and the packages of
requirements/base.txt. It makes its own weights, so nothing is fetched: tiny exact
ones, or with ``--real-size`` networks as large as the published ones, at random.
The command line runs with its defaults, as TotalSegmentator's extension for Slicer
does; the worker also makes surfaces, glTF and manifest of each case. Labels of both
are compared voxel for voxel.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
LIBRARY = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / "Python"), str(LIBRARY)]

import psutil  # noqa: E402
import synthetic_weights as synthetic  # noqa: E402
from AutoSegPipelineLib.core.protocol import decode, encode, unpack  # noqa: E402
from AutoSegPipelineLib.core.segmentation import Grid  # noqa: E402
from AutoSegPipelineLib.processing.nifti_voxels import read_nifti  # noqa: E402
from AutoSegPipelineLib.processing.phantom import write_nifti  # noqa: E402
from AutoSegPipelineLib.processing.read_seg_nrrd import read_seg_nrrd  # noqa: E402
from AutoSegPipelineLib.processing.volume import Volume  # noqa: E402

PROGRAM = "from totalsegmentator.bin.TotalSegmentator import main; main()"
PATCHES = {297: (112, 112, 128), 298: (64, 64, 64)}  # of the published models
TINY = {297: (32, 64, 72), 298: (16, 56, 64)}  # hardly larger than the scans, so that tiny stays tiny


class Meter:
    """Wall and processor seconds and peak resident memory of a process and all below it."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._cpu: dict[int, float] = {}
        self.peak_mb = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self._look()

    def _look(self) -> None:
        total = 0.0
        try:
            tree = [self._process, *self._process.children(recursive=True)]
        except psutil.Error:
            return
        for process in tree:
            try:
                times = process.cpu_times()
                self._cpu[process.pid] = times.user + times.system
                total += process.memory_info().rss / 1e6
            except psutil.Error:
                continue
        self.peak_mb = max(self.peak_mb, total)

    @property
    def cpu(self) -> float:
        return sum(self._cpu.values())

    def stop(self) -> None:
        self._look()
        self._stop.set()
        self._thread.join()


def make_scans(folder: Path, count: int, large: bool) -> list[Path]:
    """Scans that differ in size and content."""
    paths = []
    for number in range(count):
        rng = np.random.default_rng(number)
        shape = (122 + number % 5, 101 + number % 3, 112 if large else 30)
        truth = np.zeros(shape[::-1], np.uint8)
        for _ in range(24):
            box = tuple(
                slice(b := int(rng.integers(1, max(size - 20, 2))), b + int(rng.integers(10, 22)))
                for size in truth.shape
            )
            truth[box] = int(rng.integers(1, 118))
        array = np.where(truth > 0, synthetic.CT_ORIGIN + synthetic.STEP * truth, -1000).astype(np.int16)
        affine = (
            (-3.0, 0.0, 0.0, 150.0),
            (0.0, -3.0, 0.0, 150.0),
            (0.0, 0.0, 3.0, -40.0),
            (0.0, 0.0, 0.0, 1.0),
        )
        path = folder / f"scan{number}.nii.gz"
        write_nifti(Volume(array, Grid(shape, affine), "CT"), path)
        paths.append(path)
    return paths


def cold(scans: list[Path], folder: Path, quality: str, device: str, env: dict[str, str]) -> dict[str, Any]:
    """One process of the package's command line for each scan."""
    seconds, cpu, peak = [], 0.0, 0.0
    for number, scan in enumerate(scans):
        begin = time.perf_counter()
        target = folder / f"theirs-{quality}-{number}.nii.gz"
        command = [sys.executable, "-c", PROGRAM, "-i", str(scan), "-o", str(target), "--ml"]
        child = subprocess.Popen(
            [*command, "--" + quality, "--device", device], env=env,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        meter = Meter(child.pid)
        code = child.wait()
        seconds.append(time.perf_counter() - begin)
        meter.stop()
        cpu, peak = cpu + meter.cpu, max(peak, meter.peak_mb)
        if code:
            raise SystemExit(f"the command line ended with {code} for {scan}")
    return {"seconds": seconds, "cpu": cpu, "peak_mb": peak}


def warm(scans: list[Path], folder: Path, quality: str, device: str, env: dict[str, str]) -> dict[str, Any]:
    """One worker for all of them; the first case, which loads everything, is told apart."""
    child = subprocess.Popen(
        [sys.executable, "-m", "AutoSegPipelineLib.processing.worker"], env=env,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert child.stdin is not None and child.stdout is not None
    meter = Meter(child.pid)
    seconds, inside, timings, before = [], [], [], 0.0
    for number, scan in enumerate([scans[-1], *scans]):
        begin = time.perf_counter()
        out = folder / f"ours-{quality}-{number}"
        case = {
            "kind": "scan", "path": str(scan), "modality": "CT", "stem": "case", "out": str(out),
            "work": str(out / "work"), "options": {
                "engine": "totalsegmentator", "quality": quality, "device": device, "formats": ["seg"],
            },
        }  # fmt: skip
        child.stdin.write(encode({"type": "case", "job": str(number), "attempt": 1, "case": case}))
        child.stdin.flush()
        while True:
            message = decode(child.stdout.readline())
            if message["type"] in ("done", "failed"):
                break
        if message["type"] == "failed":
            raise SystemExit(f"the worker failed: {message['error']}")
        seconds.append(time.perf_counter() - begin)
        result = unpack("result", message)
        timings.append(result["timings"])
        inside.append(result["timings"].get("segment", 0.0))
        if number == 0:
            meter._look()
            before = meter.cpu
    meter._look()
    used = meter.cpu - before
    child.stdin.close()
    child.wait()
    meter.stop()
    return {
        "first": seconds[0], "seconds": seconds[1:], "cpu": used, "peak_mb": meter.peak_mb,
        "segment": inside[1:],
    }  # fmt: skip


def compare(folder: Path, quality: str, count: int) -> int:
    """In how many cases the labels are the same in every voxel."""
    same = 0
    for number in range(count):
        theirs, _ = read_nifti(folder / f"theirs-{quality}-{number}.nii.gz")
        ours = read_seg_nrrd(folder / f"ours-{quality}-{number + 1}" / "case.seg.nrrd").layers[0]
        same += bool(np.array_equal(ours, theirs))
    return same


def device_name(device: str) -> str:
    """What the figures were taken on."""
    import torch

    if device.startswith("gpu") and torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors"


def main() -> None:
    """Print a table, and one line of JSON for machines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10)
    parser.add_argument("--quality", nargs="+", default=["fastest", "fast"], choices=["fastest", "fast"])
    parser.add_argument("--real-size", action="store_true", help="networks as large as the published ones")
    parser.add_argument("--large", action="store_true", help="112 slices in place of 30")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="autoseg-benchmark-") as name:
        folder = Path(name)
        home = folder / "home"
        for number, patch in (PATCHES if given.real_size else TINY).items():
            synthetic.make_weights(home, [number], patch, given.real_size)
        env = {**os.environ, "TOTALSEG_HOME_DIR": str(home), "PYTHONPATH": str(LIBRARY)}
        scans = make_scans(folder, given.cases, given.large)
        kind = "real-size random" if given.real_size else "tiny exact"
        size = f"122x101x{112 if given.large else 30}"
        print(f"{given.cases} cases of about {size} on {device_name(given.device)}, {kind} weights")
        for quality in given.quality:
            theirs = cold(scans, folder, quality, given.device, env)
            ours = warm(scans, folder, quality, given.device, env)
            same = compare(folder, quality, given.cases)
            report(quality, theirs, ours, same, given.cases)


def report(quality: str, theirs: dict[str, Any], ours: dict[str, Any], same: int, cases: int) -> None:
    """The figures of one quality."""
    print(f"\n{quality:10} {'s/case':>8} {'cases/h':>9} {'CPU s/case':>11} {'peak MB':>8}")
    for who, found in (("process", theirs), ("warm", ours)):
        mean = statistics.mean(found["seconds"])
        print(f"{who:10} {mean:8.2f} {3600 / mean:9.0f} {found['cpu'] / cases:11.2f} {found['peak_mb']:8.0f}")
    ratio = sum(theirs["seconds"]) / sum(ours["seconds"])
    print(
        f"{ratio:.1f} times the cases per hour (the engine's part {statistics.mean(ours['segment']):.2f} s); "
        f"the worker's first case, with start and loading, {ours['first']:.1f} s; "
        f"labels the same in {same} of {cases} cases"
    )
    print(
        json.dumps(
            {"quality": quality, "ratio": round(ratio, 2), "process": theirs, "warm": ours, "same": same}
        )
    )


if __name__ == "__main__":
    main()
