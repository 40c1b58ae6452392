"""``weights``: the trained models of TotalSegmentator, what is there and what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table

from ...core.engines import BY_NAME
from ...core.errors import PipelineError
from ...core.specs import QUALITIES, did_you_mean
from ..extras import hint_for, read_weights, workers_python
from ..flags import common, given, spec_flags
from ..output import safe
from ..session import Session
from ..weights_import import import_weights
from .jobs import as_json

_ENGINE = BY_NAME["totalsegmentator"]
_WHERE = ("worker_python", "slicer")


@click.group("weights")
def weights() -> None:
    """Show and import the trained models of TotalSegmentator.

    They are where the package looks for them: TOTALSEG_WEIGHTS_PATH, or
    nnunet/results in TOTALSEG_HOME_DIR, or in .totalsegmentator of the user.

    \b
    Examples:
      autoseg weights list
      autoseg weights import Dataset297.zip
    """


@weights.command("list")
@click.argument("task", required=False)
@spec_flags(_WHERE, "Settings")
@as_json
@common()
@click.pass_obj
def list_weights(session: Session, task: str | None, as_json: bool, **flags: Any) -> int:
    """Show which weights are there, for every task or in detail for one TASK.

    \b
    Examples:
      autoseg weights list
      autoseg weights list total
    """
    settings = session.settings(given(flags))
    found = read_weights(_ENGINE, settings)
    if task is not None:
        found = _only(found, task)
    if as_json:
        session.output.document(found)
        return 0
    session.output.say(f"Folder: {safe(found['folder'])}")
    if found["version"]:
        session.output.say(f"TotalSegmentator {found['version']}")
    else:
        hint = hint_for(_ENGINE, workers_python(settings))
        session.output.say(f"TotalSegmentator is not installed. {hint}")
    if task is None and found["tasks"]:
        session.output.table(_tasks(found))
        if found["generation"] == "class_map":
            session.output.say("?: this version states the weights of a task only while it downloads them.")
    detailed = task is not None or not found["tasks"] or found["generation"] == "class_map"
    if detailed and found["models"]:
        session.output.table(_models(found))
    _show_the_way(session, found, task)
    return 0


def _only(found: dict[str, Any], task: str) -> dict[str, Any]:
    names = [one["name"] for one in found["tasks"]]
    rows = [one for one in found["tasks"] if one["name"].casefold() == task.strip().casefold()]
    if not rows:
        near = did_you_mean(task, names)
        raise PipelineError("engine.task_unknown", f"TotalSegmentator has no task {task!r}{near}")
    wanted = {number for models in rows[0]["qualities"].values() for number in models}
    models = [one for one in found["models"] if one["number"] in wanted]
    return {**found, "tasks": rows, "models": models}


def _state(task: dict[str, Any], quality: str, there: set[int]) -> str:
    """One cell: ``there``, ``2 of 5``, ``missing``; a dash where the task has no such quality."""
    if quality not in task["qualities"]:
        return "-"
    models = task["qualities"][quality]
    if not models:
        return "?"
    count = sum(number in there for number in models)
    return "there" if count == len(models) else f"{count} of {len(models)}" if count else "missing"


def _tasks(found: dict[str, Any]) -> Table:
    there = {model["number"] for model in found["models"] if model["state"] == "there"}
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    for heading in ("task", "for", *QUALITIES, "licence"):
        table.add_column(heading, no_wrap=True)
    for task in found["tasks"]:
        states = [_state(task, quality, there) for quality in QUALITIES]
        licence = ("have" if found["has_licence"] else "needed") if task["licence"] else ""
        table.add_row(task["name"], task["modality"], *states, licence)
    return table


def _models(found: dict[str, Any]) -> Table:
    used: dict[int, list[str]] = {}
    for task in found["tasks"]:
        for quality, models in task["qualities"].items():
            for number in models:
                used.setdefault(number, []).append(f"{task['name']} {quality}")
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    table.add_column("model", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("used by", overflow="fold")
    for model in found["models"]:
        megabytes = f"{model['bytes'] / 1e6:.1f}" if model["bytes"] else ""
        table.add_row(
            safe(model["name"]), model["state"], megabytes, ", ".join(used.get(model["number"], []))
        )
    return table


def _show_the_way(session: Session, found: dict[str, Any], task: str | None) -> None:
    size = sum(model["bytes"] for model in found["models"])
    there = sum(model["state"] == "there" for model in found["models"])
    session.output.say(f"{there} models are there, {size / 1e6:.1f} MB.")
    broken = [model["name"] for model in found["models"] if model["state"] == "broken"]
    if broken:
        session.output.say(f"Incomplete: {safe(', '.join(broken))}. Import them again.", "yellow")
    missing = any(model["state"] == "missing" for model in found["models"])
    if missing or not found["models"]:
        session.output.note(
            "Missing weights: on a machine with internet run `totalseg_download_weights -t "
            f"{task or 'TASK'}`, or get the archives DATASET....zip of TotalSegmentator's releases; carry "
            "them here and run `autoseg weights import FILE|FOLDER`. `autoseg weights list TASK` names the "
            "models of a task."
        )


@weights.command("import")
@click.argument("source", metavar="FILE|FOLDER", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Replace a complete model.")
@as_json
@common()
@click.pass_obj
def import_command(session: Session, source: Path, replace: bool, as_json: bool) -> int:
    """Bring released weights to where TotalSegmentator looks for them.

    SOURCE is an archive of a release (Dataset297_....zip), such a folder, or a
    folder that holds some of them, for example another machine's
    .totalsegmentator. Each model is checked before it takes its place.
    """
    from ...processing.engines.totalsegmentator.weights import folder

    found = import_weights(source.expanduser(), folder(), session.output.note, replace)
    if as_json:
        session.output.document({"folder": str(folder()), "models": [vars(one) for one in found]})
        return 0
    fresh = [one for one in found if one.state != "kept"]
    size = sum(one.bytes for one in fresh)
    session.output.say(
        f"{len(fresh)} of {len(found)} models imported ({size / 1e6:.1f} MB) into {safe(str(folder()))}"
    )
    return 0
