"""The commands that help and advice name can be typed as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import click
import pytest
import support.skeleton as skeleton
from AutoSegPipelineLib.headless import program
from AutoSegPipelineLib.headless.cli import cli
from support.headless import autoseg

from launcher import handover


@pytest.mark.parametrize(
    ("started", "variable", "expected"),
    [
        ("/usr/bin/autosegpipeline", "", "autosegpipeline"),
        ("C:\\Scripts\\autosegpipeline.exe", "", "autosegpipeline" if sys.platform == "win32" else "autoseg"),
        ("/lib/headless/__main__.py", "", "autoseg"),
        ("/lib/headless/__main__.py", "python3 autoseg.py", "python3 autoseg.py"),
    ],
)
def test_the_program_is_called_as_it_was_started(monkeypatch, started, variable, expected) -> None:
    monkeypatch.setattr(sys, "argv", [started])
    monkeypatch.setenv(program.VARIABLE, variable)
    assert program.program() == expected


def test_only_commands_are_renamed(monkeypatch) -> None:
    monkeypatch.setenv(program.VARIABLE, "python3 autoseg.py")
    assert program.named("`autoseg list`") == "`python3 autoseg.py list`"
    assert program.named("(autoseg serve)") == "(python3 autoseg.py serve)"
    for text in ("python3 autoseg.py list", "/tmp/autoseg x", "autoseg-error-1.log", "the autoseg"):
        assert program.named(text) == text


def test_every_help_names_the_command_that_can_be_typed() -> None:
    env = {program.VARIABLE: "python3 autoseg.py"}
    for name, command in cli.every().items():
        below = command.list_commands(click.Context(command))[:1] if isinstance(command, click.Group) else []
        text = autoseg(name, *below, "--help", env=env).stdout
        assert f"Usage: python3 autoseg.py {name}" in text
        assert re.findall(r"(?<![\w/])autoseg (?!-).*", text) == [], name


def test_advice_names_the_command_that_can_be_typed() -> None:
    done = autoseg("show", "abcd1234", env={program.VARIABLE: "python3 autoseg.py"})
    assert "`python3 autoseg.py list` shows the jobs" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there the launcher stays and starts a child")
def test_the_launcher_says_how_it_was_called(monkeypatch) -> None:
    class Environment:
        path = skeleton.ROOT
        python = skeleton.ROOT / "bin" / "python"

    monkeypatch.delenv(program.VARIABLE, raising=False)
    handed: list[dict[str, str]] = []
    monkeypatch.setattr(os, "execve", lambda path, command, variables: handed.append(variables))
    handover.become(Environment(), ["list"], -1)  # type: ignore[arg-type]
    assert handed[0][program.VARIABLE] == handover.PROGRAM
    # Checks and tests are no commands of a person.
    assert program.VARIABLE not in handover.environment_for(Environment())  # type: ignore[arg-type]


def test_the_installed_script_has_a_name_of_its_own() -> None:
    text = (skeleton.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    scripts = text.partition("[project.scripts]")[2].partition("\n[")[0]
    assert [line.split(" = ")[0] for line in scripts.splitlines() if " = " in line] == [program.INSTALLED]


@pytest.mark.parametrize(("name", "variable"), [("autosegpipeline", ""), ("autoseg", "python3 autoseg.py")])
def test_the_completion_is_for_the_name_that_is_typed(name, variable, tmp_path) -> None:
    script = tmp_path / ("autosegpipeline" if not variable else "main")
    script.write_text("import sys\nfrom AutoSegPipelineLib.headless.cli import main\nsys.exit(main())\n")
    env = {**os.environ, "PYTHONPATH": str(skeleton.MODULE), program.VARIABLE: variable}
    done = subprocess.run(
        [sys.executable, str(script), "completion", "bash"], env=env, capture_output=True, text=True
    )
    assert f" {name}\n" in done.stdout and program.COMPLETE in done.stdout
