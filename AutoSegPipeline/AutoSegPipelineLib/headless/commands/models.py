"""``models``: your own trained nnU-Net models, each a task of the engine ``nnunet``."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, TypedDict

import click
from rich import box
from rich.table import Table

from ...core.engines import OWN_MODELS
from ...core.errors import PipelineError
from ...core.settings import Settings
from ..flags import common, given, spec_flags
from ..output import safe
from ..own_models import ModelDocument, ask_models, wait_until_known
from ..session import Session, user_name
from .jobs import as_json
from .users import noted, opened

_WHERE = ("models_dir", "worker_python", "slicer")


@click.group("models")
def models() -> None:
    """Add, show, check and remove your own trained nnU-Net models.

    Each model is a task of the engine nnunet: --engine nnunet --task NAME, or
    --engine nnunet:NAME. The package nnunetv2 must be installed
    (python3 autoseg.py install nnunet).

    \b
    Examples:
      autoseg models add Dataset123_Teeth.zip --name teeth
      autoseg run scan.nii.gz -o out --engine nnunet:teeth
    """


@models.command("add")
@click.argument("source", metavar="FOLDER|ZIP", type=click.Path(path_type=Path))
@click.option("--name", default="", help="What the task is called; else the dataset's name.")
@click.option("--title", default="", help="What people read; else what dataset.json says.")
@click.option(
    "--labels", type=click.Path(path_type=Path, dir_okay=False),
    help="Table with names, colours and codes of the labels; else the names in dataset.json.",
)  # fmt: skip
@click.option("--modality", default="", type=click.Choice(["", "CT", "MR"]), help="Else as the channels say.")
@click.option(
    "--channel", "patterns", multiple=True, metavar="PATTERN",
    help="Which DICOM series is a channel, by its description, such as 'T1*'; once for each, in their order.",
)  # fmt: skip
@click.option("--fold", "folds", multiple=True, help="A fold to use, or all; repeat it. Else every fold.")
@click.option("--checkpoint", default="", help="Else checkpoint_final.pth, or checkpoint_best.pth.")
@click.option("--configuration", default="", help="Which one, where the source holds several.")
@click.option("--trainer", default="", help="Class of nnU-Net that builds the network, for another trainer.")
@click.option("--trust", is_flag=True, help="Load its checkpoints although they may run code. Read below.")
@click.option("--replace", is_flag=True, help="Replace a model of the same name.")
@spec_flags(_WHERE, "Settings")
@as_json
@common()
@click.pass_obj
def add_model(session: Session, source: Path, labels: Path | None, as_json: bool, **values: object) -> int:
    """Add a trained model.

    SOURCE is the folder of results that nnU-Net trained
    (Dataset123_Name, or one of its trainers' folders) or the zip that
    nnUNetv2_export_model_to_zip wrote. It is copied, and checked as far as a
    prediction would go.

    A checkpoint is a Python pickle, and loading one can run any program. It is
    loaded in a way that cannot; one that needs more is refused. With --trust it
    is loaded fully: only for a model whose makers you would trust with a program.
    The audit log and every manifest say that it was trusted.

    \b
    Examples:
      autoseg models add Dataset123_Teeth.zip --name teeth --labels teeth.csv
      autoseg models add nnUNet_results/Dataset124_Tumour --fold 0
      autoseg models add Dataset125_Glioma.zip --channel 'T1*' --channel '*FLAIR*'
    """
    settings = session.settings(given({name: values.pop(name) for name in _WHERE}))
    wanted = dict(values)
    wanted |= {"source": str(source.expanduser().absolute()), "by": user_name()}
    if labels is not None:
        wanted["labels"] = str(labels.expanduser().absolute())
    session.output.note("The model is copied and checked; that takes a moment.")
    trusted = bool(wanted["trust"]) and source.expanduser().exists()
    if trusted:  # before its code can run, which could do anything, also end this command
        _note_in_the_log(session, "model.add", str(wanted["name"] or source.name), trusted=True)
    model = ask_models(settings, "add", wanted)["model"]
    if not trusted:
        _note_in_the_log(session, "model.add", model["name"])
    if as_json:
        session.output.document(model)
    else:
        session.output.say(f"{safe(model['name'])}: added, {_size(model)}, {_count(model)}")
        session.output.say(f"Use it: autoseg run SCAN -o OUT --engine {OWN_MODELS}:{safe(model['name'])}")
    _tell_of_the_pipeline(session, model["name"], there=True)
    return 0


@models.command("list")
@spec_flags(_WHERE, "Settings")
@as_json
@common()
@click.pass_obj
def list_models(session: Session, as_json: bool, **flags: object) -> int:
    """Show the models that were added.

    \b
    Examples:
      autoseg models list
      autoseg models list --json
    """
    found = ask_models(session.settings(given(flags)), "list")
    if as_json:
        session.output.document(found)
        return 1 if found["broken"] else 0
    session.output.say(f"Folder: {safe(found['folder'])}")
    if found["models"]:
        table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
        for heading in ("name", "title", "for", "channels", "network", "structures", "size", "trusted"):
            table.add_column(heading, no_wrap=heading == "name")
        for one in found["models"]:
            table.add_row(
                safe(one["name"]), safe(one["title"]), one["modality"] or "any", safe(_channels(one)),
                one["configuration"], str(len(one["classes"])), _size(one), "yes" if one["trusted"] else "",
            )  # fmt: skip
        session.output.table(table)
    else:
        session.output.say("No model was added yet: autoseg models add FOLDER|ZIP")
    for error in found["broken"]:
        session.output.note(f"error: {safe(error['message'])}", "red")
    return 1 if found["broken"] else 0


@models.command("show")
@click.argument("name")
@spec_flags(_WHERE, "Settings")
@as_json
@common()
@click.pass_obj
def show_model(session: Session, name: str, as_json: bool, **flags: object) -> int:
    """Show everything that is known of a model, its licence too.

    \b
    Examples:
      autoseg models show teeth
    """
    model = ask_models(session.settings(given(flags)), "show", {"name": name})["model"]
    if as_json:
        session.output.document(model)
        return 0
    networks = [f"{one['configuration']} (folds {', '.join(one['folds'])})" for one in model["stages"]]
    rows = [
        ("Name", model["name"]), ("Title", model["title"]), ("For", model["modality"] or "any modality"),
        ("Channels", _channels(model)), *_patterns(model), ("Networks", ", then ".join(networks)),
        ("Structures", ", ".join(f"{one['value']} {one['name']}" for one in model["classes"])),
        ("Size", _size(model)), ("Source", model["source"]),
        ("Added", " by ".join(part for part in (model["added_at"], model["added_by"]) if part)),
        ("Trusted", "yes: its checkpoints may run code" if model["trusted"] else "no: loaded safely"),
        ("Weights", model["weights_sha256"]), ("Licence", model["licence"] or "not stated"),
    ]  # fmt: skip
    for title, text in rows:
        session.output.say(f"{title}: {safe(str(text))}")
    return 0


@models.command("check")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@spec_flags(_WHERE, "Settings")
@as_json
@common()
@click.pass_obj
def check_models(session: Session, names: tuple[str, ...], as_json: bool, **flags: object) -> int:
    """Check that models are as they were added and that their networks can be built.

    \b
    Examples:
      autoseg models check
      autoseg models check teeth
    """
    settings = session.settings(given(flags))
    listed = ask_models(settings, "list")
    rows: list[_Row] = [
        _checked(settings, name) for name in names or [one["name"] for one in listed["models"]]
    ]
    if not names:
        rows += [{"name": "", "error": error} for error in listed["broken"]]
    if as_json:
        session.output.document({"models": rows})
    for row in () if as_json else rows:
        _say_checked(session, row)
    return 1 if any("error" in row for row in rows) else 0


class _Row(TypedDict, total=False):
    """One model that was checked; ``error`` is what is wrong with it."""

    name: str
    model: ModelDocument
    error: Dict[str, str]


def _checked(settings: Settings, name: str) -> _Row:
    try:
        return {"name": name, "model": ask_models(settings, "check", {"name": name})["model"]}
    except PipelineError as error:
        if error.code == "worker.not_started":
            raise
        return {"name": name, "error": error.to_dict()}


def _say_checked(session: Session, row: _Row) -> None:
    if "error" not in row:
        session.output.say(f"{safe(row['name'])}: ok, {_count(row['model'])}")
        return
    error = row["error"]
    named = f"{safe(row['name'])}: " if row["name"] else ""
    session.output.say(f"{named}{safe(error['message'])}", "red")
    if error.get("hint"):
        session.output.say(f"  {safe(error['hint'])}")


@models.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@spec_flags(_WHERE, "Settings")
@common()
@click.pass_obj
def remove_model(session: Session, name: str, yes: bool, **flags: object) -> int:
    """Remove a model. Results that it made stay.

    \b
    Examples:
      autoseg models remove teeth
    """
    settings = session.settings(given(flags))
    model = ask_models(settings, "show", {"name": name})["model"]
    if not yes:
        click.confirm(f"Remove the model {model['name']} ({_size(model)})?", abort=True, err=True)
    ask_models(settings, "remove", {"name": model["name"]})
    _note_in_the_log(session, "model.remove", model["name"])
    session.output.say(f"{safe(model['name'])}: removed")
    _tell_of_the_pipeline(session, model["name"], there=False)
    return 0


def _channels(model: ModelDocument) -> str:
    return ", ".join(model["channels"])


def _patterns(model: ModelDocument) -> list[tuple[str, str]]:
    found = [f"{name} is {pattern}" for name, pattern in zip(model["channels"], model["patterns"])]
    return [("DICOM series", ", ".join(found))] if found else []


def _count(model: ModelDocument) -> str:
    count = len(model["classes"])
    return f"{count} structure{'' if count == 1 else 's'}"


def _size(model: ModelDocument) -> str:
    size = model["bytes"]
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"


def _note_in_the_log(session: Session, what: str, name: str, trusted: bool = False) -> None:
    """A line of the audit log; a home that nobody has used yet gets one for a trusted model only."""
    if trusted or session.home.state.exists():
        with opened(session, make=True) as accounts:
            noted(accounts, what, f"{name}, trusted" if trusted else name)


def _tell_of_the_pipeline(session: Session, name: str, there: bool) -> None:
    """Wait until the running pipeline knows of it, so that the next command finds it."""
    if wait_until_known(session, name, there) is False:
        session.output.note("The running pipeline will know of it when its present case is over.")
