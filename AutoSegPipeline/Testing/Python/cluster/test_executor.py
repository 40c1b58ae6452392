"""The command of a bundle's worker on another machine."""

from __future__ import annotations

from pathlib import Path

from AutoSegPipelineLib.cluster.executor import worker_command
from AutoSegPipelineLib.core.home import Home, default_root
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.headless.commands.worker import worker


def asked(tmp_path: Path, **settings: object) -> dict[str, object]:
    """What the program understands of the command: the flags that were given."""
    command = worker_command(Settings.defaults(**settings), tmp_path / "bundle")
    words = command[command.index("worker") + 1 :]
    found = worker.make_context("worker", words).params
    assert found["folder"] == tmp_path / "bundle"
    names = ("hung_minutes", "models_dir", "back_end", "engines_file")
    return {name: found[name] for name in names if found[name]}


def test_what_was_set_here_holds_on_the_other_machine(tmp_path: Path) -> None:
    declared = tmp_path / "engines.json"
    declared.write_text("{}")
    wanted = {
        "hung_minutes": 90.0, "models_dir": str(tmp_path / "models"), "back_end": "openvino",
        "engines_file": str(declared),
    }  # fmt: skip
    assert asked(tmp_path, **wanted) == wanted


def test_what_nobody_set_is_for_the_other_machine_to_say(tmp_path: Path) -> None:
    assert asked(tmp_path) == {}
    assert asked(tmp_path, engines_file=str(tmp_path / "absent.json")) == {}


def test_the_usual_file_of_engines_is_that_of_the_other_machine(tmp_path, monkeypatch) -> None:
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    usual = Home.at(default_root()).engines_file
    usual.parent.mkdir(parents=True)
    usual.write_text("{}")
    assert asked(tmp_path, engines_file=str(usual)) == {}
