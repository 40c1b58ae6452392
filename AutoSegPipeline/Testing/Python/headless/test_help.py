"""What the command line says about itself and about mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from AutoSegPipelineLib import __version__
from AutoSegPipelineLib.core import specs
from AutoSegPipelineLib.headless.cli import RESEARCH, SECTIONS, cli
from AutoSegPipelineLib.headless.flags import EXPORT_OPTIONS
from click.testing import CliRunner
from support.headless import COMMAND, autoseg, clean_environment

WIDE = {"terminal_width": 200, "max_content_width": 200}


def help_of(*command: str) -> str:
    return CliRunner().invoke(cli, [*command, "--help"], **WIDE).output


def test_every_command_stands_in_the_help_and_says_what_the_program_is_not() -> None:
    text = help_of()
    assert list(cli.every()) == [name for names in SECTIONS.values() for name in names]
    for name in cli.every():
        assert f"\n  {name} " in text
        assert RESEARCH in help_of(name)


def test_a_command_loads_what_it_needs_and_no_more(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from AutoSegPipelineLib.headless.cli import main\n"
        "main(['list', '--home', sys.argv[1]])\n"
        "print({'PySide6', 'numpy', 'pydicom', 'fastapi'} & set(sys.modules))\n"
        "print('AutoSegPipelineLib.headless.commands.serve' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "home")]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["set()", "False"]


def test_the_help_of_every_command_has_an_example_of_it() -> None:
    below = [("config", name) for name in cli.every()["config"].commands]
    names = [(name,) for name in cli.every()] + below
    examples = {name: help_of(*name).partition("Examples:\n")[2] for name in names}
    assert [name for name, text in examples.items() if f"autoseg {' '.join(name)}" not in text] == []


def test_every_setting_and_option_is_a_flag_of_serve_with_its_environment_name() -> None:
    text = " ".join(help_of("serve").split())  # a line may end within the brackets
    for spec in specs.BY_NAME.values():
        assert spec.flag in text
        assert f"env {spec.environment}]" in text


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("run", [name for name in specs.OPTION_NAMES if name != "priority"]),
        ("submit", specs.OPTION_NAMES),
        ("export", EXPORT_OPTIONS),
    ],
)
def test_case_options_are_flags_where_they_have_a_meaning(command: str, names: list[str]) -> None:
    text = help_of(command)
    assert [name for name in names if specs.BY_NAME[name].flag not in text] == []


def test_an_unknown_command_is_answered_with_the_nearest_one() -> None:
    done = autoseg("lst")
    assert done.returncode == 2
    assert "there is no command 'lst'; did you mean 'list'?" in done.stderr
    assert done.stdout == ""


def test_without_a_command_the_help_is_shown_as_it_is() -> None:
    done = autoseg()
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("Usage: autoseg") and RESEARCH in done.stderr


def test_a_wrong_value_is_answered_with_the_nearest_one() -> None:
    done = autoseg("run", "x.nii", "-o", "out", "--quality", "fst")
    assert done.returncode == 2
    assert "did you mean 'fast'?" in done.stderr


def test_a_usage_error_with_json_is_one_document() -> None:
    done = autoseg("run", "--json", "--detail", "9", "-o", "out", "x.nii")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "request.invalid"


def test_the_version_is_told() -> None:
    assert __version__ in autoseg("--version").stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed_for(shell: str) -> None:
    done = autoseg("completion", shell)
    assert done.returncode == 0
    assert "_AUTOSEG_COMPLETE" in done.stdout


def test_the_completion_knows_commands_and_values() -> None:
    def complete(words: str, at: int) -> str:
        return autoseg(
            env={"COMP_WORDS": words, "COMP_CWORD": str(at), "_AUTOSEG_COMPLETE": "bash_complete"}
        ).stdout

    assert "submit" in complete("autoseg sub", 1)
    assert complete("autoseg run --quality f", 3).split() == ["plain,fast", "plain,fastest"]


def test_a_reader_that_has_enough_is_no_error() -> None:
    with subprocess.Popen(
        [*COMMAND, "config", "show", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_a_fault_of_the_program_is_told_in_one_line_unless_somebody_debugs(
    tmp_path, monkeypatch, capsys
) -> None:
    from AutoSegPipelineLib.headless import cli as module
    from AutoSegPipelineLib.headless.session import Session

    def broken(self: Session) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Session, "store", broken)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert module.main(["--home", str(tmp_path), "list"]) == 1
    said = capsys.readouterr().err
    assert "RuntimeError: a bug" in said and "Traceback" not in said
    assert "Traceback" in next(tmp_path.glob("autoseg-error-*.log")).read_text()
    monkeypatch.setenv("AUTOSEG_DEBUG", "1")
    with pytest.raises(RuntimeError):
        module.main(["--home", str(tmp_path), "list"])
