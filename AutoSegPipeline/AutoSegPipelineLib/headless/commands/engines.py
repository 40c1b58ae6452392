"""``engines``: what can segment here, and whether the programs declared in engines.json are right."""

from __future__ import annotations

from pathlib import Path

import click
from rich import box
from rich.table import Table

from ...core.engines import DECLARED
from ...core.errors import PipelineError
from ...core.messages.worker_messages import EngineRow
from ...core.settings import Settings
from ...core.specs import did_you_mean
from ..extras import workers_python
from ..flags import common, given, spec_flags
from ..output import safe
from ..session import Session
from .jobs import as_json
from .run import RUN_SETTINGS


@click.group("engines")
def engines() -> None:
    """Show what can segment here, and check the programs declared in engines.json.

    \b
    Examples:
      autoseg engines list
      autoseg engines show tissue
      autoseg engines check
    """


@engines.command("list")
@spec_flags(RUN_SETTINGS, "Settings")
@as_json
@common()
@click.pass_obj
def list_engines(session: Session, as_json: bool, **flags: object) -> int:
    """Show every engine, the one that auto prefers first, and what each lacks."""
    found = _described(session.settings(given(flags)))
    if as_json:
        session.output.document({"engines": found})
        return 0
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    for heading in ("engine", "version", "for", "tasks"):
        table.add_column(heading, no_wrap=True)
    table.add_column("state", overflow="fold")
    for engine in found:
        takes = sorted({str(task.get("modality") or "any") for task in engine["tasks"]})
        state = "works" if engine["ok"] else _lack(engine)
        version, tasks = engine.get("version", ""), str(len(engine["tasks"]))
        table.add_row(engine["name"], safe(str(version)), " ".join(takes), tasks, safe(state))
    session.output.table(table)
    return 0


@engines.command("show")
@click.argument("name")
@spec_flags(RUN_SETTINGS, "Settings")
@as_json
@common()
@click.pass_obj
def show_engine(session: Session, name: str, as_json: bool, **flags: object) -> int:
    """Show one engine: its tasks with modality, qualities and structures; of a program also its command."""
    settings = session.settings(given(flags))
    found = {engine["name"]: engine for engine in _described(settings)}
    engine = found.get(name.strip().casefold())
    if engine is None:
        near = did_you_mean(name, found)
        hint = "`autoseg engines list` lists them."
        raise PipelineError("engine.unknown", f"there is no engine {name!r}{near}", hint)
    command = _command(settings, engine["name"])
    if as_json:
        session.output.document({**engine, **({"command": command} if command else {})})
        return 0
    say = session.output.say
    say(f"{engine['name']} {engine.get('version', '')}: {safe(engine.get('title', ''))}")
    say("It works here." if engine["ok"] else f"It does not work here: {safe(_lack(engine))}")
    if command:
        say(f"Command: {safe(' '.join(command))}")
        say(f"Declared in: {safe(settings[DECLARED.name])}")
    if engine.get("licence"):
        say(f"Licence: {safe(str(engine.get('licence')))}")
    for task in engine["tasks"]:
        structures = task.get("classes") or []
        count = f"{len(structures)} structures" if structures else "structures as it names them"
        takes = task.get("modality") or "any modality"
        say(f"Task {task['name']} ({takes}; {', '.join(task.get('qualities') or [])}): {count}")
        if structures and len(engine["tasks"]) == 1:
            say(safe(", ".join(structures)))
    return 0


@engines.command("check")
@spec_flags((DECLARED.name,), "Settings")
@as_json
@common()
@click.pass_obj
def check_engines(session: Session, as_json: bool, **flags: object) -> int:
    """Check engines.json, its programs, tables and weights; 0 when all is right or it is not there."""
    from ...processing.engines.command import CommandEngine
    from ...processing.engines.command.declared_file import read_declared

    path = Path(session.settings(given(flags))[DECLARED.name])
    declared = read_declared(path)
    mistakes = [error.message for error in declared.errors.values()]
    right = []
    for one in declared.engines:
        check = CommandEngine(one).check()
        if check.ok:
            right.append(one)
        else:
            lacks = ", ".join(check.missing)
            mistakes.append(f"{one.name}: {': '.join(text for text in (check.note, lacks) if text)}")
    if as_json:
        names = [one.name for one in right]
        session.output.document({"file": str(path), "engines": names, "mistakes": mistakes})
        return 1 if mistakes else 0
    if not path.exists():
        session.output.say(f"No program is declared ({safe(str(path))} does not exist).")
    for one in right:
        session.output.say(f"{one.name}: {safe(' '.join(one.command))}")
    for text in mistakes:
        session.output.note(f"error: {safe(text)}", "red")
    return 1 if mistakes else 0


def _described(settings: Settings) -> list[EngineRow]:
    from ..doctor_cases import describe

    return describe(workers_python(settings), settings)


def _command(settings: Settings, name: str) -> list[str]:
    """The command of a declared program; nothing for other engines."""
    from ...processing.engines.command.declared_file import read_declared

    declared = read_declared(Path(settings[DECLARED.name])).engines
    return next((list(one.command) for one in declared if one.name == name), [])


def _lack(engine: EngineRow) -> str:
    return ", ".join(engine["missing"]) or engine["note"] or "it does not work here"
