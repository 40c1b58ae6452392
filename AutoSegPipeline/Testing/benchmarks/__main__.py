"""All benchmarks, one after the other, and a table of what met its target.

    python AutoSegPipeline/Testing/benchmarks [--quick]

Each runs in a process of its own and prints its figures with the baseline of the same run. ``--quick``
takes a tenth of the work: enough to see that they run, not to quote.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
FULL: dict[str, list[str]] = {
    "surfaces": [],
    "tubes": [],
    "clinical": [],
    "picture": [],
    "intake": [],
    "overhead": [],
    "web": [],
    "uploads": [],
    "dicom_receive": [],
    "bundles": [],
    "cohort_table": [],
    "many_cases": ["--cases", "10000"],
}
QUICK: dict[str, list[str]] = {
    "surfaces": [],
    "tubes": [],
    "clinical": ["--shape", "244", "202", "224"],
    "picture": ["--shape", "256", "256", "300"],
    "intake": ["--files", "1000", "--settle", "1"],
    "overhead": ["--cases", "3", "--idle", "10"],
    "web": ["--mb", "100", "--rounds", "1", "--requests", "400"],
    "uploads": ["--mb", "200", "--rounds", "1"],
    "dicom_receive": ["--instances", "400", "--rounds", "1"],
    "bundles": ["--cases", "6", "--small", "50"],
    "cohort_table": ["--cases", "1000"],
    "many_cases": ["--cases", "100"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--only", choices=sorted(FULL), action="append", help="one of them; may be repeated")
    arguments = parser.parse_args()
    rows = []
    for name, options in (QUICK if arguments.quick else FULL).items():
        if arguments.only and name not in arguments.only:
            continue
        print(f"--- {name}", flush=True)
        begun = time.monotonic()
        done = subprocess.run([sys.executable, str(HERE / f"{name}.py"), *options])
        rows.append((name, done.returncode, time.monotonic() - begun))
    print("\nbenchmark   targets   took")
    for name, code, seconds in rows:
        word = {0: "met", 1: "missed"}.get(code, f"exit {code}")
        print(f"{name:10}  {word:8}  {seconds:.0f} s")
    return max((code for _, code, _ in rows), default=0)


if __name__ == "__main__":
    sys.exit(main())
