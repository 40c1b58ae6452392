"""Looking at settings, checking and changing them."""

from __future__ import annotations

import os
from typing import Any

import click
from rich import box
from rich.table import Table

from ...core import specs
from ...core.errors import PipelineError
from ...core.files import write_json
from ...core.settings import read_settings_file
from ..flags import common, shown_value, unknown_environment
from ..output import safe
from ..session import Session
from .jobs import as_json


class SettingName(click.ParamType):
    """The name of a setting or option, completed from the table."""

    name = "name"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(value).replace("-", "_")

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        known = specs.BY_NAME.items()
        return [CompletionItem(name, help=spec.help) for name, spec in known if name.startswith(incomplete)]


@click.group("config")
def config() -> None:
    """Show, check and change settings.

    A flag wins over the environment (AUTOSEG_...), that over settings.json in
    the home, that over the default.

    \b
    Examples:
      autoseg config show --origin
      autoseg config set quality fast
    """


@config.command("show")
@click.option("--origin", is_flag=True, help="Tell where each value comes from.")
@as_json
@common()
@click.pass_obj
def show_config(session: Session, origin: bool, as_json: bool) -> int:
    """Show every setting and option as it holds now.

    \b
    Examples:
      autoseg config show
      autoseg config show --origin --json
    """
    settings = session.settings()
    shown = {name: _shown(name, settings[name]) for name in specs.BY_NAME}
    if as_json:
        values = {name: {"value": shown[name], "origin": settings.origins[name]} for name in specs.BY_NAME}
        session.output.document(values if origin else shown)
        return 0
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("origin" if origin else "", overflow="fold", style="" if origin else "dim")
    for name, spec in specs.BY_NAME.items():
        value = safe(shown_value(shown[name])) + (f" {spec.unit}" if spec.unit else "")
        table.add_row(name, value, safe(settings.origins[name]) if origin else spec.help)
    session.output.table(table)
    return 0


def _shown(name: str, value: Any) -> object:
    return "(a secret)" if value and name in specs.SECRETS else value


@config.command("check")
@common()
@click.pass_obj
def check_config(session: Session) -> int:
    """Check settings.json, the environment and the folders; 0 when all is well.

    \b
    Examples:
      autoseg config check
    """
    wrong: list[PipelineError] = []
    for name, value in [*_written(session, wrong), *_environment()]:
        try:
            origin = str(session.home.settings_file) if not name.startswith("AUTOSEG_") else name
            specs.find(_setting_of(name), origin).parse(value, origin)
        except PipelineError as error:
            wrong.append(error)
    try:
        session.home.check()
    except PipelineError as error:
        wrong.append(error)
    for trouble in wrong:
        session.output.error(trouble)
    for text in unknown_environment():
        session.output.note(f"note: {safe(text)}", "yellow")
    if not wrong:
        session.output.say("The settings are valid.")
    return 1 if wrong else 0


def _written(session: Session, wrong: list[PipelineError]) -> list[tuple[str, object]]:
    try:
        return list(read_settings_file(session.home.settings_file).items())
    except PipelineError as error:
        wrong.append(error)
        return []


def _environment() -> list[tuple[str, str]]:
    known = {spec.environment for spec in specs.BY_NAME.values()}
    return [(name.upper(), value) for name, value in os.environ.items() if name.upper() in known]


def _setting_of(name: str) -> str:
    return name[len("AUTOSEG_") :].lower() if name.startswith("AUTOSEG_") else name


@config.command("set")
@click.argument("name", type=SettingName())
@click.argument("value")
@common()
@click.pass_obj
def set_config(session: Session, name: str, value: str) -> int:
    """Write one setting into settings.json of the home.

    \b
    Examples:
      autoseg config set quality fast
      autoseg config set formats gltf,glb,seg
    """
    spec = specs.find(name, "config set")
    origin = "config set"
    parsed = specs.parse_options({name: value}, origin)[name] if spec.option else spec.parse(value, origin)
    _change(session, {name: parsed})
    session.output.say(f"{name} = {safe(shown_value(parsed))} in {safe(str(session.home.settings_file))}")
    _show_what_holds(session, name, parsed)
    return 0


@config.command("unset")
@click.argument("name", type=SettingName())
@common()
@click.pass_obj
def unset_config(session: Session, name: str) -> int:
    """Take one setting out of settings.json, so that its default holds.

    \b
    Examples:
      autoseg config unset quality
    """
    specs.find(name, "config unset")
    _change(session, {name: None})
    session.output.say(f"{name} = {safe(shown_value(session.settings()[name]))}")
    return 0


def _change(session: Session, changes: dict[str, object]) -> None:
    home = session.home
    written = {**read_settings_file(home.settings_file), **changes}
    home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_json(home.settings_file, {name: value for name, value in written.items() if value is not None})


def _show_what_holds(session: Session, name: str, value: object) -> None:
    settings = session.settings()
    if settings[name] != value:
        session.output.note(f"note: {settings.origins[name]} says otherwise and wins", "yellow")
    if session.is_running:
        session.output.note("The running pipeline reads its settings at its start; restart it.")
