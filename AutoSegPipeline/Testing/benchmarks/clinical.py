"""A scan of clinical size: processor time, memory, size of the results; limits of the surfaces off and on.

    python AutoSegPipeline/Testing/benchmarks/clinical.py [--scan FILE] [--shape 610 505 560] [--viewer]

The scan is the torso phantom on a coarse grid with noise, made larger as a scanner's own interpolation
does it, with more noise on top: so fat, muscle and soft tissue meet in many thousand small pieces, as in
real scans. ``autoseg run`` with the engine ``tissue`` and all default files does it twice, the baseline
with ``max_triangles`` 0 and ``min_piece_ml`` 0. All processes of a run count. ``--viewer`` opens the
result in Chromium, too, which here draws without a graphics card.

Aims for 610x505x560 voxels: .glb 20 MB, .gltf 35 MB, 60 s of CPU, 2.5 GB in the largest process, and
the 3D view there after 5 s.
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
from typing import Any

HERE = Path(__file__).resolve().parent
MODULE = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Python"), str(MODULE)]

import numpy as np  # noqa: E402
from meters import said_load  # noqa: E402
from tree import used  # noqa: E402

AIMS = {".glb": 20.0, ".gltf": 35.0, "cpu": 60.0, "memory": 2.5, "viewer": 5.0}
CLINICAL = (610, 505, 560)
COARSE_MM, COARSE_HU, FINE_HU = 3.0, 30.0, 25.0


def make_scan(path: Path, shape: tuple[int, int, int], seed: int = 1) -> None:
    """The phantom at 3 mm, interpolated to ``shape`` (i, j, k) voxels, with noise before and after."""
    from AutoSegPipelineLib.core.segmentation import Grid
    from AutoSegPipelineLib.processing.phantom import torso, write_nifti
    from AutoSegPipelineLib.processing.phantom.build import centred_affine
    from AutoSegPipelineLib.processing.volume import Volume
    from scipy.ndimage import zoom

    coarse = torso((122, 101, 112), (COARSE_MM,) * 3, noise_hu=COARSE_HU, seed=seed).volume.array
    random = np.random.default_rng(seed)
    array = np.empty(shape[::-1], np.int16)
    places = np.linspace(0, len(coarse) - 1, shape[2])
    factors = (shape[1] / coarse.shape[1], shape[0] / coarse.shape[2])
    planes: dict[int, np.ndarray] = {}
    for k, place in enumerate(places):
        low = min(int(place), len(coarse) - 2)
        for needed in (low, low + 1):
            if needed not in planes:
                planes[needed] = zoom(coarse[needed].astype(np.float32), factors, order=1)
        planes.pop(low - 1, None)
        plane = planes[low] + (place - low) * (planes[low + 1] - planes[low])
        plane = plane + random.standard_normal(plane.shape, dtype=np.float32) * np.float32(FINE_HU)
        array[k] = np.clip(np.rint(plane), -1024, 3071)
    spacing = tuple(COARSE_MM * n / m for n, m in zip((122, 101, 112), shape))
    write_nifti(Volume(array, Grid(shape, centred_affine(shape, spacing)), "CT"), path)


class Tree:
    """Resident gigabytes and CPU seconds of a process and its children, sampled while it runs."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.largest = self.all = 0.0
        self._cpu: dict[int, float] = {}
        while process.poll() is None:
            self._look(process.pid)
            time.sleep(0.05)

    def _look(self, pid: int) -> None:
        found = used(pid)
        self._cpu.update((one.pid, one.cpu) for one in found)
        self.largest = max([self.largest, *(one.resident / 1e9 for one in found)])
        self.all = max(self.all, sum(one.resident for one in found) / 1e9)

    @property
    def cpu(self) -> float:
        return sum(self._cpu.values())


def run(scan: Path, out: Path, *more: str) -> dict[str, Any]:
    """The figures of one ``autoseg run``."""
    command = [sys.executable, "-m", "AutoSegPipelineLib.headless", "run", str(scan), "--engine", "tissue"]
    began = time.monotonic()
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(
            [*command, "--out", str(out), *more],
            env={**os.environ, "PYTHONPATH": str(MODULE)},
            stdout=nowhere,
        )
        tree = Tree(process)
    if process.returncode:
        raise SystemExit(f"the run ended with exit code {process.returncode}")
    manifest = json.loads(next(out.glob("*.manifest.json")).read_text(encoding="utf-8"))
    sizes = {path.suffix: path.stat().st_size / 1e6 for path in out.iterdir() if path.suffix in AIMS}
    return {
        "cpu": tree.cpu, "wall": time.monotonic() - began, "memory": tree.largest, "all": tree.all,
        "manifest": manifest, **sizes,
    }  # fmt: skip


