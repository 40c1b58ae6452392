"""A worker with a grandchild, started by the pipeline's own child class, and whether they are gone."""

from __future__ import annotations

import sys
import time

from AutoSegPipelineLib.core.messages.child_messages import Progress
from AutoSegPipelineLib.core.messages.worker_messages import RunCase
from AutoSegPipelineLib.core.process_tree import process_table
from AutoSegPipelineLib.core.protocol import Envelope
from AutoSegPipelineLib.runtime.processes.child import Child
from AutoSegPipelineLib.runtime.processes.child_command import child_environment

from support import FOLDER
from support.qt import run_until

FAKE = str(FOLDER / "fake_worker.py")


LAUNCHER = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"


def alive(pid):
    process = process_table().get(pid)
    return process is not None and not process.zombie


def until_gone(pids, timeout=30.0):
    end = time.monotonic() + timeout
    while time.monotonic() < end and any(alive(pid) for pid in pids):
        time.sleep(0.05)
    return [pid for pid in pids if alive(pid)]


class Tree:
    """A fake worker with a grandchild, started by the Child of the pipeline."""

    def __init__(self, folder, stem, launcher=False):
        self.ends, self.messages = [], []
        command = [sys.executable, FAKE]
        if launcher:
            command = [sys.executable, "-c", LAUNCHER, FAKE]
        env = child_environment(folder)
        self.child = Child(command, env, self.messages.append, lambda line: None, self.ends.append)
        self.child.start()
        case = {"out": str(folder / "out"), "work": str(folder / "work"), "stem": stem}
        self.child.send(Envelope(RunCase(case), "j", 1))
        note = folder / "work" / f"{stem}.child.pid"
        run_until(lambda: note.exists() and note.read_text(), 60)
        run_until(lambda: (self.child.busy and self.has_progressed()) or self.ends, 60)
        self.worker = self.messages[0].message.pid
        self.pids = [self.worker, int(note.read_text())]

    def has_progressed(self):
        return any(isinstance(one.message, Progress) for one in self.messages)
