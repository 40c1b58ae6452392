"""How long the watcher holds the Qt loop and how much memory it takes when many files are dropped at once.

    python AutoSegPipeline/Testing/benchmarks/inbox.py [--files 10000] [--settle 1]

Small NIfTI files go through the real intake child; what arrives is only counted. Target: no slice of
work above 50 ms.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "Python"), str(HERE.parent.parent)]

import psutil  # noqa: E402
from AutoSegPipelineLib.core.clock import SystemClock  # noqa: E402
from AutoSegPipelineLib.core.settings import Settings  # noqa: E402
from AutoSegPipelineLib.runtime.children import Child, child_environment, intake_command  # noqa: E402
from AutoSegPipelineLib.runtime.intake_client import IntakeClient  # noqa: E402
from AutoSegPipelineLib.runtime.watcher import InboxWatcher  # noqa: E402
from support_qt import run_for, run_until  # noqa: E402
from test_runtime_watcher import nifti  # noqa: E402


def resident_mb() -> float:
    return psutil.Process(os.getpid()).memory_info().rss / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10000)
    parser.add_argument("--settle", type=float, default=1.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), arguments.files, arguments.settle)
    return 0


def measure(folder: Path, files: int, settle: float) -> None:
    """Drop ``files`` at once and print what it took."""
    inbox = folder / "inbox"
    inbox.mkdir()
    arrived: list[object] = []

    def spawn(on_message, on_log, on_end):
        return Child(intake_command(), child_environment(folder), on_message, on_log, on_end)

    client = IntakeClient(spawn, folder, lambda error: None)

    def ask(paths, answer):
        client.ask("examine", {"paths": paths}, lambda result, _: answer(result["files"] if result else []))

    watcher = InboxWatcher(
        inbox, ask, Settings.defaults(settle_seconds=settle), SystemClock(), lambda path: None,
        arrived.extend, lambda paths, error: print(paths, error),
    )  # fmt: skip
    watcher.start()
    run_for(0.5)
    before = resident_mb()
    data = nifti()
    for number in range(files):
        (inbox / f"{number:06}.nii").write_bytes(data)
    begun = time.monotonic()
    run_until(lambda: len(arrived) >= files, 600)
    took = time.monotonic() - begun
    print(
        f"{files} files: {took:.1f} s until the last arrived (settling takes {settle:g} s of it), longest "
        f"slice {watcher.longest_slice * 1000:.1f} ms, {resident_mb() - before:.0f} MB more"
    )
    watcher.stop()
    client.stop()
    run_until(lambda: client.ended, 10)


if __name__ == "__main__":
    sys.exit(main())
