"""A warm worker against one ``TotalSegmentator`` process for each case, on the same scans.

    python warm_totalsegmentator.py [--networks tiny real] [--quality fastest fast] [--cases 10]
                                    [--processes 10] [--large] [--device cpu]

Run it with a Python that has TotalSegmentator, torch and the packages of
requirements/base.txt. It makes its own weights, so nothing is fetched: ``tiny`` exact
ones, and ``real`` networks as large as the published ones, at random. The command
line runs with its defaults, as TotalSegmentator's extension for Slicer does; the
worker also makes surfaces, glTF and manifest of each case. Half of the processes
run before the worker and half after it, so that a machine that gets busier or idler
counts for both. Labels of both are compared voxel for voxel.
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
sys.path[:0] = [str(HERE), str(HERE.parent / "Python"), str(LIBRARY)]

import support.synthetic_weights as synthetic  # noqa: E402
from AutoSegPipelineLib.core.protocol import from_line, to_line, unpack  # noqa: E402
from AutoSegPipelineLib.core.segmentation import Grid  # noqa: E402
from AutoSegPipelineLib.processing.phantom import write_nifti  # noqa: E402
from AutoSegPipelineLib.processing.read_seg_nrrd import read_seg_nrrd  # noqa: E402
from AutoSegPipelineLib.processing.volume import Volume, read_volume  # noqa: E402
from tree import used  # noqa: E402

PROGRAM = "from totalsegmentator.bin.TotalSegmentator import main; main()"
NETWORKS = {  # the windows of the models for fast and fastest
    "tiny": {297: (32, 64, 72), 298: (16, 56, 64)},  # hardly larger than the scans, so that tiny stays tiny
    "real": {297: (112, 112, 128), 298: (64, 64, 64)},  # of the published models
}
AIMS = {("tiny", "fastest"): 20, ("tiny", "fast"): 7, ("real", "fastest"): 10, ("real", "fast"): 4}


class Meter:
    """Wall and processor seconds and peak resident memory of a process and all below it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu: dict[int, float] = {}
        self.peak_mb = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            self.look()

    def look(self) -> None:
        found = used(self._pid)
        self._cpu.update((one.pid, one.cpu) for one in found)
        self.peak_mb = max(self.peak_mb, sum(one.resident for one in found) / 1e6)

    @property
    def cpu(self) -> float:
        return sum(self._cpu.values())

    def stop(self) -> None:
        self.look()
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


def cpu_of_ended() -> float:
    """Processor seconds of every process below this one that has ended."""
    times = os.times()
    return times.children_user + times.children_system


def cold(
    scans: dict[int, Path], folder: Path, quality: str, device: str, env: dict[str, str]
) -> dict[str, Any]:
    """One process of the package's command line for each scan."""
    seconds, peak, before = [], 0.0, cpu_of_ended()
    for number, scan in scans.items():
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
        peak = max(peak, meter.peak_mb)
        if code:
            raise SystemExit(f"the command line ended with {code} for {scan}")
    return {"seconds": seconds, "cpu": cpu_of_ended() - before, "peak_mb": peak}


