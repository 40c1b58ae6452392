"""One window of a network by each back end of the CPU: seconds, memory and how alike they decide.

    python AutoSegPipeline/Testing/benchmarks/window.py [--shape 128 128 128] [--heads 25]
                                    [--sides torch f32 bf16x2 bf16 onnxruntime]

The network has the size of TotalSegmentator's, with random numbers, so that it decides narrowly. ``torch`` is
the baseline; ``f32``, ``bf16x2`` and ``bf16`` are precisions of OpenVINO, converted as the engines do it;
``onnxruntime`` computes in single precision what torch exports. Each side runs in a process of its own. It
needs a Python with TotalSegmentator and OpenVINO; for the last side also ``onnx`` and ``onnxruntime``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Python"), str(HERE.parent.parent)]

import psutil  # noqa: E402

ROUNDS = 5
SIDES = ("torch", "f32", "bf16x2", "bf16", "onnxruntime")


def runner(side: str, network: Any, shape: list[int], folder: Path) -> Callable[[Any], Any]:
    """What computes scores (1, heads, ...) of a window."""
    import torch
    from AutoSegPipelineLib.processing.engines.networks.back_ends.compiled import Compiled, convert
    from AutoSegPipelineLib.processing.engines.networks.back_ends.layers import last_layer, small_window

    cores = psutil.cpu_count(logical=True) or 1
    if side == "torch":
        return lambda window: network(window)
    if side == "onnxruntime":
        import onnxruntime

        path = folder / "network.onnx"
        example = torch.zeros(small_window(network, shape))
        axes = {"x": {axis: f"size_{axis}" for axis in (2, 3, 4)}}
        torch.onnx.export(
            network, (example,), path, input_names=["x"], dynamic_axes=axes, dynamo=False, opset_version=17
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cores
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return lambda window: torch.from_numpy(session.run(None, {"x": window.numpy()})[0])
    head = network.decoder.seg_layers[-1]
    compiled = Compiled(convert(network, shape, head, side), side, cores)
    return lambda window: last_layer(head, compiled(window, lambda: None)[0])


def measure(side: str, shape: list[int], heads: int, decided: Path) -> dict[str, float]:
    """Of the fastest round; what is decided goes into a file."""
    import torch
    from AutoSegPipelineLib.processing.engines.networks.back_ends.parity import decisions
    from AutoSegPipelineLib.processing.engines.networks.back_ends.windows import smooth_noise
    from support.synthetic_weights import random_network

    network, window = random_network(heads), smooth_noise((1, 1, *shape))
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        begin = time.perf_counter()
        run = runner(side, network, [1, 1, *shape], Path(folder))
        ready, times = time.perf_counter() - begin, []
        for _ in range(ROUNDS):
            wall, cpu = time.perf_counter(), time.process_time()
            scores = run(window)
            times.append((time.perf_counter() - wall, time.process_time() - cpu))
        torch.save(decisions(scores, False), decided)
    about = psutil.Process().memory_info()
    peak = getattr(about, "peak_wset", None) or _peak_kb() * 1024
    return {"seconds": min(times)[0], "cpu": min(times)[1], "ready": ready, "gb": peak / 1e9}


def _peak_kb() -> int:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform.startswith("linux") else peak // 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shape", nargs=3, type=int, default=[128, 128, 128])
    parser.add_argument("--heads", type=int, default=25)
    parser.add_argument("--sides", nargs="+", default=list(SIDES[:4]), choices=SIDES)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        found = measure(given.sides[0], given.shape, given.heads, Path(given.one))
        print(json.dumps(found))
        return 0
    import torch
    from AutoSegPipelineLib.processing.engines.networks.back_ends.parity import compare

    shape = [str(size) for size in given.shape]
    print(f"{' x '.join(shape)} voxels, {given.heads} classes, the fastest of {ROUNDS} rounds")
    first: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for side in given.sides:
            decided = Path(folder) / f"{side}.pt"
            command = [
                sys.executable, __file__, "--shape", *shape, "--heads", str(given.heads),
                "--sides", side, "--one", str(decided),
            ]  # fmt: skip
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            first = first or found
            wanted, ours = (torch.load(Path(folder) / f"{one}.pt") for one in (given.sides[0], side))
            alike = compare(wanted, ours, given.heads, False).text()
            print(
                f"{side:12} {found['seconds']:6.2f} s  {first['seconds'] / found['seconds']:5.2f} times"
                f"  CPU {found['cpu']:6.2f} s  {found['gb']:.1f} GB  ready after {found['ready']:5.1f} s"
            )
            print(f"{'':12} {alike}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
