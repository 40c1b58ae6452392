"""Freed memory that is kept for the next case, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.programs import missing
from support.worker_process import LIBRARY

pytestmark = pytest.mark.slow
on_glibc = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only glibc gives memory back at once"
)

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


def printed_by(program: str) -> str:
    """Standard output of ``program``; skips where the C library cannot do what it asks for."""
    env = {**os.environ, "PYTHONPATH": LIBRARY}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60
    )
    if done.stderr.strip() == "cannot":
        missing("this C library cannot keep what is freed, or cannot say how much that is")
    assert done.returncode == 0, done.stderr
    return done.stdout


@on_glibc
def test_what_is_freed_is_kept_and_not_counted_and_given_back_when_no_case_comes() -> None:
    printed = printed_by(PROGRAM)
    first, busy, soon, later, last = printed.splitlines()
    kept, used = (float(word) for word in first.split())
    assert kept > 350 and abs(used) < 40, "400 MB are kept, and count as nobody's"
    assert busy == soon == "False" and later == "True False"
    left, used = (float(word) for word in last.split())
    assert left < 40 and abs(used) < 40


KEEPING = """
import sys
import numpy
from AutoSegPipelineLib.processing import heap, memory
if heap._library() is None:
    sys.exit("cannot")
before = memory.resident_mb()
with heap.keeping_freed():
    blocks = [numpy.ones(12_500_000) for _ in range(4)]
    del blocks
    print(memory.resident_mb() - before)
print(memory.resident_mb() - before)
blocks = [numpy.ones(12_500_000) for _ in range(4)]
del blocks
print(memory.resident_mb() - before)
heap.keep_freed()
with heap.keeping_freed():
    blocks = [numpy.ones(12_500_000) for _ in range(4)]
    del blocks
print(memory.resident_mb() - before)
"""


@on_glibc
def test_what_is_freed_is_kept_for_a_while_only_unless_it_was_kept_before() -> None:
    printed = printed_by(KEEPING)
    kept, after, later, always = (float(line) for line in printed.split())
    assert kept > 300 and after < 60 and later < 60 and always > 300
