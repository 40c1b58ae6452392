"""Groups of commands that load a command when it is typed, or when the help lists it.

Most commands need little; a few import Qt, pydicom or numpy, which would cost every call half a second.
"""

from __future__ import annotations

import importlib
from typing import ClassVar, Mapping

import click

from .program import name_commands


class LazyGroup(click.Group):
    """A subclass says which commands there are: ``module.function`` below ``package`` for each name."""

    package: ClassVar[str]
    functions: ClassVar[Mapping[str, str]]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.functions)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands and cmd_name in self.functions:
            module, _, function = self.functions[cmd_name].rpartition(".")
            command = getattr(importlib.import_module(f"{self.package}.{module}"), function)
            name_commands([command])
            self.add_command(command, cmd_name)
        return self.commands.get(cmd_name)

    def every(self) -> dict[str, click.Command]:
        """All commands by name, loaded."""
        context = click.Context(self)
        found = {name: self.get_command(context, name) for name in self.functions}
        return {name: command for name, command in found.items() if command is not None}
