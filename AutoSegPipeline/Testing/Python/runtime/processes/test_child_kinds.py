"""Child processes: a row is all that it takes to start one."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Callable

import psutil
import pytest
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.own_packages import FOLDER, MARK
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.core.specs import SETTINGS
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.runtime.processes.child_command import module_arguments
from AutoSegPipelineLib.runtime.processes.child_kinds import (
    CLUSTER,
    DICOM,
    EXAMPLE,
    INTAKE,
    KINDS,
    MODELS,
    WEB,
    WORKER,
    ChildKind,
    Restart,
)
from AutoSegPipelineLib.runtime.wiring import spawner
from support import MODULE
from support.headless import Running
from support.library_copy import LibraryCopy


def nothing(*_: Any) -> None:
    """Nobody listens."""


def test_a_row_more_is_started_with_its_own_folder_and_limits(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    (home.state / FOLDER).mkdir(parents=True)
    row = ChildKind("echo", "intake.child", Restart(), packages=True)
    child: Any = spawner(row, home, Settings.defaults(hung_minutes=2.0), "/another/python")(
        nothing, nothing, nothing
    )
    packages = home.state / FOLDER
    assert child._command == [sys.executable, *module_arguments("intake.child", packages)]
    assert child._command[-2:] == [f"{MODULE}{os.pathsep}{packages}", "AutoSegPipelineLib.intake.child"]
    assert Path(child._env["TMPDIR"]) == home.work / "echo" and (home.work / "echo").is_dir()
    assert child._hung._limit == 120.0


def test_packages_of_the_home_are_for_our_own_python(tmp_path: Path) -> None:
    """A SEG that is dropped into Slicer is read by the intake and the worker, with the home's highdicom."""
    home = Home.at(tmp_path)
    folder = home.state / FOLDER
    folder.mkdir(parents=True)

    def finds(kind: ChildKind, python: str | None = None) -> bool:
        spawn = spawner(kind, home, Settings.defaults(), python)
        return str(folder) in vars(spawn(nothing, nothing, nothing))["_command"][3]

    assert [kind.name for kind in KINDS if finds(kind)] == ["worker", "intake", "web", "dicom", "cluster"]
    assert [kind.name for kind in KINDS if finds(kind, "/another/python")] == [
        "intake",
        "web",
        "dicom",
        "cluster",
    ]
    (folder / MARK).write_text('{"python": "3.1"}')
    assert not any(finds(kind) for kind in KINDS), "compiled for another Python"
    (folder / MARK).write_text(f'{{"python": "{sys.version_info[0]}.{sys.version_info[1]}"}}')
    assert finds(INTAKE)


def test_only_those_that_run_engines_take_the_workers_python(tmp_path: Path) -> None:
    spawns = {
        kind: spawner(kind, Home.at(tmp_path), Settings.defaults(), "/another/python") for kind in KINDS
    }
    commands = {kind: vars(spawn(nothing, nothing, nothing))["_command"][0] for kind, spawn in spawns.items()}
    assert commands == {
        **dict.fromkeys((WORKER, MODELS), "/another/python"),
        **dict.fromkeys((INTAKE, WEB, EXAMPLE, DICOM, CLUSTER), sys.executable),
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_module_of_each_row_is_there(kind: ChildKind) -> None:
    assert importlib.util.find_spec(f"AutoSegPipelineLib.{kind.module}") is not None


def test_a_setting_by_which_a_child_runs_is_one_of_the_settings() -> None:
    assert {kind.setting for kind in KINDS if kind.setting} <= {spec.name for spec in SETTINGS}


def test_a_child_that_is_kept_running_is_never_started_again_without_a_pause() -> None:
    with pytest.raises(ValueError, match="beacon"):
        ChildKind("beacon", "beacon", Restart(), setting="watch")


BEACON = '''"""Writes what it was given and waits for its end."""

import os
from pathlib import Path

from .core.child_channel import ChildChannel
from .core.messages.child_messages import Hello, Serve

channel = ChildChannel.take()
channel.start()
channel.send(Hello(os.getpid(), "beacon"))
for envelope in channel.commands():
    if isinstance(envelope.message, Serve):
        values = envelope.message.settings
        Path(envelope.message.home.state, "beacon.txt").write_text(str(values["settle_seconds"]))
'''
ROW = """BEACON = ChildKind(
    "beacon", "beacon", Restart(first_wait=0.1, longest_wait=1.0, well_seconds=60.0), setting="watch"
)
"""


def test_a_module_and_a_row_are_a_child_that_the_pipeline_keeps_running(tmp_path: Path) -> None:
    copy = LibraryCopy(tmp_path / "program")
    copy.new("beacon.py", BEACON)
    table = "runtime/processes/child_kinds.py"
    rows = "KINDS: tuple[ChildKind, ...] = ("
    copy.below(table, rows, ROW, above=True)
    copy.below(table, rows, "BEACON,")
    home = Home.at(tmp_path / "home")
    given = home.state / "beacon.txt"

    def note() -> dict[str, Any]:
        return Store(home.store).meta.get("beacon") or {} if home.store.exists() else {}

    with Running("--home", home.root, "serve", "--settle-seconds", "7", env=copy.variables) as pipeline:
        first = until(lambda: note().get("pid"))
        until(lambda: given.exists() and given.read_text() == "7.0")
        assert f"running (process {first})" in copy.autoseg("--home", home.root, "status").stdout
        os.kill(first, getattr(signal, "SIGKILL", signal.SIGTERM))
        until(lambda: note().get("pid") not in (first, 0, None))
        second = note()["pid"]
        assert psutil.pid_exists(second)
        copy.autoseg("--home", home.root, "stop")
        assert pipeline.end() == 0
    assert not psutil.pid_exists(second) and note() == {}
    logged = "".join(path.read_text(encoding="utf-8") for path in home.logs.glob("*.jsonl"))
    assert "the child process beacon is started again in 0.1 s" in logged


def until(found: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What ``found`` returns once it is something."""
    end = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)
    return answer


def test_threads_of_networks_sleep_while_they_wait_unless_somebody_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("KMP_BLOCKTIME", "200")

    def environment(kind: ChildKind) -> dict[str, str]:
        child = spawner(kind, Home.at(tmp_path), Settings.defaults())(nothing, nothing, nothing)
        return dict(vars(child)["_env"])

    worker = environment(WORKER)
    assert (worker["OMP_WAIT_POLICY"], worker["GOMP_SPINCOUNT"]) == ("PASSIVE", "0")
    assert worker["KMP_BLOCKTIME"] == "200"
    assert "OMP_WAIT_POLICY" not in environment(INTAKE)
