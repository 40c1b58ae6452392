"""Handing scans over to a pipeline that runs, or that will."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ...core import specs
from ...core.commands import Adopt
from ...core.errors import PipelineError
from ...core.incoming import stage
from ...core.options_check import check_at_the_door
from ...core.store.ask import Waiting, ask
from ...core.task_labels import PROGRAM
from ...intake.options_files import read_options, scan_options_path
from ..ask import text_of
from ..flags import Command, common, given, spec_flags
from ..output import safe
from ..session import Session, check_name, user_name
from .jobs import as_json
from .run import labels_given


@click.command("submit", cls=Command)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
@click.option("--name", default="", help="Name of the results; one PATH only.")
@click.option("--segmentation", is_flag=True, help="PATH is a label map or .seg.nrrd: export it, no engine.")
@click.option(
    "--labels",
    metavar="TABLE|TASK",
    callback=lambda _context, _param, value: labels_given(value),
    help=f"Table of names for a label map, or a task of {PROGRAM}; as in export.",
)
@spec_flags(specs.OPTION_NAMES, "Case options")
@as_json
@common()
@click.pass_obj
def submit(
    session: Session,
    paths: tuple[Path, ...],
    name: str,
    segmentation: bool,
    labels: str | None,
    as_json: bool,
    **flags: object,
) -> int:
    """Hand over files or folders; yours are copied and stay as they are.

    Works without a running pipeline too: the copies wait for the next one.

    \b
    Examples:
      autoseg submit scan.nii.gz
      autoseg submit dicom_folder/ --quality fast --priority 90
    """
    if name and len(paths) > 1:
        raise click.UsageError("--name goes with one PATH only")
    if labels is not None and not segmentation:
        raise click.UsageError("--labels goes with --segmentation")
    about = {
        "door": "submit",
        "by": user_name(),
        "options": given(flags),
        "name": name,
        "expect": "segmentation" if segmentation else "scan",
    }
    extra: dict[str, object] = {} if labels is None else {"labels": labels}
    found = [_submit_one(session, path, {**about, **extra}) for path in paths]
    if as_json:
        session.output.document({"submitted": found})
    return 1 if any("error" in one for one in found) else 0


def _submit_one(session: Session, path: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Stage ``path`` and ask for its adoption; what to report about it as JSON."""
    store, output = session.store_or_new(), session.output
    try:
        check_name(path)
        beside = scan_options_path(str(path.absolute())) if path.is_file() else None
        options = {"file_options": read_options(beside)} if beside else {}
        if about["expect"] == "scan":
            check_at_the_door(store.meta, {**options.get("file_options", {}), **about["options"]})
        job_id = stage(session.home, path, **about, **options)
    except PipelineError as error:
        output.error(error)
        return {"input": str(path), "error": error.to_dict()}
    except OSError as error:
        unreadable = PipelineError("input.unreadable", f"{path} cannot be read: {error.strerror}")
        output.error(unreadable)
        return {"input": str(path), "error": unreadable.to_dict()}
    try:
        ask(store, session.home, Adopt(job_id), user_name())
        output.note(f"{job_id[:8]} {safe(path.name)}: taken")
        state = "taken"
    except Waiting as waiting:
        output.note(f"{job_id[:8]} {safe(path.name)}: waits. {text_of(waiting)}")
        state = "waiting"
    finally:
        store.close()
    return {"input": str(path), "id": job_id, "state": state}
