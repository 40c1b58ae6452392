"""Whether the application was asked to quit is seen by code that serves its events and does not return."""

from __future__ import annotations

import os
import subprocess
import sys

from support.worker_process import LIBRARY

PROGRAM = """
from AutoSegPipelineLib.runtime import qt
application = qt.application()
seen = []

def work():
    seen.append(qt.quitting())
    timer = qt.make_alarm(lambda: application.exit(3))
    timer.start(1)
    while not qt.quitting():
        application.processEvents()
    seen.append(qt.quitting())

qt.single_shot(0, work)
print(qt.run_loop(application), seen)
"""


def test_it_is_seen_while_the_loop_has_not_come_back() -> None:
    environment = {**os.environ, "PYTHONPATH": LIBRARY}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split("\n")[0] == "3 [False, True]", done.stderr
