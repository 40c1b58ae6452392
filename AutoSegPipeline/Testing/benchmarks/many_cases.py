"""`autoseg run` on many tiny scans: what a case costs beside its work, and whether the pipeline stays small.

    python AutoSegPipeline/Testing/benchmarks/many_cases.py [--cases 300] [--engine fake|tissue]

The fake engine computes nothing, so that all the time is the pipeline's; with `tissue` the seconds that
the manifests say are taken off. The command runs in a process of its own with meters in its Qt loop.
Targets (at 10,000 cases): less than 0.2 s a case, 200 MB in the pipeline's process, and its loop never
held for 100 ms. Baseline of the same run: copying every scan and writing three small files, durably.
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

from meters import LoopGaps, Memory, said_load

SECONDS, MEGABYTES, HELD_MS = 0.2, 200.0, 100.0
ENGINES = ("fake", "tissue")


def make_scans(folder: Path, cases: int) -> None:
    """Tiny phantoms, of which no two have the same bytes."""
    from AutoSegPipelineLib.processing.phantom import torso, write_nifti

    folder.mkdir()
    shape = (16, 16, 12)
    write_nifti(torso(shape=shape, spacing=(24.0, 24.0, 32.0)).volume, folder / "case_00000.nii")
    data = (folder / "case_00000.nii").read_bytes()
    for number in range(1, cases):
        # The description of the header, at byte 148, is free text.
        text = f"case {number}".encode().ljust(80, b"\0")
        (folder / f"case_{number:05d}.nii").write_bytes(data[:148] + text + data[228:])


def copied(scans: Path, out: Path) -> float:
    """Seconds of the baseline."""
    out.mkdir()
    begun = time.perf_counter()
    for path in scans.iterdir():
        shutil.copyfile(path, out / path.name)
        for end in ("a", "b", "c"):
            with open(out / f"{path.name}.{end}", "wb") as stream:
                stream.write(b"x" * 4096)
                stream.flush()
                os.fsync(stream.fileno())
    return time.perf_counter() - begun


def inside(scans: Path, out: Path, engine: str) -> int:
    """The command, with meters in its loop; the figures are its last line."""
    from AutoSegPipelineLib.headless import app, cli
    from AutoSegPipelineLib.runtime.pipeline import Pipeline
    from AutoSegPipelineLib.runtime.wiring import real_spawns
    from support.pipeline import fake_spawns

    def with_fake(home: Any, settings: Any, *, what: str, web: bool) -> Pipeline:
        spawns = {**real_spawns(home, settings), **fake_spawns(home)}
        return Pipeline(home, settings, spawns, what=what, web=web)

    if engine == "fake":
        app.make_pipeline = with_fake  # type: ignore[assignment]
    memory, gaps, run = Memory(), [], app.Host._run_logged

    def measured(host: app.Host) -> int:
        gaps.append(LoopGaps())
        memory.start()
        try:
            return run(host)
        finally:
            gaps[0].stop()
            memory.stop()

    app.Host._run_logged = measured  # type: ignore[method-assign]
    begun = time.perf_counter()
    more = ["--engine", "tissue"] if engine == "tissue" else []
    code = cli.main(["run", str(scans), "-o", str(out), "--quiet", *more])
    found = {"seconds": time.perf_counter() - begun, "code": code, "own": memory.own}
    found.update(held=gaps[0].longest_ms, cpu=gaps[0].cpu_ms, over=gaps[0].over)
    print(json.dumps(found))
    return 0


def work_of(out: Path) -> float:
    """Seconds of the engine and the writers, as the manifests say."""
    documents = (json.loads(path.read_bytes()) for path in out.glob("*.manifest.json"))
    return sum(one.get("timings_s", {}).get("total", 0.0) for one in documents)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--engine", choices=ENGINES, default="fake")
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        return inside(*map(Path, arguments.inside), arguments.engine)
    with tempfile.TemporaryDirectory() as place:
        scans, out = Path(place) / "scans", Path(place) / "out"
        make_scans(scans, arguments.cases)
        base = copied(scans, Path(place) / "copied")
        command = [sys.executable, __file__, "--engine", arguments.engine, "--inside", str(scans), str(out)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        work, manifests = work_of(out), len(list(out.glob("*.manifest.json")))
    return 0 if said(arguments, found, base, work, manifests) else 1


def said(
    arguments: argparse.Namespace, found: dict[str, Any], base: float, work: float, results: int
) -> bool:
    """Print what was measured; whether the targets were met."""
    cases, own = arguments.cases, found["own"]
    each, peak, held = (found["seconds"] - work) / cases, max(own), found["held"]
    quarters = " ".join(f"{own[(len(own) - 1) * part // 4]:.0f}" for part in range(5))
    good = results == cases and found["code"] == 0
    print(
        f"many_cases: {cases} tiny scans, engine {arguments.engine}; {said_load()}\n"
        f"  results of                {results:7d} cases (exit code {found['code']})\n"
        f"  autoseg run               {found['seconds']:7.1f} s, of which work {work:.1f} s\n"
        f"  copying and three files   {base:7.1f} s\n"
        f"  overhead a case           {each:7.3f} s (target {SECONDS:g} s)\n"
        f"  memory of the pipeline    {peak:7.0f} MB at most: {quarters} (target {MEGABYTES:.0f})\n"
        f"  loop held at most         {held:7.0f} ms, own CPU of it {found['cpu']:.0f} ms, "
        f"{found['over']} times above 50 ms (target {HELD_MS:.0f} ms)"
    )
    return good and each < SECONDS and peak < MEGABYTES and held < HELD_MS


if __name__ == "__main__":
    sys.exit(main())
