"""autoseg.py: its command line, what it passes on, and the closing line of the checks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.launcher import PROGRAM, launch

from launcher import checks
from launcher.main import Usage, split_arguments
from launcher.places import ROOT, environments_folder

pytestmark = pytest.mark.usefixtures("offline")


@pytest.mark.parametrize(
    ("arguments", "folder", "rest"),
    [
        (["serve"], None, ["serve"]),
        (["--venv", "x", "serve", "--home", "y"], "x", ["serve", "--home", "y"]),
        (["--venv=x y", "list"], "x y", ["list"]),
        (["run", "--venv", "x"], None, ["run", "--venv", "x"]),
        ([], None, []),
    ],
)
def test_what_stands_after_the_command_is_passed_on(
    arguments: list[str], folder: str | None, rest: list[str]
) -> None:
    assert split_arguments(arguments) == (folder, rest)


@pytest.mark.parametrize("arguments", [["--venv"], ["--venv="], ["--venv", "--help"]])
def test_venv_without_a_folder_is_a_usage_error(arguments: list[str]) -> None:
    with pytest.raises(Usage, match="--venv needs a folder"):
        split_arguments(arguments)


def test_help_before_the_installation_installs_nothing(checkout: Path, tmp_path: Path) -> None:
    answer = launch(checkout, "--venv", str(tmp_path / "v"), "--help")
    assert answer.returncode == 0 and "serve" in answer.stdout
    assert list((tmp_path / "v").glob("base-*")) == []


def test_the_folder_can_stand_in_the_environment_and_the_flag_wins(checkout: Path, tmp_path: Path) -> None:
    from AutoSegPipelineLib.headless.flags import OTHER_ENVIRONMENT

    assert "AUTOSEG_VENV" in OTHER_ENVIRONMENT
    spoken = {"AUTOSEG_VENV": str(tmp_path / "spoken")}
    answer = launch(checkout, "--help", **spoken)
    assert answer.returncode == 0 and str(tmp_path / "spoken") in answer.stdout
    assert (tmp_path / "spoken").is_dir()
    answer = launch(checkout, "--venv", str(tmp_path / "flag"), "--help", **spoken)
    assert str(tmp_path / "flag") in answer.stdout and str(tmp_path / "spoken") not in answer.stdout


def test_the_first_call_installs_and_becomes_the_program(checkout: Path, tmp_path: Path) -> None:
    # A file of a dependency's name in the user's folder must not be taken for the dependency.
    (tmp_path / "tiny.py").write_text("VERSION = 'the wrong one'\n")
    first = launch(checkout, "run", "a b.nii", "--json", cwd=tmp_path)
    assert first.returncode == 7, first.stderr
    told = json.loads(first.stdout)
    assert told["arguments"] == ["run", "a b.nii", "--json"]
    assert told["tiny"] == "1.0"
    assert Path(told["prefix"]).parent == checkout / ".venv-autoseg"
    assert "[1/1] tiny 1.0" in first.stderr
    second = launch(checkout, "list", cwd=tmp_path)
    assert second.returncode == 7 and second.stderr == ""


def test_a_checkout_that_cannot_be_written_uses_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    (tmp_path / ".venv-autoseg").write_text("a file where the folder would be")
    folder = environments_folder(None, tmp_path)
    assert tmp_path / "cache" in folder.parents and folder.is_dir()


def test_one_failed_check_makes_the_closing_line_fail() -> None:
    good, bad = checks.Outcome("mypy", 0, 1.0), checks.Outcome("pytest", 3, 2.0)
    assert checks.summary([good]).endswith("test: all 1 checks are clean")
    assert checks.summary([good, bad]).endswith("test: FAILED: pytest")
    assert "FAILED (exit code 3)" in checks.summary([good, bad])


def test_the_checks_keep_bytecode_whatever_the_machine_says(monkeypatch: pytest.MonkeyPatch) -> None:
    class Environment:
        path = ROOT
        python = ROOT / "bin" / "python"

    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    variables = checks.check_variables(Environment())  # type: ignore[arg-type]
    assert "PYTHONDONTWRITEBYTECODE" not in variables and variables["PYTHONPATH"]


FILES = ["--dist", "loadfile", "--no-loadscope-reorder"]


@pytest.mark.parametrize(
    ("arguments", "cores", "expected"),
    [
        ([], 2, ["-n", "5", *FILES]),
        ([], 1, ["-n", "3", *FILES]),
        ([], 64, ["-n", "8", *FILES]),
        (["--fast"], 2, ["-m", "not slow and not processes", "-n", "2", *FILES]),
        (["-k", "gltf"], 2, ["-k", "gltf"]),
        (["--fast", "-x"], 2, ["-m", "not slow and not processes", "-x"]),
    ],
)
def test_everything_runs_side_by_side_and_a_choice_one_after_the_other(
    arguments: list[str], cores: int, expected: list[str]
) -> None:
    assert checks.pytest_arguments(arguments, cores) == expected


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals of POSIX")
def test_a_signal_reaches_the_program_itself(checkout: Path, tmp_path: Path) -> None:
    program = checkout / "AutoSegPipeline" / "AutoSegPipelineLib" / "headless" / "__main__.py"
    try:
        program.write_text("import time\nprint('up', flush=True)\ntime.sleep(60)\n")
        child = subprocess.Popen(
            [sys.executable, str(checkout / "autoseg.py"), "serve"], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None and child.stdout.readline() == "up\n"
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == -signal.SIGTERM
        child.stdout.close()
    finally:
        program.write_text(PROGRAM)
