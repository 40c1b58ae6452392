"""A warm worker against one ``TotalSegmentator`` process for each case, on the same scans.

    python warm_totalsegmentator.py [--networks tiny real] [--quality fastest fast normal] [--cases 10]
                                    [--processes 10] [--sides process quick torch openvino openvino-bf16]
                                    [--large] [--device cpu] [--older FOLDER]

Run it with a Python that has TotalSegmentator, torch and the packages of
requirements/base.txt. It makes its own weights, so nothing is fetched: ``tiny`` exact
ones, and ``real`` networks as large as the published ones, at random. The command
line runs with its defaults, as TotalSegmentator's extension for Slicer does; the
worker also makes surfaces, glTF and manifest of each case. ``quick`` are processes with
the package's own quick flags (``-sl -ro 1``), whose labels stay at the network's
resolution; ``torch``, ``openvino`` and ``openvino-bf16`` are workers with that ``back_end``.
Half of the processes run before the workers and half after them, and a scan goes through one worker
after the other, so that a machine that gets busier or idler counts for all. ``--older`` adds a worker
from another checkout, with torch. Labels of the workers are compared with those of the processes, in all
voxels and by the Dice of each structure.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
LIBRARY = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "Python"), str(LIBRARY)]

import support.synthetic_weights as synthetic  # noqa: E402
from AutoSegPipelineLib.core.segmentation import Grid  # noqa: E402
from AutoSegPipelineLib.processing.phantom import write_nifti  # noqa: E402
from AutoSegPipelineLib.processing.read_seg_nrrd import read_seg_nrrd  # noqa: E402
from AutoSegPipelineLib.processing.volume import Volume, read_volume  # noqa: E402
from warm_report import OLDER, WORKERS, load, report  # noqa: E402
from warm_worker import Meter, WarmWorker  # noqa: E402

PROGRAM = "from totalsegmentator.bin.TotalSegmentator import main; main()"
MODELS = {"fastest": (298,), "fast": (297,), "normal": (291, 292, 293, 294, 295)}
NETWORKS = {  # their windows
    # Hardly larger than the scans, so that tiny stays tiny.
    "tiny": {298: (16, 56, 64), 297: (32, 64, 72), **dict.fromkeys(MODELS["normal"], (48, 48, 48))},
    # Of the published models.
    "real": {298: (64, 64, 64), 297: (112, 112, 128), **dict.fromkeys(MODELS["normal"], (128, 128, 128))},
}
QUALITIES = {"fastest": ("--fastest",), "fast": ("--fast",), "normal": ()}
PROCESSES = {"process": (), "quick": ("-sl", "-ro", "1")}
SIDES = (*PROCESSES, *WORKERS)
BACK_ENDS = {OLDER: "torch"}  # of sides that are not called like theirs
FEW = 50  # voxels of a structure below which a Dice says nothing


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
    scans: dict[int, Path],
    folder: Path,
    quality: str,
    device: str,
    env: dict[str, str],
    side: str = "process",
) -> dict[str, Any]:
    """One process of the package's command line for each scan."""
    seconds, peak, before = [], 0.0, cpu_of_ended()
    for number, scan in scans.items():
        begin = time.perf_counter()
        target = folder / f"{side}-{quality}-{number}.nii.gz"
        command = [sys.executable, "-c", PROGRAM, "-i", str(scan), "-o", str(target), "--ml"]
        child = subprocess.Popen(
            [*command, *QUALITIES[quality], "--device", device, *PROCESSES[side]], env=env,
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


def warm(
    scans: list[Path], folder: Path, quality: str, device: str, envs: dict[str, dict[str, str]]
) -> dict[str, dict[str, Any]]:
    """A worker for each side's environment; each scan goes through one after the other.

    So a machine that gets busier or idler does so for all of them.
    """
    workers = {
        side: WarmWorker(
            side, folder, quality, device, {**env, "AUTOSEG_BACK_END": BACK_ENDS.get(side, side)}
        )
        for side, env in envs.items()
    }
    for scan in [scans[-1], *scans]:
        for worker in workers.values():
            worker.case(scan)
    return {side: worker.end() for side, worker in workers.items()}


def compare(folder: Path, quality: str, side: str, count: int) -> dict[str, Any]:
    """How alike a worker's labels are to those of the processes: cases, voxels, the least Dice."""
    same, equal, dice = 0, [], []
    for number in range(count):
        theirs = read_volume(folder / f"process-{quality}-{number}.nii.gz").array
        ours = read_seg_nrrd(folder / f"{side}-{quality}-{number + 1}" / "case.seg.nrrd").layers[0]
        same += bool(np.array_equal(ours, theirs))
        equal.append(float(np.mean(ours == theirs)))
        for label in np.unique(theirs[theirs > 0]):
            one, other = ours == label, theirs == label
            if other.sum() >= FEW:
                dice.append(2.0 * float((one & other).sum()) / float(one.sum() + other.sum()))
    return {"same": same, "of": count, "equal": min(equal), "dice": min(dice), "structures": len(dice)}


def shape(folder: Path, quality: str, side: str, count: int) -> dict[str, float]:
    """How many structures a worker found, and how much boundary they have: means of all cases."""
    structures, faces = [], []
    for number in range(1, count + 1):
        labels = read_seg_nrrd(folder / f"{side}-{quality}-{number}" / "case.seg.nrrd").layers[0]
        structures.append(len(np.unique(labels[labels > 0])))
        unlike = sum(np.count_nonzero(np.diff(labels.astype(np.int16), axis=axis)) for axis in range(3))
        faces.append(1000 * unlike / labels.size)
    return {"structures": statistics.mean(structures), "faces": statistics.mean(faces)}


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
    parser.add_argument("--quality", nargs="+", default=["fastest", "fast"], choices=list(QUALITIES))
    parser.add_argument("--cases", type=int, default=10, help="scans, all of which the worker does")
    parser.add_argument("--processes", type=int, help="how many of them get a process too; all by default")
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=SIDES)
    parser.add_argument("--large", action="store_true", help="112 slices in place of 30")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--older", type=Path, help="folder AutoSegPipeline of another checkout, a side of its own"
    )
    given = parser.parse_args()
    size = f"122x101x{112 if given.large else 30}"
    print(f"{given.cases} cases of about {size} on {device_name(given.device)}, {load()}", flush=True)
    for networks in given.networks:
        with tempfile.TemporaryDirectory(prefix="autoseg-benchmark-") as name:
            compete(Path(name), networks, given)


