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

import pytest
from AutoSegPipelineLib.core import process_table as process_tables
from AutoSegPipelineLib.core import windows_job
from AutoSegPipelineLib.core.process_tree import PosixTree, Process, members, process_table
from support import MODULE, TESTS
from support.process_tree import Tree, alive, until_gone
from support.qt import run_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows ends trees by job objects")


@pytest.mark.parametrize("launcher", [False, True], ids=["direct", "behind_a_launcher"])
def test_kill_ends_the_worker_and_its_grandchild(tmp_path, launcher):
    tree = Tree(tmp_path, "child_slow60000", launcher)
    table = process_table()
    assert table[tree.worker].group == tree.worker  # it leads a group of its own
    assert all(alive(pid) for pid in tree.pids)
    tree.child.kill()
    run_until(lambda: tree.ends, 60)
    assert until_gone(tree.pids) == []


def test_a_launcher_that_dies_alone_takes_the_real_process_with_it(tmp_path):
    tree = Tree(tmp_path, "child_slow60000", launcher=True)
    launcher = process_table()[tree.worker].parent
    assert launcher != os.getpid()
    os.kill(launcher, signal.SIGKILL)
    run_until(lambda: tree.ends, 60)
    assert until_gone(tree.pids) == []


def test_a_worker_that_crashes_leaves_no_grandchild(tmp_path):
    tree = Tree(tmp_path, "child_slow1000_segv")
    run_until(lambda: tree.ends, 60)
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
    from support.process_tree import Tree
    from support.qt import run_for
    tree = Tree(Path(sys.argv[3]), "child_deaf60000", launcher=sys.argv[4] == "True")
    print(*tree.pids, flush=True)
    run_for(60)
    """
)


@pytest.mark.parametrize("launcher", [False, True], ids=["direct", "behind_a_launcher"])
def test_nothing_is_left_when_the_pipeline_itself_is_killed(tmp_path, launcher):
    command = [sys.executable, "-c", PARENT, str(TESTS), str(MODULE), str(tmp_path), str(launcher)]
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
