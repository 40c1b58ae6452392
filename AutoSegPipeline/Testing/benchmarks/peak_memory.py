"""Peak memory of TotalSegmentator's full quality (five networks at 1.5 mm) on a scan of clinical size.

    python AutoSegPipeline/Testing/benchmarks/peak_memory.py [--shape 512 512 600] [--mm 1.5 1.5 1.5]
                                                             [--networks tiny one-real real] [--no-baseline]

Run it with a Python that has TotalSegmentator, torch and the packages of requirements/base.txt. The baseline
is the same engine in another process, with nnU-Net's own sums and labels and the package's own resampling and
files. ``tiny`` networks cost next to nothing, so that what is around them shows; ``real`` ones have the
published size, and in ``one-real`` only the last one of the five has, since five take hours at this size and
their memory is given back one by one. The labels of both are compared voxel for voxel. Networks compute with
torch unless ``AUTOSEG_BACK_END`` says otherwise.

At 512x512x600 the baseline needs 16 GB and more. Aim: 6 GB with tiny networks.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
LIBRARY = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "Python"), str(LIBRARY)]

import numpy as np  # noqa: E402
from tree import used  # noqa: E402

AIM_GB = 6.0
WINDOW = (128, 128, 128)  # of the published models of full quality
MODELS = (291, 292, 293, 294, 295)


def make_scan(path: Path, shape: tuple[int, int, int], mm: tuple[float, float, float]) -> None:
    """A body of soft tissue in noisy air, with blocks that have the intensities of classes."""
    import support.synthetic_weights as synthetic
    from AutoSegPipelineLib.core.segmentation import Grid
    from AutoSegPipelineLib.processing.phantom import write_nifti
    from AutoSegPipelineLib.processing.phantom.build import centred_affine
    from AutoSegPipelineLib.processing.volume import Volume

    random = np.random.default_rng(1)
    array = np.full(shape[::-1], -1000, np.int16)
    for plane in array:  # in slabs, as this process may not need more than what it measures
        plane += random.integers(-8, 9, plane.shape, dtype=np.int16)
    for _ in range(400):
        box = tuple(
            slice(start := int(random.integers(0, size - size // 8)), start + size // 10)
            for size in array.shape
        )
        array[box] = synthetic.CT_ORIGIN + synthetic.STEP * int(random.integers(1, 118))
    write_nifti(Volume(array, Grid(shape, centred_affine(shape, mm)), "CT"), path)


def child(scan: Path, way: str) -> None:
    """Segment and print what came of it; ``way`` is ``ours`` or ``baseline``."""
    from AutoSegPipelineLib.core.progress import SilentReport
    from AutoSegPipelineLib.processing.engines.networks import quick_crop, window
    from AutoSegPipelineLib.processing.engines.totalsegmentator import TotalSegmentatorEngine, package, seams
    from AutoSegPipelineLib.processing.volume import read_volume

    if way == "baseline":
        window.is_equal = lambda predictor_class: False  # type: ignore[assignment]
        quick_crop._SCHEMES.clear()
        seams.is_lean = package.is_lean = lambda: False  # type: ignore[assignment]
    volume = read_volume(scan, modality="CT")
    began = time.monotonic()
    found = TotalSegmentatorEngine().segment(volume, {"device": "cpu", "quality": "normal"}, SilentReport())
    facts: Any = found.facts
    print(
        json.dumps(
            {
                "seconds": time.monotonic() - began,
                "network": facts["timings"]["network"],
                "labels": hashlib.sha256(np.ascontiguousarray(found.layers[0])).hexdigest(),
                "structures": len(found.segments),
            }
        )
    )


def measure(scan: Path, way: str, home: Path) -> dict[str, Any]:
    """The child's figures and its peak of resident memory in GB."""
    env = {**os.environ, "TOTALSEG_HOME_DIR": str(home), "PYTHONPATH": str(LIBRARY)}
    env.setdefault("AUTOSEG_BACK_END", "torch")  # another may decide otherwise in a few voxels
    env.update({name: str(home / "data") for name in ("XDG_DATA_HOME", "LOCALAPPDATA")})
    process = subprocess.Popen(
        [sys.executable, __file__, "--child", way, "--scan", str(scan)], env=env, stdout=subprocess.PIPE
    )
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, sum(one.resident for one in used(process.pid)) / 1e9)
        time.sleep(0.05)
    assert process.stdout is not None
    lines = process.stdout.read().decode().splitlines()
    if process.returncode:
        raise SystemExit(f"{way} ended with exit code {process.returncode} at {peak:.1f} GB")
    return {"peak_gb": peak, **json.loads(lines[-1])}


def main() -> int:
    """Print a table and a line of JSON for each kind of network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=(512, 512, 600), metavar=("I", "J", "K"))
    parser.add_argument("--mm", type=float, nargs=3, default=(1.5, 1.5, 1.5), help="size of a voxel")
    parser.add_argument("--networks", nargs="+", default=["tiny"], choices=["tiny", "one-real", "real"])
    parser.add_argument("--scan", type=Path, help="a CT of your own")
    parser.add_argument("--no-baseline", action="store_true")
    parser.add_argument("--child", choices=["ours", "baseline"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.scan, options.child)
        return 0
    import support.synthetic_weights as synthetic

    missed = False
    with tempfile.TemporaryDirectory(prefix="autoseg-benchmark-") as name:
        scan = options.scan or Path(name, "scan.nii.gz")
        if options.scan is None:
            make_scan(scan, tuple(options.shape), tuple(options.mm))
        for networks in options.networks:
            home = Path(name, networks)
            synthetic.make_weights(home, list(MODELS), WINDOW, networks == "real")
            if networks == "one-real":
                synthetic.make_weights(home, [MODELS[-1]], WINDOW, True)
            ways = ["ours"] if options.no_baseline else ["baseline", "ours"]
            found = {way: measure(scan, way, home) for way in ways}
            size = "x".join(map(str, options.shape)) if options.scan is None else scan.name
            print(f"\n{networks} networks, {size} voxels of {options.mm} mm, window {WINDOW}")
            for way, one in found.items():
                print(
                    f"{way:10} peak {one['peak_gb']:5.1f} GB, {one['seconds']:7.1f} s, "
                    f"network {one['network']:7.1f} s, {one['structures']} structures"
                )
            if len(found) == 2:
                same = found["ours"]["labels"] == found["baseline"]["labels"]
                print("labels the same in every voxel" if same else "LABELS DIFFER")
                missed |= not same
            print(json.dumps({"networks": networks, **found}), flush=True)
            missed |= networks == "tiny" and found["ours"]["peak_gb"] > AIM_GB
    print("aim missed" if missed else f"aim met: {AIM_GB:.0f} GB with tiny networks")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
