"""A pipeline in a process of its own, for tests that kill it: ``crash_driver.py HOME [STEP N]``.

Works until ``COUNT`` jobs have ended and nothing is under way, then exits 0.
With STEP and N it kills itself the moment it has reached that step the Nth time.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(HERE), str(HERE.parents[1])]

from support.kill_at import kill_at  # noqa: E402
from support.pipeline import Bench  # noqa: E402 - the path comes first
from support.qt import run_until  # noqa: E402


def idle(bench: Bench, count: int) -> bool:
    """Whether everything has ended and been cleared away."""
    jobs = bench.jobs()
    return (
        len(jobs) >= count
        and all(job.ended for job in jobs)
        and not any(bench.home.incoming.iterdir())
        and bench.pipeline.flow.intake.load == 0
    )


def main() -> int:
    home, count = Path(sys.argv[1]), int(sys.argv[2])
    if len(sys.argv) > 3:
        kill_at(sys.argv[3], int(sys.argv[4]))
    bench = Bench(
        home, do=os.environ.get("CRASH_DO", ""), **{"inputs": os.environ.get("CRASH_INPUTS", "delete")}
    )
    # A killed worker is an everyday thing here: the back-off must not fill the test's time.
    bench.start()
    back = bench.pipeline.flow.case_ends.back
    bench.pipeline.flow.case_ends.back = lambda job, message, wait=0.0: back(job, message)
    (home / "driver.pid").write_text(str(os.getpid()))
    end = time.monotonic() + 60
    run_until(lambda: idle(bench, count) or time.monotonic() > end, 70)
    done = idle(bench, count)
    bench.stop()
    return 0 if done else 3


if __name__ == "__main__":
    sys.exit(main())
