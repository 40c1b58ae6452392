"""`autoseg table` over many cases: synthetic manifests and statistics, then the command as a process.

    python AutoSegPipeline/Testing/benchmarks/cohort_table.py [--cases 10000] [--structures 100]

Target: 10,000 cases of 100 structures in less than 60 s and 1 GB. Baseline of the same run: reading every
file and parsing its JSON, and nothing else, in one process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import psutil
from meters import said_load
from support import headless
from support.cohort import write_cohort

SECONDS, MEGABYTES = 60.0, 1000.0


def parsed(folder: Path) -> float:
    """Seconds for reading and parsing everything."""
    begun = time.perf_counter()
    for entry in os.scandir(folder):
        if entry.name.endswith(".json"):
            json.loads(Path(entry.path).read_bytes())
    return time.perf_counter() - begun


def command(folder: Path) -> tuple[float, float, float]:
    """(seconds, CPU seconds, most resident megabytes) of the command."""
    begun, peak, cpu = time.perf_counter(), 0.0, 0.0
    process = psutil.Popen([*headless.COMMAND, "table", str(folder)], env=headless.clean_environment())
    while process.poll() is None:
        try:
            peak = max(peak, process.memory_info().rss / 1e6)
            cpu = sum(process.cpu_times()[:2])
        except psutil.Error:
            break
        time.sleep(0.05)
    if process.wait() != 0:
        raise SystemExit("autoseg table failed")
    return time.perf_counter() - begun, cpu, peak


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10000)
    parser.add_argument("--structures", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_cohort(folder, arguments.cases, arguments.structures)
        total = sum(entry.stat().st_size for entry in os.scandir(folder)) / 1e6
        base = parsed(folder)
        seconds, cpu, peak = command(folder)
        sizes = {name: (folder / name).stat().st_size / 1e6 for name in ("cohort.csv", "cohort.parquet")}
    csv, parquet = sizes.values()
    print(
        f"cohort_table: {arguments.cases} cases, {arguments.structures} structures, {total:.0f} MB of JSON\n"
        f"  {said_load()}\n"
        f"  reading and parsing alone {base:7.1f} s\n"
        f"  autoseg table             {seconds:7.1f} s (CPU {cpu:.1f} s; target {SECONDS:.0f} s)\n"
        f"  most memory               {peak:7.0f} MB (target {MEGABYTES:.0f} MB)\n"
        f"  written                   {csv:.0f} MB of CSV, {parquet:.0f} MB of Parquet"
    )
    return 0 if seconds < SECONDS and peak < MEGABYTES else 1


if __name__ == "__main__":
    sys.exit(main())
