"""Completion scripts for shells."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ..program import COMPLETE, INSTALLED, SHORT, program

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the script that completes commands, flags and job ids.

    \b
    Examples:
      eval "$(autoseg completion bash)"        in ~/.bashrc
      eval "$(autoseg completion zsh)"         in ~/.zshrc
      autoseg completion fish > ~/.config/fish/completions/autoseg.fish
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"this version of click knows nothing of {shell}")
    root = ctx.find_root()
    name = INSTALLED if program() == INSTALLED else SHORT
    click.echo(found(root.command, {}, name, COMPLETE).source())
    return 0
