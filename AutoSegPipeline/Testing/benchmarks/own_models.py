"""Ten cases of one's own model in a warm worker against ten ``nnUNetv2_predict`` processes.

    python own_models.py [--cases 10] [--processes 10] [--kind fullres] [--device cpu]

Run it with a Python that has nnunetv2, torch and the packages of requirements/base.txt. The model is one
of the tests' (``support/tiny_models.py``): hardly any arithmetic, so what is compared is all that is not
the network. Both write label maps and nothing else, and these are compared voxel for voxel. Half of the
processes run before the worker and half after it, so that a machine that gets busier or idler counts
for both.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
LIBRARY = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "Python"), str(LIBRARY)]

from AutoSegPipelineLib.core.protocol import from_line, to_line  # noqa: E402
from AutoSegPipelineLib.processing.engines.nnunet.adding import Wanted, add  # noqa: E402
from AutoSegPipelineLib.processing.read_seg_nrrd import read_seg_nrrd  # noqa: E402
from support import own_model_cases, tiny_models  # noqa: E402

AIM = 10.0
_PREDICT = "from nnunetv2.inference.predict_from_raw_data import predict_entry_point as p; p()"


def predict(results: Path, kind: tiny_models.Kind, source: Path, target: Path, device: str) -> float:
    """One process of nnU-Net's command for one scan; its seconds."""
    variables = {
        "nnUNet_results": str(results),
        "nnUNet_raw": str(target),
        "nnUNet_preprocessed": str(target),
    }
    command = [
        sys.executable, "-c", _PREDICT, "-d", str(kind.number), "-c", kind.configurations[-1],
        "-f", *kind.folds,
        "-chk", kind.checkpoint, "-device", device, "-npp", "1", "-nps", "1",
    ]  # fmt: skip
    begin = time.perf_counter()
    done = subprocess.run(
        [*command, "-i", str(source), "-o", str(target)], env={**os.environ, **variables},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr.decode(errors="replace")[-2000:])
    return time.perf_counter() - begin


def warm(models: Path, kind: tiny_models.Kind, inputs: list[Path], folder: Path, device: str) -> list[float]:
    """Seconds of each case in one worker; the first one, which loads everything, comes once more in front."""
    child = subprocess.Popen(
        [sys.executable, "-m", "AutoSegPipelineLib.processing.worker"],
        env={**os.environ, "PYTHONPATH": str(LIBRARY), "AUTOSEG_MODELS_DIR": str(models)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert child.stdin is not None and child.stdout is not None
    seconds = []
    for number, source in enumerate([inputs[-1], *inputs]):
        out = folder / f"ours-{number}"
        out.mkdir()
        paths = sorted(source.iterdir())
        case = {
            "kind": "scan", "path": str(paths[0]), "channels": [str(path) for path in paths[1:]],
            "modality": "CT" if kind.channels == ("CT",) else "MR", "stem": "case", "out": str(out),
            "work": str(out / "work"), "only": "segmentation", "segmented": str(out / "case.seg.nrrd"),
            "options": {"engine": "nnunet", "task": kind.name, "device": {"cuda": "gpu"}.get(device, device)},
        }  # fmt: skip
        begin = time.perf_counter()
        child.stdin.write(to_line({"type": "case", "job": str(number), "attempt": 1, "case": case}))
        child.stdin.flush()
        while (message := from_line(child.stdout.readline()))["type"] not in ("done", "failed"):
            pass
        if message["type"] == "failed":
            raise SystemExit(f"the worker failed: {message['error']}")
        seconds.append(time.perf_counter() - begin)
    child.stdin.close()
    child.wait()
    return seconds


def same(theirs: Path, ours: Path) -> bool:
    """Whether both found the same label in every voxel."""
    found = read_seg_nrrd(ours / "case.seg.nrrd")
    labels = np.zeros(found.grid.array_shape, np.uint16)
    for segment in sorted(found.segments, key=lambda one: one.priority):
        labels[found.layers[segment.layer] == segment.value] = segment.value
    return bool(np.array_equal(labels, own_model_cases.label_map(theirs)))


def main() -> int:
    """Print the figures and one line of JSON; exit code 1 where the aim was missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10)
    parser.add_argument("--processes", type=int, default=10, help="how many of the cases run cold as well")
    single = [kind.name for kind in tiny_models.KINDS if len(kind.configurations) == 1]
    parser.add_argument("--kind", choices=single, default="fullres")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    given = parser.parse_args()
    kind, count = tiny_models.BY_NAME[given.kind], min(given.processes, given.cases)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = tiny_models.make(folder / "results", kind)
        add(folder / "models", Wanted(source), lambda text: None)
        inputs = [folder / f"in-{number}" for number in range(given.cases)]
        for number, place in enumerate(inputs):
            own_model_cases.write_inputs(place, kind, seed=number)

        def cold(number: int) -> float:
            target = folder / f"theirs-{number}"
            return predict(folder / "results", kind, inputs[number], target, given.device)

        theirs = [cold(number) for number in range(count // 2)]
        ours = warm(folder / "models", kind, inputs, folder, given.device)
        theirs += [cold(number) for number in range(count // 2, count)]
        equal = sum(
            same(folder / f"theirs-{n}" / f"case{kind.ending}", folder / f"ours-{n + 1}")
            for n in range(count)
        )
    cold_mean, warm_mean = float(np.mean(theirs)), float(np.mean(ours[1:]))
    ratio = cold_mean / warm_mean
    print(
        f"{kind.name} on {given.device}, {os.cpu_count()} processors, labels equal: {equal} of {count} cases"
    )
    for what, seconds in (("nnUNetv2_predict, a process for each", cold_mean), ("warm worker", warm_mean)):
        print(f"{what:38} {seconds:7.2f} s  {3600 / seconds:7.0f} cases an hour")
    print(f"the worker's first case took {ours[0]:.2f} s; ratio {ratio:.1f} (aim: {AIM:.0f})")
    figures = {"cold": theirs, "first": ours[0], "warm": ours[1:], "ratio": ratio}
    print(json.dumps({"kind": kind.name, **figures}))
    return 0 if ratio >= AIM and equal == count else 1


if __name__ == "__main__":
    sys.exit(main())
