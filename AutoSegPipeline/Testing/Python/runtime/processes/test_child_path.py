"""A child finds the library wherever its interpreter's launcher points PYTHONPATH."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from AutoSegPipelineLib.runtime.processes.child import Child, Exit
from AutoSegPipelineLib.runtime.processes.child_command import child_environment, command_of, module_arguments
from AutoSegPipelineLib.runtime.processes.child_kinds import INTAKE
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
    run_until(lambda: said or ends, 20)
    child.quit()
    run_until(lambda: bool(ends), 20)
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
