"""A program that hangs, floods or leaves something behind ends as a clear error with no process left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.errors import Cancelled, PipelineError
from AutoSegPipelineLib.core.progress import SilentReport
from AutoSegPipelineLib.processing.engines.command import messages, run
from AutoSegPipelineLib.processing.engines.command.messages import fraction_of
from AutoSegPipelineLib.processing.phantom import write_nifti
from support import MODULE
from support.process_tree import alive, until_gone
from support.processing import case_message
from support.program import DAEMON
from support.worker_process import Worker

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals of POSIX")


class Listening(SilentReport):
    """Keeps what it hears; cancels at the first progress once ``ready`` says so."""

    def __init__(self, ready=lambda: False) -> None:
        self.fractions: list[float] = []
        self.lines: list[str] = []
        self._ready = ready

    def progress(self, fraction: float, message: str = "") -> None:
        self.fractions.append(fraction)
        if self._ready():
            raise Cancelled

    def log(self, text: str, level: str = "info") -> None:
        self.lines += text.split("\n")


def pids(note: Path) -> list[int]:
    return [int(word) for word in note.read_text(encoding="ascii").split()]


def written(note: Path) -> bool:
    return note.exists() and note.read_text(encoding="ascii") != ""


@posix
def test_a_program_that_hangs_is_ended_with_its_children_when_its_time_is_over(programs, scan):
    engine = programs.declare("hangs", str(programs.note), time_limit_minutes=3 / 60)
    with pytest.raises(PipelineError) as caught:
        engine.segment(scan, {}, SilentReport())
    assert caught.value.code == "engine.time_limit"
    assert caught.value.message == "bright did not end within 3 s and was ended"
    assert len(pids(programs.note)) == 3 and until_gone(pids(programs.note), 3) == []


@posix
def test_cancelling_ends_a_deaf_program_with_its_children_within_seconds(programs, scan):
    engine = programs.declare("hangs", str(programs.note))
    began = time.monotonic()
    with pytest.raises(Cancelled):
        engine.segment(scan, {}, Listening(lambda: written(programs.note)))
    assert until_gone(pids(programs.note), 3) == []
    assert time.monotonic() - began < 20
    assert list((programs.folder / "work").iterdir()) == []


@posix
def test_cancelling_asks_politely_first_and_then_runs_the_command_to_stop(programs, scan, tmp_path):
    asked, stopped = tmp_path / "asked", tmp_path / "stopped"
    stop = [
        sys.executable,
        "-c",
        "import sys; open(sys.argv[1], 'w').write(sys.argv[2])",
        str(stopped),
        "{run}",
    ]
    engine = programs.declare("polite", str(programs.note), str(asked), stop=stop)
    with pytest.raises(Cancelled):
        engine.segment(scan, {}, Listening(lambda: written(programs.note)))
    assert asked.read_text() == "asked" and stopped.read_text().startswith("autoseg-")
    assert until_gone(pids(programs.note), 3) == []


# Starts what leaves its group and session, and ends once that runs.
LEAVING = (
    "import os, subprocess, sys, time\n"
    "subprocess.Popen([sys.executable, '-c', sys.argv[1], sys.argv[2]], stdout=subprocess.DEVNULL)\n"
    "while not os.path.exists(sys.argv[2]) or not os.path.getsize(sys.argv[2]): time.sleep(0.02)\n"
    "print('version 1.2.3')\n"
)


@posix
def test_the_command_to_stop_runs_when_the_program_fails_and_leaves_nothing_itself(programs, scan, tmp_path):
    stop = [sys.executable, "-c", LEAVING, DAEMON, str(tmp_path / "daemon")]
    engine = programs.declare("fails", stop=stop)
    with pytest.raises(PipelineError, match="exit code"):
        engine.segment(scan, {}, SilentReport())
    assert until_gone(pids(tmp_path / "daemon"), 3) == []


@posix
def test_asking_for_the_version_leaves_nothing(programs, tmp_path):
    version = [sys.executable, "-c", LEAVING, DAEMON, str(tmp_path / "daemon")]
    assert programs.declare("good", version=version).version.startswith("1.2.3")
    assert until_gone(pids(tmp_path / "daemon"), 3) == []


@posix
@pytest.mark.parametrize("mode", ["floods", "fills"])
def test_a_flood_of_messages_or_files_is_ended(programs, scan, mode, monkeypatch):
    monkeypatch.setattr(run, "_SPACE_SECONDS", 0.2)
    engine = programs.declare(mode, str(programs.note), space_limit_gb=0.005)
    report = Listening()
    with pytest.raises(PipelineError) as caught:
        engine.segment(scan, {}, report)
    assert caught.value.code == "engine.bad_output"
    assert ("64 MB of messages" if mode == "floods" else "GB into its folder") in caught.value.message
    assert until_gone(pids(programs.note), 3) == []
    assert len(report.lines) <= messages.MOST_LOGGED + 3
    assert max(map(len, report.lines)) <= messages.LINE_CHARS + 300


def test_a_line_without_an_end_costs_no_memory(programs, scan):
    report = Listening()
    assert programs.declare("one_line").segment(scan, {}, report).segments
    assert max(map(len, report.lines[1:])) <= messages.LINE_CHARS


@posix
def test_what_a_program_leaves_running_is_found_in_its_own_session_and_ended(programs, scan):
    engine = programs.declare("leaves", str(programs.note))
    with pytest.raises(PipelineError) as caught:
        engine.segment(scan, {}, SilentReport())
    assert caught.value.code == "engine.failed" and "left 1 process running" in caught.value.message
    assert until_gone(pids(programs.note), 3) == []


def test_a_helper_that_ends_by_itself_is_nothing_left_behind(programs, scan):
    assert programs.declare("brief_helper").segment(scan, {}, SilentReport()).segments


def test_progress_comes_from_the_pattern_and_its_lines_are_not_logged(programs, scan):
    engine = programs.declare("progress", progress=r"(?P<done>\d+)/(?P<total>\d+)")
    report = Listening()
    engine.segment(scan, {}, report)
    assert [one for one in (0.2, 0.4, 0.6, 0.8) if one in report.fractions][-2:] == [0.6, 0.8]
    assert report.fractions[-1] == 1.0
    assert "ready" in report.lines and not any("predicting" in line for line in report.lines)


@pytest.mark.parametrize(
    ("pattern", "line", "fraction"),
    [
        (r"(?P<percent>\d+)%", " 37%|###   | 3/8", 0.37),
        (r"(?P<percent>\d+)%", "10% 20%", 0.2),
        (r"(?P<done>\d+)/(?P<total>\d+)", "3/4", 0.75),
        (r"(?P<done>\d+)/(?P<total>\d+)", "3/0", None),
        (r"(?P<fraction>[\d.]+)", "at .5", 0.5),
        (r"(?P<fraction>[\d.]+)", "1.2.3", None),
        (r"(?P<percent>\d+)%", "250%", None),
        (r"(?P<percent>\d+)%", "loading", None),
    ],
)
def test_the_fraction_of_a_line(pattern, line, fraction):
    import re

    assert fraction_of(re.compile(pattern), line) == fraction


@posix
@pytest.mark.parametrize("how", ["closed", "killed"])
def test_a_program_does_not_outlive_its_worker(programs, scan, tmp_path, how):
    programs.declare("hangs", str(programs.note))
    path = write_nifti(scan, tmp_path / "scan.nii.gz")
    worker = Worker(
        sys.executable, "-c",
        "import os; os.setpgid(0, 0); import runpy;"
        "runpy.run_module('AutoSegPipelineLib.processing.worker', run_name='__main__', alter_sys=True)",
        AUTOSEG_ENGINES_FILE=str(programs.file), TMPDIR=str(tmp_path),
    )  # fmt: skip
    worker.send(
        type="case", job="j", attempt=1, case=case_message(path, tmp_path, options={"engine": "bright"})
    )
    until = time.monotonic() + 60
    while not written(programs.note):
        assert time.monotonic() < until
        time.sleep(0.05)
    below = pids(programs.note)
    assert all(alive(pid) for pid in below)
    if how == "closed":
        worker.close()
    else:
        # As the pipeline ends a worker: its group, and all that descend from it.
        from AutoSegPipelineLib.core.process_tree import PosixTree

        tree = PosixTree()
        tree.add(worker.process.pid)
        worker.process.kill()
        worker.process.wait(10)
        tree.close()
        os.kill(below.pop(), 9)  # left its group and parents, and only the worker knew its mark
    assert until_gone(below, 5) == []


def test_a_case_by_a_declared_program_from_end_to_end(programs, scan, tmp_path):
    programs.declare("good", names={"1": "liver", "2": "spleen"}, licence="MIT", title="Bright things")
    path = write_nifti(scan, tmp_path / "scan.nii.gz")
    out = tmp_path / "results"
    command = [sys.executable, "-m", "AutoSegPipelineLib.headless", "run", str(path), "-o", str(out)]
    home = tmp_path / "home"
    home.mkdir()
    programs.file.rename(home / "engines.json")
    environment = {k: v for k, v in os.environ.items() if k != "AUTOSEG_ENGINES_FILE"}
    done = subprocess.run(
        [*command, "--home", str(home), "--engine", "bright", "--formats", "labels", "--json", "--quiet"],
        capture_output=True, text=True, timeout=120, check=False,
        env={**environment, "PYTHONPATH": str(MODULE)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    manifest = json.loads(next(out.rglob("*.manifest.json")).read_text(encoding="utf-8"))
    assert manifest["engine"]["name"] == "bright" and manifest["engine"]["used"]["licence"] == "MIT"
    assert [segment["name"] for segment in manifest["segments"]] == ["liver", "spleen"]
