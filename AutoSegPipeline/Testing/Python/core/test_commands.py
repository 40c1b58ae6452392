"""The table of commands: rows of the store become commands and back, and the doors offer what it says."""

from __future__ import annotations

from typing import Any

import click
import pytest
from AutoSegPipelineLib.core.commands import (
    TABLE,
    AddModel,
    Adopt,
    Cancel,
    CheckModel,
    Command,
    Example,
    Pause,
    Place,
    Priority,
    Purge,
    RemoveModel,
    Resume,
    Retry,
    Review,
    Stop,
    Watch,
    parse,
)
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.headless.cli import cli
from AutoSegPipelineLib.headless.commands import jobs, pipeline

EXAMPLES: tuple[Command, ...] = (
    Cancel("3f0c"), Retry("3f0c"), Priority("3f0c", 70), Place("3f0c"), Place("3f0c", "81ab"),
    Purge("3f0c"), Review("3f0c", "bad", "cut off", "ada"), Adopt("3f0c"), Example("ada"), Pause(), Resume(),
    Watch(True), Stop(),
    AddModel("1f", "teeth", "Teeth", "CT", "T1\nT2", "0\n1", "best.pth", "2d", "T", True, False, "ada"),
    CheckModel("teeth"), RemoveModel("teeth"),
)  # fmt: skip
COMMAND_LINE = (
    jobs.cancel, jobs.retry, jobs.priority, jobs.purge, jobs.review,
    pipeline.pause, pipeline.resume, pipeline.stop,
)  # fmt: skip


def test_every_command_comes_back_from_its_row() -> None:
    assert {type(one) for one in EXAMPLES} == set(TABLE)
    assert len({row.name for row in TABLE}) == len(TABLE)
    for one in EXAMPLES:
        assert parse(one.name, one.about, one.arguments()) == one


@pytest.mark.parametrize(
    ("name", "job", "arguments", "code"),
    [
        ("dance", None, {}, "request.invalid"),
        ("cancel", None, {}, "request.invalid"),
        ("cancel", "", {}, "request.invalid"),
        ("priority", "3f0c", {}, "request.invalid"),
        ("priority", "3f0c", {"priority": True}, "request.invalid"),
        ("priority", "3f0c", {"priority": "70"}, "request.invalid"),
        ("priority", "3f0c", {"priority": 101}, "options.invalid"),
        ("place", "3f0c", {"before": 3}, "request.invalid"),
        ("adopt", "3f0c", {}, "request.invalid"),
        ("watch", None, {"on": 1}, "request.invalid"),
        ("example", None, {}, "request.invalid"),
        ("review", "3f0c", {"mark": "fine", "remark": "", "by": ""}, "request.invalid"),
        ("review", "3f0c", {"mark": "good", "remark": "x" * 2001, "by": ""}, "request.invalid"),
    ],
)
def test_a_wrong_row_is_refused(name: str, job: str | None, arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(PipelineError) as refused:
        parse(name, job, arguments)
    assert refused.value.code == code


def test_the_command_line_has_every_command_that_the_table_gives_to_it() -> None:
    wanted = {row.name: row for row in TABLE if row.command_line}
    assert {command.name for command in COMMAND_LINE} == set(wanted)
    for name, row in wanted.items():
        command = cli.get_command(click.Context(cli), name)
        assert command in COMMAND_LINE, name
        assert (command.help or "").startswith(row.help)
    others = {row.name for row in TABLE if not row.command_line}
    assert not others & set(cli.every())
