"""Command line flags made from the table of settings and options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Iterable

import click

from ..core import specs
from ..core.errors import PipelineError
from .program import VARIABLE
from .session import Session

Decorated = Callable[..., object]

PLACES = {
    "home": "Folder of this pipeline: inbox, results, state, logs, settings.json.",
    "inbox": "Watched folder, if it is not in the home.",
    "results": "Folder of the results, if it is not in the home.",
    "state": "Folder of the pipeline's books; on a local disk.",
}
# A label map has its structures already: an engine's options mean nothing to it.
EXPORT_OPTIONS = (
    "structures",
    "formats",
    "detail",
    "max_triangles",
    "min_piece_ml",
    "smoothing",
    "assume_orientation",
)
# Flags whose first letter everybody expects.
_SHORT = {"engine": "-e", "task": "-t", "quality": "-q", "formats": "-f"}


class SpecType(click.ParamType):
    """A click type that parses, checks and completes as the table says."""

    def __init__(self, spec: specs.Spec) -> None:
        self.spec = spec
        self.name = spec.kind

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        if self.spec.kind == "choice":
            return "[" + "|".join(choice for choice in self.spec.choices if choice) + "]"
        return {"int": "N", "float": "X", "list": "A,B,..."}.get(self.spec.kind, "TEXT")

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        try:
            if self.spec.option:
                return specs.parse_options({self.spec.name: value}, self.spec.flag)[self.spec.name]
            return self.spec.parse(value, self.spec.flag)
        except PipelineError as error:
            raise click.BadParameter(error.message.removeprefix(f"{self.spec.flag}: ")) from None

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        head, comma, last = incomplete.rpartition(",") if self.spec.kind == "list" else ("", "", incomplete)
        found = [choice for choice in self.spec.choices if choice and choice.startswith(last)]
        return [CompletionItem(head + comma + choice) for choice in found]


def shown_value(value: object) -> str:
    """A setting's value as one would type it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _help(spec: specs.Spec) -> str:
    facts = [f"env {spec.environment}"]
    default = shown_value(spec.default)
    if default:
        facts.insert(0, "default " + (default if spec.kind != "bool" else ("on" if spec.default else "off")))
    if spec.minimum is not None and spec.maximum is not None:
        facts.insert(1, f"{spec.minimum:g} to {spec.maximum:g}{' ' + spec.unit if spec.unit else ''}")
    return f"{spec.help}  [{'; '.join(facts)}]"


def _option(spec: specs.Spec, section: str) -> Callable[[Decorated], Decorated]:
    names = [spec.flag] if spec.kind != "bool" else [f"{spec.flag}/--no-{spec.flag[2:]}"]
    if spec.name in _SHORT:
        names.insert(0, _SHORT[spec.name])
    kind: object = bool if spec.kind == "bool" else SpecType(spec)
    more: dict[str, object] = {} if spec.kind == "bool" else {"type": kind}
    return click.option(*names, spec.name, default=None, help=_help(spec), cls=sectioned(section), **more)


def sectioned(section: str) -> type[click.Option]:
    """A kind of option that stands under the heading ``section`` in help."""
    return type("SectionedOption", (click.Option,), {"section": section})


class Command(click.Command):
    """A command whose many flags stand under headings in its help."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and record[1]:
                sections.setdefault(getattr(param, "section", "Options"), []).append(record)
        for title in sorted(sections, key=lambda title: title != "Options"):
            with formatter.section(title):
                formatter.write_dl(sections[title], col_max=26)


def spec_flags(names: Iterable[str], section: str) -> Callable[[Decorated], Decorated]:
    """A flag for each of ``names``; what was not given arrives as None."""

    def decorate(function: Decorated) -> Decorated:
        for name in reversed(list(names)):
            function = _option(specs.BY_NAME[name], section)(function)
        return function

    return decorate


def _keep_place(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    if value is not None:
        ctx.ensure_object(Session).places[str(param.name)] = value


def _keep_switch(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        setattr(ctx.ensure_object(Session), str(param.name), True)


def common(hidden: bool = True, names: Iterable[str] = PLACES) -> Callable[[Decorated], Decorated]:
    """``--home`` and its like, taken before or after the command's name.

    Only the outermost ones read the environment, so that a flag always wins over it.
    """

    def decorate(function: Decorated) -> Decorated:
        for name in reversed(list(names)):
            function = click.option(
                f"--{name}", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
                help=PLACES[name], expose_value=False, callback=_keep_place, hidden=hidden,
                envvar=None if hidden else f"AUTOSEG_{name.upper()}", show_envvar=not hidden,
                cls=sectioned("Places"),
            )(function)  # fmt: skip
        for name, text in (("verbose", "Tell more, on standard error."), ("quiet", "Tell errors only.")):
            function = click.option(
                f"--{name}", is_flag=True, help=text, expose_value=False, callback=_keep_switch, hidden=hidden
            )(function)
        return function

    return decorate


def given(flags: dict[str, object]) -> dict[str, object]:
    """Only the flags that somebody gave."""
    return {name: value for name, value in flags.items() if value is not None}


def unknown_environment() -> list[str]:
    """Variables that look like ours but that nothing reads, each with the nearest that is."""
    known = {spec.environment for spec in specs.BY_NAME.values()} | set(OTHER_ENVIRONMENT)
    strange = [
        name for name in os.environ if name.upper().startswith("AUTOSEG_") and name.upper() not in known
    ]
    return [f"{name} is read by nothing{specs.did_you_mean(name, known)}" for name in sorted(strange)]


OTHER_ENVIRONMENT = (
    "AUTOSEG_DEBUG",
    "AUTOSEG_VENV",
    VARIABLE,
    *(f"AUTOSEG_{name.upper()}" for name in PLACES),
)