def print_table(off: dict[str, Any] | None, on: dict[str, Any]) -> None:
    columns = [("off", off), ("on", on)] if off else [("on", on)]
    print(f"{'limits of the surfaces':<34}" + "".join(f"{name:>14}" for name, _ in columns))
    rows = (
        ("CPU, all processes", "cpu", "s"), ("wall", "wall", "s"),
        ("memory of the largest process", "memory", "GB"),
        ("memory of all together", "all", "GB"), (".glb", ".glb", "MB"), (".gltf", ".gltf", "MB"),
    )  # fmt: skip
    for title, key, unit in rows:
        print(f"{title:<34}" + "".join(f"{found[key]:>11.1f} {unit:<2}" for _, found in columns))
    for title, key in (("triangles", "triangles"), ("specks left out", "specks"), ("holes filled", "holes")):
        print(f"{title:<34}" + "".join(f"{found['manifest']['surfaces'][key]:>14,}" for _, found in columns))
    print(f"\n{'structure':<22}{'triangles':>12}{'limit':>12}{'error mm, mean':>16}{'99 %':>8}")
    for row in on["manifest"]["segments"]:
        error = row.get("surface_error_mm", {"mean": 0.0, "most": 0.0})
        limit = f"{row['triangles_limit']:,}" if "triangles_limit" in row else "-"
        print(
            f"{row['name']:<22}{row['triangles']:>12,}{limit:>12}{error['mean']:>16.3f}{error['most']:>8.3f}"
        )
    print(f"\n{on['manifest']['surfaces']['summary']}")
    print(
        "seconds: " + ", ".join(f"{k} {v:.1f}" for k, v in on["manifest"]["timings_s"].items() if v >= 0.05)
    )


def open_viewer(scan: Path, folder: Path) -> float:
    """Seconds from asking for the page until the 3D view is drawn, the second of two times."""
    from support.web_page import Browser, Site, chromium

    with Site(folder / "home") as site:
        job = site.until_ended(site.put(scan, engine="tissue")["id"], 1200)
        with chromium() as program, Browser(program, site) as browser:
            for _ in range(2):
                began = time.monotonic()
                page = browser.page(f"/view/{job['id']}")
                while not page.evaluate("Boolean(window.autosegViewer?.overlay)"):
                    page.wait_for_timeout(50)  # the page forbids what wait_for_function does
                page.evaluate("autosegViewer.scene.drawNow()")
                seconds = time.monotonic() - began
                drawn = page.evaluate("autosegViewer.scene.drawing")
                print(
                    f"viewer: 3D view after {seconds:.1f} s; {drawn['drawCalls']} draw calls, "
                    f"{drawn['triangles']:,} of {drawn['all']:,} triangles",
                    flush=True,
                )
                page.close()
            browser.wrong.clear()  # the slices were still loading when the page was closed
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=CLINICAL, metavar=("I", "J", "K"))
    parser.add_argument("--scan", type=Path, help="a CT of your own instead of the phantom")
    parser.add_argument("--viewer", action="store_true", help="open the result in Chromium")
    parser.add_argument("--no-baseline", action="store_true", help="the limits on only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scan = options.scan or folder / "clinical.nii.gz"
        if options.scan is None:
            make_scan(scan, tuple(options.shape))
        print(f"{said_load()}; {scan.stat().st_size / 1e6:.0f} MB")
        off = None
        if not options.no_baseline:
            off = run(scan, folder / "off", "--max-triangles", "0", "--min-piece-ml", "0")
        on = run(scan, folder / "on")
        print_table(off, on)
        if options.viewer:
            on["viewer"] = open_viewer(scan, folder)
    missed = [key for key, aim in AIMS.items() if on.get(key, 0.0) > aim]
    print(f"aims missed: {', '.join(missed)}" if missed else "all aims met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