def warm(scans: list[Path], folder: Path, quality: str, device: str, env: dict[str, str]) -> dict[str, Any]:
    """One worker for all of them; the first case, which loads everything, is told apart."""
    child = subprocess.Popen(
        [sys.executable, "-m", "AutoSegPipelineLib.processing.worker"], env=env,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert child.stdin is not None and child.stdout is not None
    meter = Meter(child.pid)
    seconds, timings, before = [], [], 0.0
    for number, scan in enumerate([scans[-1], *scans]):
        begin = time.perf_counter()
        out = folder / f"ours-{quality}-{number}"
        case = {
            "kind": "scan", "path": str(scan), "modality": "CT", "stem": "case", "out": str(out),
            "work": str(out / "work"), "options": {
                "engine": "totalsegmentator", "quality": quality, "device": device, "formats": ["seg"],
            },
        }  # fmt: skip
        child.stdin.write(to_line({"type": "case", "job": str(number), "attempt": 1, "case": case}))
        child.stdin.flush()
        while True:
            message = from_line(child.stdout.readline())
            if message["type"] in ("done", "failed"):
                break
        if message["type"] == "failed":
            raise SystemExit(f"the worker failed: {message['error']}")
        seconds.append(time.perf_counter() - begin)
        timings.append(unpack("result", message)["timings"])
        if number == 0:
            meter.look()
            before = meter.cpu
    meter.look()
    used = meter.cpu - before
    child.stdin.close()
    child.wait()
    meter.stop()
    parts = {what: sum(one.get(what, 0.0) for one in timings[1:]) for what in timings[-1]}
    return {
        "first": seconds[0], "seconds": seconds[1:], "cpu": used, "peak_mb": meter.peak_mb, "parts": parts,
    }  # fmt: skip


def compare(folder: Path, quality: str, count: int) -> int:
    """In how many cases the labels are the same in every voxel."""
    same = 0
    for number in range(count):
        theirs = read_volume(folder / f"theirs-{quality}-{number}.nii.gz").array
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
    """Print a table for each kind of network and quality, each with one line of JSON for machines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["tiny", "real"], choices=list(NETWORKS))
    parser.add_argument("--quality", nargs="+", default=["fastest", "fast"], choices=["fastest", "fast"])
    parser.add_argument("--cases", type=int, default=10, help="scans, all of which the worker does")
    parser.add_argument("--processes", type=int, help="how many of them get a process too; all by default")
    parser.add_argument("--large", action="store_true", help="112 slices in place of 30")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    size = f"122x101x{112 if given.large else 30}"
    print(f"{given.cases} cases of about {size} on {device_name(given.device)}, {load()}", flush=True)
    for networks in given.networks:
        with tempfile.TemporaryDirectory(prefix="autoseg-benchmark-") as name:
            compete(Path(name), networks, given)


def compete(folder: Path, networks: str, given: argparse.Namespace) -> None:
    """Both sides with the networks of one kind."""
    home = folder / "home"
    for number, patch in NETWORKS[networks].items():
        synthetic.make_weights(home, [number], patch, networks == "real")
    env = {**os.environ, "TOTALSEG_HOME_DIR": str(home), "PYTHONPATH": str(LIBRARY)}
    scans = make_scans(folder, given.cases, given.large)
    count = min(given.processes or given.cases, given.cases)
    for quality in given.quality:
        halves = [dict(enumerate(scans[: count // 2])), dict(enumerate(scans[:count]))]
        halves[1] = {number: scan for number, scan in halves[1].items() if number not in halves[0]}
        first = cold(halves[0], folder, quality, given.device, env)
        ours = warm(scans, folder, quality, given.device, env)
        second = cold(halves[1], folder, quality, given.device, env)
        theirs = {
            "seconds": first["seconds"] + second["seconds"],
            "cpu": first["cpu"] + second["cpu"],
            "peak_mb": max(first["peak_mb"], second["peak_mb"]),
        }
        report(networks, quality, theirs, ours, compare(folder, quality, count))


def load() -> str:
    """How busy the machine is besides us."""
    return f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"


def report(networks: str, quality: str, theirs: dict[str, Any], ours: dict[str, Any], same: int) -> None:
    """The figures of one quality."""
    aim = AIMS[networks, quality]
    print(f"\n{networks} networks, {quality}; {load()}")
    print(f"{'':10} {'s/case':>8} {'cases/h':>9} {'CPU s/case':>11} {'peak MB':>8}")
    means, cpus = [], []
    for who, found in (("process", theirs), ("warm", ours)):
        means.append(statistics.mean(found["seconds"]))
        cpus.append(found["cpu"] / len(found["seconds"]))
        print(f"{who:10} {means[-1]:8.2f} {3600 / means[-1]:9.0f} {cpus[-1]:11.2f} {found['peak_mb']:8.0f}")
    ratio, cases = means[0] / means[1], len(ours["seconds"])
    medians = [statistics.median(found["seconds"]) for found in (theirs, ours)]
    print(
        f"{ratio:.1f} times the cases per hour (aim: {aim}), {medians[0] / medians[1]:.1f} by medians, "
        f"1/{cpus[0] / cpus[1]:.1f} of the CPU seconds"
    )
    network = ours["parts"]["network"] / cases
    outside = means[1] - network
    print(
        f"of a warm case the network takes {network:.2f} s, all else {outside:.2f} s "
        f"({outside / network:.0%} of the network's)"
    )
    print("    " + ", ".join(f"{what} {seconds / cases:.3f}" for what, seconds in ours["parts"].items()))
    print(
        f"the worker's first case, with start and loading, {ours['first']:.1f} s; "
        f"labels the same in {same} of {len(theirs['seconds'])} cases"
    )
    about = {"networks": networks, "quality": quality, "ratio": round(ratio, 2), "same": same}
    print(json.dumps({**about, "process": theirs, "warm": ours}), flush=True)


if __name__ == "__main__":
    main()
