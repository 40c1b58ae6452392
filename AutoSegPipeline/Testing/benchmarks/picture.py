"""What the picture of a large case costs: processor time and memory of its slices and of the drawing process.

    python AutoSegPipeline/Testing/benchmarks/picture.py [--shape 512 512 600] [--keep FILE.png]

The torso phantom, its structures cut into more than a hundred. The baseline of the same run is the work on
the same case that cannot be left out: measuring the structures and making their surfaces. Aims for
512x512x600 voxels: 5 s of CPU, 200 MB more for the slices, 1 GB in the drawing process.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Python"), str(HERE.parent.parent)]

import numpy as np  # noqa: E402
import psutil  # noqa: E402
from AutoSegPipelineLib.core.progress import SilentReport  # noqa: E402
from AutoSegPipelineLib.core.segmentation import Segment, Segmentation  # noqa: E402
from AutoSegPipelineLib.processing.drawing.sections import make_sections  # noqa: E402
from AutoSegPipelineLib.processing.measure import measure  # noqa: E402
from AutoSegPipelineLib.processing.phantom import torso  # noqa: E402
from AutoSegPipelineLib.processing.picture import begin_picture, close_painter  # noqa: E402
from AutoSegPipelineLib.processing.surfaces import Budget, make_surfaces  # noqa: E402
from AutoSegPipelineLib.processing.volume import Volume  # noqa: E402
from meters import said_load  # noqa: E402

BODY_MM = (420.0, 320.0, 600.0)
PIECES = 16  # of each structure, from the feet to the head
AIMS = {"cpu": 5.0, "slices": 200.0, "process": 1000.0}


class Watched(SilentReport):
    """Looks at the drawing process whenever somebody waits for it."""

    cpu, peak = 0.0, 0.0

    def check(self) -> None:
        for child in psutil.Process().children():
            times = child.cpu_times()
            self.cpu = max(self.cpu, times.user + times.system)
            self.peak = max(self.peak, child.memory_info().rss / 1e6)


def large_case(shape: tuple[int, int, int]) -> tuple[Segmentation, Volume]:
    """The phantom's structures in pieces along z, on a grid of ``shape`` (i, j, k)."""
    made = torso(shape, tuple(mm / n for mm, n in zip(BODY_MM, shape)))
    body, labels = made.truth.layers
    names = {s.value: s for s in made.truth.segments if s.layer == 1}
    cuts = (np.arange(len(labels)) * PIECES // len(labels)).astype(np.uint8)
    pieces = np.where(labels > 0, (labels - 1) * np.uint8(PIECES) + 1 + cuts[:, None, None], 0).astype(
        np.uint8
    )
    segments = [s for s in made.truth.segments if s.layer == 0]
    for value in np.flatnonzero(np.bincount(pieces.reshape(-1)))[1:].tolist():
        whole = names[(value - 1) // PIECES + 1]
        name = f"{whole.name}_{(value - 1) % PIECES}"
        segments.append(
            Segment(1, value, name, name, whole.colour, whole.group, whole.priority, whole.opacity)
        )
    return Segmentation(made.truth.grid, [body, pieces], tuple(segments)), made.volume


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=(512, 512, 600), help="i, j, k")
    parser.add_argument("--keep", type=Path, help="where to put the picture")
    arguments = parser.parse_args()
    segmentation, volume = large_case(tuple(arguments.shape))
    clock = time.process_time
    start = clock()
    measured = measure(segmentation, volume)
    measuring = clock() - start
    start = clock()
    sections = make_sections(segmentation, measured, volume, "CT")
    slicing = clock() - start
    tracemalloc.start()
    make_sections(segmentation, measured, volume, "CT")
    slices_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    del volume
    start = clock()
    surfaces = make_surfaces(segmentation, budget=Budget(1_000_000, 0.01))
    making = clock() - start
    watched = Watched()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        start = clock()
        problem = begin_picture(work / "p.png", surfaces, sections, work).wait(watched)
        handing = clock() - start
        watched.check()
        close_painter()
        if problem:
            print(problem)
            return 1
        size = (work / "p.png").stat().st_size / 1e6
        if arguments.keep:
            arguments.keep.write_bytes((work / "p.png").read_bytes())
    cpu, baseline = slicing + handing + watched.cpu, measuring + making
    triangles = sum(len(surface.triangles) for surface in surfaces)
    parts = f"slices {slicing:.2f}, handing over {handing:.2f}, drawing {watched.cpu:.2f}"
    print(f"{said_load()}; {len(surfaces)} structures, {triangles:,} triangles, shape {arguments.shape}")
    print(f"picture: {cpu:.2f} s of CPU ({parts}), {cpu / baseline:.2f} of the baseline; {size:.2f} MB")
    print(f"baseline: {baseline:.2f} s of CPU (measuring {measuring:.2f}, surfaces {making:.2f})")
    print(f"memory: slices {slices_mb:.0f} MB more, drawing process {watched.peak:.0f} MB")
    met = cpu <= AIMS["cpu"] and slices_mb <= AIMS["slices"] and watched.peak <= AIMS["process"]
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
