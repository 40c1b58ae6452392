"""How this command line was started, and texts that name its commands in those words.

Every text of the program writes ``autoseg COMMAND``. From a checkout people type ``python3 autoseg.py``,
after an installation with pip ``autosegpipeline``: the name ``autoseg`` belongs to another package there.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Iterable

import click

VARIABLE = "AUTOSEG_PROGRAM"  # set by the launcher
INSTALLED = "autosegpipeline"
SHORT = "autoseg"
COMPLETE = "_AUTOSEG_COMPLETE"
_NAMED = re.compile(r"(?<![\w./-])autoseg (?=[a-z\[-])")


def program() -> str:
    """What a person types before a command."""
    if os.environ.get(VARIABLE):
        return os.environ[VARIABLE]
    return INSTALLED if Path(sys.argv[0]).stem == INSTALLED else SHORT


def named(text: str) -> str:
    """``text`` with its commands as they can be typed here."""
    return _NAMED.sub(lambda _: f"{program()} ", text)


class Formatter(click.HelpFormatter):
    """Writes help with the commands as they can be typed here."""

    def write(self, string: str) -> None:
        super().write(named(string))


class Context(click.Context):
    """A context whose help goes through :class:`Formatter`."""

    formatter_class = Formatter


def name_commands(commands: Iterable[click.Command]) -> None:
    """Have the help of ``commands`` and of those below them name the program."""
    for command in commands:
        command.context_class = Context
        if isinstance(command, click.Group):
            name_commands(command.commands.values())
