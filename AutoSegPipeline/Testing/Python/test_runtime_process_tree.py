"""Whatever ends a child or the pipeline, nothing that they started stays."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from AutoSegPipelineLib.core import process_table as process_tables
from AutoSegPipelineLib.runtime import windows_job
from AutoSegPipelineLib.runtime.children import Child, child_environment
from AutoSegPipelineLib.runtime.process_tree import PosixTree, Process, members, process_table
from support_qt import run_until

FAKE = str(Path(__file__).with_name("fake_worker.py"))
LAUNCHER = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows ends trees by job objects")


def alive(pid):
    process = process_table().get(pid)
    return process is not None and not process.zombie


def until_gone(pids, timeout=10.0):
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
        self.child.send({"type": "case", "job": "j", "attempt": 1, "case": case})
        note = folder / "work" / f"{stem}.child.pid"
        run_until(lambda: note.exists() and note.read_text(), 15)
        run_until(
            lambda: (self.child.busy and any(m["type"] == "progress" for m in self.messages)) or self.ends, 15
        )
        self.worker = self.messages[0]["pid"]
        self.pids = [self.worker, int(note.read_text())]


@pytest.mark.parametrize("launcher", [False, True], ids=["direct", "behind_a_launcher"])
def test_kill_ends_the_worker_and_its_grandchild(tmp_path, launcher):
    tree = Tree(tmp_path, "child_slow60000", launcher)
    table = process_table()
    assert table[tree.worker].group == tree.worker  # it leads a group of its own
    assert all(alive(pid) for pid in tree.pids)
    tree.child.kill()
    run_until(lambda: tree.ends, 10)
    assert until_gone(tree.pids) == []


def test_a_launcher_that_dies_alone_takes_the_real_process_with_it(tmp_path):
    tree = Tree(tmp_path, "child_slow60000", launcher=True)
    launcher = process_table()[tree.worker].parent
    assert launcher != os.getpid()
    os.kill(launcher, signal.SIGKILL)
    run_until(lambda: tree.ends, 10)
    assert until_gone(tree.pids) == []


def test_a_worker_that_crashes_leaves_no_grandchild(tmp_path):
    tree = Tree(tmp_path, "child_slow1000_segv")
    run_until(lambda: tree.ends, 15)
    assert tree.ends[0].crashed
    assert until_gone(tree.pids) == []


def test_quitting_a_busy_worker_leaves_no_grandchild(tmp_path):
    tree = Tree(tmp_path, "child_deaf60000")
    tree.child.quit(grace=8)
    run_until(lambda: tree.ends, 6)
    assert until_gone(tree.pids) == []


PARENT = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    sys.path[:0] = sys.argv[1:3]
    from test_runtime_process_tree import Tree
    from support_qt import run_for
    tree = Tree(Path(sys.argv[3]), "child_deaf60000", launcher=sys.argv[4] == "True")
    print(*tree.pids, flush=True)
    run_for(60)
    """
)


@pytest.mark.parametrize("launcher", [False, True], ids=["direct", "behind_a_launcher"])
def test_nothing_is_left_when_the_pipeline_itself_is_killed(tmp_path, launcher):
    here = Path(__file__).parent
    command = [sys.executable, "-c", PARENT, str(here), str(here.parents[1]), str(tmp_path), str(launcher)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2 and all(alive(pid) for pid in pids)
        below = members(process_table(), [parent.pid], [])
        assert set(pids) < below
    finally:
        parent.kill()
        parent.wait(10)
        parent.stdout.close()
    assert until_gone(below) == []


def test_the_tree_is_all_descendants_and_all_of_the_group():
    rows = [(10, 1, 10), (11, 10, 10), (12, 11, 12), (13, 1, 10), (14, 1, 14), (15, 13, 15)]
    table = {pid: Process(pid, parent, group, "0") for pid, parent, group in rows}
    assert members(table, [10], [10]) == {10, 11, 12, 13, 15}
    assert members(table, [11], []) == {11, 12}
    assert members(table, [99], [98]) == set()


@pytest.mark.skipif(shutil.which("ps") is None, reason="ps is not installed here; macOS always has it")
def test_ps_tells_the_same_as_the_kernel():
    told, known = process_tables._ps_table(), process_table()
    same = [
        told[pid].parent == known[pid].parent and told[pid].group == known[pid].group
        for pid in (1, os.getpid())
    ]
    assert all(same) and told[os.getpid()].born


def test_the_structures_of_the_job_object_have_the_sizes_of_the_windows_headers():
    assert ctypes.sizeof(windows_job._BasicLimits) == 64
    assert ctypes.sizeof(windows_job._ExtendedLimits) == 144
    assert windows_job._BasicLimits.LimitFlags.offset == 16


def test_a_pid_that_was_given_to_another_process_is_not_killed():
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        tree = PosixTree()
        tree.add(stranger.pid)
        tree._roots[stranger.pid] = "born long before"
        tree.kill()
        time.sleep(0.2)
        assert stranger.poll() is None
        tree.add(stranger.pid)
        tree.kill()
        assert stranger.wait(5) == -signal.SIGKILL
    finally:
        stranger.kill()
        stranger.wait(5)


def test_our_own_group_is_never_killed():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    tree = PosixTree()
    tree.add(child.pid)
    tree.add(os.getpid())
    tree._roots.pop(os.getpid())
    assert tree._groups <= {child.pid} and os.getpgrp() not in tree._groups
    tree.kill()
    child.wait(5)