def compete(folder: Path, networks: str, given: argparse.Namespace) -> None:
    """All sides with the networks of one kind."""
    home = folder / "home"
    for number in {number for quality in given.quality for number in MODELS[quality]}:
        patch = NETWORKS[networks][number]
        synthetic.make_weights(home, [number], patch, networks == "real")
    env = {**os.environ, "TOTALSEG_HOME_DIR": str(home), "PYTHONPATH": str(LIBRARY)}
    env.update({name: str(folder / "data") for name in ("XDG_DATA_HOME", "LOCALAPPDATA")})
    workers = {side: env for side in WORKERS if side in given.sides}
    if given.older:
        workers = {OLDER: {**env, "PYTHONPATH": str(given.older.resolve())}, **workers}
    scans = make_scans(folder, given.cases, given.large)
    count = min(given.processes or given.cases, given.cases)
    halves = [dict(enumerate(scans[: count // 2])), dict(enumerate(scans[:count]))]
    halves[1] = {number: scan for number, scan in halves[1].items() if number not in halves[0]}
    for quality in given.quality:
        found: dict[str, dict[str, Any]] = {}
        for half in halves:
            for side in PROCESSES:
                if side in given.sides:
                    found[side] = joined(
                        found.get(side), cold(half, folder, quality, given.device, env, side)
                    )
            if not set(workers) & set(found):
                found.update(warm(scans, folder, quality, given.device, workers))
        for side in (OLDER, *WORKERS):
            if side in found:
                found[side]["shape"] = shape(folder, quality, side, len(scans))
            if side in found and "process" in found:
                found[side]["alike"] = compare(folder, quality, side, count)
        report(networks, quality, found)


def joined(one: dict[str, Any] | None, other: dict[str, Any]) -> dict[str, Any]:
    """The figures of both halves."""
    if one is None:
        return other
    return {
        "seconds": one["seconds"] + other["seconds"],
        "cpu": one["cpu"] + other["cpu"],
        "peak_mb": max(one["peak_mb"], other["peak_mb"]),
    }


if __name__ == "__main__":
    main()
