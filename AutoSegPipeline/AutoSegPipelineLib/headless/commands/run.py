"""``run`` and ``export``: these inputs, then the end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Sequence

import click

from ...core import specs
from ...core.errors import PipelineError
from ...core.files import contained
from ...core.task_labels import PROGRAM, resolve_labels
from ..extras import check_engine
from ..flags import EXPORT_OPTIONS, Command, common, given, spec_flags
from ..output import Output, safe
from ..session import Session
from .jobs import as_json

if TYPE_CHECKING:
    from ..batch import Batch

RUN_SETTINGS = ("worker_python", "slicer", "engines_file", "models_dir", "back_end")
RUN_OPTIONS = tuple(name for name in specs.OPTION_NAMES if name != "priority")
out_folder = click.option(
    "-o", "--out", required=True, metavar="OUT", type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the results; created if missing; nothing in it is overwritten.",
)  # fmt: skip
_path = click.Path(path_type=Path)


def labels_given(value: str | None) -> str | None:
    """``--labels`` as the path of a table or a task; a usage error where it is neither."""
    try:
        return None if value is None else resolve_labels(value)
    except PipelineError as error:
        raise click.UsageError(f"--labels: {error.message}") from None


@click.command("run", cls=Command)
@click.argument("paths", nargs=-1, required=True, metavar="FILE|FOLDER...", type=_path)
@out_folder
@spec_flags(RUN_OPTIONS, "Case options")
@spec_flags(RUN_SETTINGS, "Settings")
@click.option("--again", is_flag=True, help="Process a folder's scans again that are done or were refused.")
@as_json
@common()
@click.pass_obj
def run(
    session: Session, paths: tuple[Path, ...], out: Path, as_json: bool, again: bool, **flags: object
) -> int:
    """Segment files or folders into OUT and end.

    A folder is taken scan by scan, and the same command goes on where it
    stopped: scans that are done are passed over, new and changed ones and those
    that failed are processed, told apart by their bytes. OUT keeps the record.

    Exit code 0: all done. 1: something failed or was refused. 2: usage.
    130: Ctrl+C. With --json standard output is one document, {"jobs": [...]},
    with an entry for every input.

    \b
    Examples:
      autoseg run scan.nii.gz -o out
      autoseg run ct1.nrrd dicom_folder/ archive.zip -o out --quality fast
      autoseg run scan.nii.gz -o out --formats gltf,labels --json
      autoseg run cohort/ -o out
    """
    return process(session, paths, out, given(flags), "run", as_json, again=again)


@click.command("export", cls=Command)
@click.argument("paths", nargs=-1, required=True, metavar="LABELMAP|FOLDER...", type=_path)
@out_folder
@click.option(
    "--labels", metavar="TABLE|TASK", callback=lambda _context, _param, value: labels_given(value),
    help=f"Table of names (CSV value,name[,color], others), or a task of {PROGRAM}.",
)  # fmt: skip
@spec_flags(EXPORT_OPTIONS, "Case options")
@as_json
@common()
@click.pass_obj
def export(
    session: Session, paths: tuple[Path, ...], out: Path, labels: str | None, as_json: bool, **flags: object
) -> int:
    """Turn existing segmentations into every result format, without an engine.

    LABELMAP is a .seg.nrrd, or a label map in any volume format, and its names
    come from --labels, the file itself, or a table beside it: NAME.csv (.tsv,
    .ctbl, .txt, .label), BIDS's dseg.tsv, nnU-Net's dataset.json. A mask is
    named by its file; labels without a name are called "Label 7". A folder
    with one mask for each structure is one segmentation.
    Exit codes and --json are those of `autoseg run`.

    \b
    Examples:
      autoseg export liver.seg.nrrd -o out
      autoseg export *.nii.gz -o out --labels names.csv --formats glb,stl
      autoseg export segmentations/ -o out
      autoseg export prediction.nii.gz -o out --labels total_mr
    """
    return process(session, paths, out, given(flags), "export", as_json, labels)


def process(
    session: Session,
    paths: Sequence[Path],
    out: Path,
    options: dict[str, Any],
    door: str,
    as_json: bool,
    labels: str | None = None,
    again: bool = False,
) -> int:
    """Run the pipeline in a home of its own over ``paths``."""
    from ..app import Host
    from ..batch import Batch, Given, copy_rules, private_home, usable_folder
    from ..cohort.resume import Cohorts
    from ..display import choose

    chosen = {name: options.pop(name) for name in RUN_SETTINGS if name in options}
    settings = session.settings({"watch": False, "cache_mb": 0, **chosen})
    if door == "run":
        check_engine(options.get("engine", settings["engine"]), settings)
    for path in paths:
        if path.is_dir() and contained(path, out) and out.is_dir() and any(out.iterdir()):
            raise click.UsageError(f"{out} is inside {path}: its files would be taken for scans")
    folder = usable_folder(out)
    output = session.output
    given = [path.expanduser().absolute() for path in paths]
    with private_home(folder) as home, Cohorts(folder, output.note) as cohorts:
        copy_rules(session.home, home)
        if door == "run":
            wanted = {**{name: settings[name] for name in RUN_OPTIONS}, **options}
            inputs = cohorts.inputs(given, wanted, home.rules_file, again)
        else:
            inputs = [Given(path) for path in given]
        batch = Batch(inputs, folder, options, door, labels, cohorts.follower)
        code = 0
        if inputs:
            host = Host(home, settings, choose(output.err, [], session.quiet), door, session.verbose)
            code = host.run(batch)
            batch.sweep()
            for log in batch.keep_logs(host):
                output.note(f"what went wrong is in {safe(str(log))}")
        code = code or int(cohorts.refused_before > 0)
    if as_json:
        output.documents("jobs", batch.documents, {"cohort": cohorts.counts} if cohorts.used else {})
    elif not session.quiet:
        _tell(output, batch, folder, cohorts.left_text())
    sys.stdout.flush()
    return code


def _tell(output: Output, batch: Batch, folder: Path, left: str) -> None:
    done, total = batch.documents.done, batch.documents.total
    if total or not left:
        text = f"{done} of {total} done; results in {safe(str(folder))}"
        output.say(text, "green" if done == total else "")
    if left:
        output.say(left)
