"""Child processes: a row is all that it takes to start one."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.runtime.processes.child_command import module_arguments
from AutoSegPipelineLib.runtime.processes.child_kinds import INTAKE, KINDS, WEB, WORKER, ChildKind, Restart
from AutoSegPipelineLib.runtime.wiring import PACKAGES, spawner
from support import MODULE


def nothing(*_: Any) -> None:
    """Nobody listens."""


def test_a_row_more_is_started_with_its_own_folder_and_limits(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    (home.state / PACKAGES).mkdir(parents=True)
    row = ChildKind("echo", "intake.child", Restart(), packages=True)
    child: Any = spawner(row, home, Settings.defaults(hung_minutes=2.0), "/another/python")(
        nothing, nothing, nothing
    )
    packages = home.state / PACKAGES
    assert child._command == [sys.executable, *module_arguments("intake.child", packages)]
    assert child._command[-2:] == [f"{MODULE}{os.pathsep}{packages}", "AutoSegPipelineLib.intake.child"]
    assert Path(child._env["TMPDIR"]) == home.work / "echo" and (home.work / "echo").is_dir()
    assert child._hung._limit == 120.0


def test_only_those_that_run_engines_take_the_workers_python(tmp_path: Path) -> None:
    spawns = {
        kind: spawner(kind, Home.at(tmp_path), Settings.defaults(), "/another/python") for kind in KINDS
    }
    commands = {kind: vars(spawn(nothing, nothing, nothing))["_command"][0] for kind, spawn in spawns.items()}
    assert commands == {WORKER: "/another/python", INTAKE: sys.executable, WEB: sys.executable}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_module_of_each_row_is_there(kind: ChildKind) -> None:
    assert importlib.util.find_spec(f"AutoSegPipelineLib.{kind.module}") is not None
