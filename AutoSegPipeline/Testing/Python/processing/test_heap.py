"""Freed memory that is kept for the next case, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.worker_process import LIBRARY

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
import numpy
from AutoSegPipelineLib.processing import heap, memory
if not heap.keep_freed():
    sys.exit("cannot")
before = memory.resident_mb()
blocks = [numpy.ones(12_500_000) for _ in range(4)]
del blocks
print(memory.resident_mb() - before, memory.used_mb() - before)
heap.case_begins(); heap._idle_since = 1.0
print(heap.give_back_when_idle())
heap.case_ends()
print(heap.give_back_when_idle())
heap.IDLE_SECONDS = 0.0
print(heap.give_back_when_idle(), heap.give_back_when_idle())
print(memory.resident_mb() - before, memory.used_mb() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc gives memory back at once")
def test_what_is_freed_is_kept_and_not_counted_and_given_back_when_no_case_comes() -> None:
    env = {**os.environ, "PYTHONPATH": LIBRARY}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, timeout=60
    )
    if done.stderr.strip() == "cannot":
        pytest.skip("this C library cannot keep what is freed, or cannot say how much that is")
    assert done.returncode == 0, done.stderr
    first, busy, soon, later, last = done.stdout.splitlines()
    kept, used = (float(word) for word in first.split())
    assert kept > 350 and abs(used) < 40, "400 MB are kept, and count as nobody's"
    assert busy == soon == "False" and later == "True False"
    left, used = (float(word) for word in last.split())
    assert left < 40 and abs(used) < 40
