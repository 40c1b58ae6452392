"""A child finds the library wherever its interpreter's launcher points PYTHONPATH."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.runtime.pipeline import Pipeline
from AutoSegPipelineLib.runtime.processes import intake_client
from AutoSegPipelineLib.runtime.processes.child import Child, Exit
from AutoSegPipelineLib.runtime.processes.child_command import child_environment, command_of, module_arguments
from AutoSegPipelineLib.runtime.processes.child_kinds import INTAKE, WORKER
from support.pipeline import Bench, fake_spawns, write_scan
from support.qt import run_until

posix = pytest.mark.skipif(os.name == "nt", reason="the launcher is a shell script")


def launcher(folder: Path, line: str) -> str:
    """A program that starts this Python as PythonSlicer does: with an environment of its own making."""
    path = folder / "PythonLauncher"
    path.write_text(f'#!/bin/sh\n{line} exec "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return str(path)


@posix
def test_a_launcher_that_sets_pythonpath_itself_hides_nothing(tmp_path: Path) -> None:
    said: list[object] = []
    ends: list[Exit] = []
    command = command_of(INTAKE, launcher(tmp_path, "PYTHONPATH=/nowhere"))
    child = Child(command, child_environment(tmp_path), said.append, lambda line: None, ends.append)
    child.start()
    run_until(lambda: said or ends, 60)
    child.quit()
    run_until(lambda: bool(ends), 60)
    assert said and ends[0].code == 0, ends[0].stderr_tail


def test_packages_are_found_before_those_of_the_interpreter(tmp_path: Path) -> None:
    packages = tmp_path / "a folder with spaces and 'quotes'"
    packages.mkdir()
    (packages / "numpy.py").write_text("raise SystemExit('the private one')\n")
    command = [sys.executable, *module_arguments("processing.volume", packages)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "the private one" in done.stderr


def test_the_current_folder_is_never_searched(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('the neighbour of a scan')\n")
    command = [sys.executable, *module_arguments("processing.volume")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0 and "neighbour" not in done.stderr, done.stderr


NO_LIBRARY = "echo 'ModuleNotFoundError: No module named numpy' >&2; exit 1;"


class BrokenWorkers(Bench):
    """A pipeline whose workers run under an interpreter without what they need."""

    def _make(self) -> Pipeline:
        self.home.root.mkdir(parents=True, exist_ok=True)
        python = launcher(self.home.root, NO_LIBRARY)

        def worker(on_message: Any, on_log: Any, on_end: Any, on_hung: Any = None) -> Child:
            env = child_environment(self.home.work)
            return Child(command_of(WORKER, python), env, on_message, on_log, on_end, on_hung=on_hung)

        spawns = fake_spawns(self.home, more={WORKER: worker})
        return Pipeline(self.home, self.settings, spawns, what="test")


@posix
def test_a_child_that_ends_before_its_hello_leaves_its_last_words(tmp_path: Path) -> None:
    ends: list[Exit] = []
    command = command_of(INTAKE, launcher(tmp_path, NO_LIBRARY))
    child = Child(command, child_environment(tmp_path), lambda _: None, lambda line: None, ends.append)
    child.start()
    run_until(lambda: bool(ends), 60)
    assert not ends[0].began
    assert ends[0].how == "exit code 1: ModuleNotFoundError: No module named numpy"


@posix
def test_the_log_of_a_case_says_why_its_worker_cannot_start(tmp_path: Path) -> None:
    with BrokenWorkers(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "one.nii"))
        log = bench.home.job_log(job.id)
        run_until(lambda: log.exists() and "No module named numpy" in log.read_text(), 60)
        text = log.read_text()
    assert "worker.not_started" in text and "memory" not in text


class BrokenIntake(Bench):
    """A pipeline whose intake child runs ``line`` of a shell first."""

    line = NO_LIBRARY

    def _make(self) -> Pipeline:
        self.home.root.mkdir(parents=True, exist_ok=True)
        python = launcher(self.home.root, self.line)

        def intake(on_message: Any, on_log: Any, on_end: Any) -> Child:
            env = child_environment(self.home.work)
            return Child(command_of(INTAKE, python), env, on_message, on_log, on_end)

        spawns = fake_spawns(self.home, more={INTAKE: intake})
        return Pipeline(self.home, self.settings, spawns, what="test")


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts follow one another at once: how long the waits are is a row of the table."""
    brief = dataclasses.replace(INTAKE.restart, first_wait=0.001, longest_wait=0.01)
    monkeypatch.setattr(intake_client, "INTAKE", dataclasses.replace(INTAKE, restart=brief))


@posix
@pytest.mark.usefixtures("short_waits")
def test_an_intake_child_that_cannot_start_refuses_with_the_reason(tmp_path: Path) -> None:
    with BrokenIntake(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "one.nii"))
        run_until(lambda: bool(bench.job(job.id).error), 60)
        error = bench.job(job.id).error
    assert error["code"] == "worker.not_started" and "No module named numpy" in error["message"]


@posix
@pytest.mark.usefixtures("short_waits")
def test_an_intake_child_killed_before_it_is_ready_refuses_nothing(tmp_path: Path) -> None:
    """A machine short of memory kills what is just starting; that is no fault of the scan."""
    starts = tmp_path / "starts"

    class KilledAtFirst(BrokenIntake):
        line = (
            f'echo >> "{starts}"; test $(wc -l < "{starts}") -gt {INTAKE.restart.starts - 1} || kill -9 $$;'
        )

    with KilledAtFirst(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "one.nii"))
        run_until(lambda: bench.job(job.id).ended, 60)
        job = bench.job(job.id)
    assert (job.state, job.error) == (states.DONE, None)
    assert len(starts.read_text().splitlines()) == INTAKE.restart.starts
