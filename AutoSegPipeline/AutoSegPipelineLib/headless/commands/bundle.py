"""``bundle``: scans for other machines, without a pipeline: packed here, results brought back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click
from rich import box
from rich.table import Table
from rich.text import Text

from ...core import states
from ...core.bundles.layout import Bundle
from ...core.bundles.packing import Packing
from ...core.errors import PipelineError, from_dict
from ...core.files import disk_error, remove_tree
from ..collecting import CaseState, look
from ..collecting import collect as bring
from ..extras import check_engine
from ..flags import Command, common, given, spec_flags
from ..output import Output, safe
from ..session import Session
from ..tables import STYLES
from .jobs import as_json
from .run import RUN_OPTIONS, RUN_SETTINGS, out_folder

_path = click.Path(path_type=Path)
_bundle = click.argument("folder", metavar="BUNDLE", type=click.Path(file_okay=False, path_type=Path))


@click.group("bundle")
def bundle() -> None:
    """Cases in a folder on a share, for `autoseg worker` on other machines.

    \b
    Examples:
      autoseg bundle make cohort/ -o /share/bundle --quality fast
      autoseg worker /share/bundle                on any machine, on several
      autoseg bundle show /share/bundle
      autoseg bundle collect /share/bundle -o out
    """


@bundle.command("make", cls=Command)
@click.argument("paths", nargs=-1, required=True, metavar="FILE|FOLDER...", type=_path)
@click.option(
    "-o", "--out", required=True, metavar="BUNDLE", type=click.Path(file_okay=False, path_type=Path),
    help="Folder to make, on a share that the workers see.",
)  # fmt: skip
@spec_flags(RUN_OPTIONS, "Case options")
@spec_flags(RUN_SETTINGS, "Settings")
@as_json
@common()
@click.pass_obj
def make(session: Session, paths: tuple[Path, ...], out: Path, as_json: bool, **flags: object) -> int:
    """Inspect scans and pack them into a new BUNDLE.

    Exit code 0: each scan is in the bundle. 1: some were refused, the others are in
    it. 130: Ctrl+C, and there is no bundle. Your files are only read. The engine
    must be installed here as well, because options are checked before they are packed.

    \b
    Examples:
      autoseg bundle make cohort/ -o /share/bundle -e totalsegmentator --quality fast
    """
    from ..app import Host
    from ..batch import copy_rules, private_home
    from ..bundling import BUNDLED, BundleBatch, inputs_of
    from ..display import Silence

    inputs = inputs_of([path.expanduser().absolute() for path in paths])
    if not inputs:
        raise PipelineError("input.nothing_inside", "no scan was found")
    options = given(flags)
    chosen = {name: options.pop(name) for name in RUN_SETTINGS if name in options}
    settings = session.settings({"watch": False, "cache_mb": 0, **chosen})
    check_engine(str(options.get("engine", settings["engine"])), settings)
    place = out.expanduser().absolute()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        packing = Packing(place, ladder=True)
    except FileExistsError:
        raise click.UsageError(f"{place} is there already; a bundle gets a folder of its own") from None
    except OSError as error:
        raise disk_error(error, str(place)) from error
    batch = BundleBatch(inputs, packing, options)
    published = False
    try:
        with private_home(place) as home:
            copy_rules(session.home, home)
            code = Host(home, settings, Silence, "bundle", session.verbose).run(batch)
        if batch.trouble is not None:
            raise disk_error(batch.trouble, str(place))
        if len(packing) and not batch.interrupted_by_user:
            packing.publish()
            published = True
    finally:
        if not published:
            remove_tree(place)
    if as_json:
        about = {"bundle": str(place) if published else None}
        session.output.documents("jobs", batch.documents, about)
        return code
    for one in batch.documents:
        refused = one["error"]
        if one["state"] != BUNDLED and isinstance(refused, dict):
            session.output.error(from_dict(refused))
    if published and not session.quiet:
        session.output.say(
            f"{len(packing)} of {batch.documents.total} cases are in {safe(str(place))}", "green"
        )
    return code


@bundle.command("show")
@_bundle
@as_json
@common()
@click.pass_obj
def show(session: Session, folder: Path, as_json: bool) -> int:
    """How far the cases of BUNDLE are.

    \b
    Examples:
      autoseg bundle show /share/bundle
      autoseg bundle show /share/bundle --json
    """
    found = look(_existing(folder))
    if as_json:
        session.output.document({"cases": [case.to_dict() for case in found]})
        return 0
    table = Table(box=box.SIMPLE_HEAD)
    for title in ("name", "state", "progress", "where", "what"):
        table.add_column(title)
    for case in found:
        if case.state != states.DONE:
            what = (case.error or {}).get("message", case.message)
            table.add_row(
                safe(case.name), Text(case.state, style=STYLES.get(case.state, "")), f"{case.progress:.0%}",
                safe(case.host), safe(what),
            )  # fmt: skip
    if table.row_count:
        session.output.table(table)
    session.output.say(_counted(found))
    return 0


@bundle.command("collect")
@_bundle
@out_folder
@as_json
@common()
@click.pass_obj
def collect(session: Session, folder: Path, out: Path, as_json: bool) -> int:
    """Bring the results of BUNDLE into OUT, each checked by its hash.

    May be called while workers are at it, and again: what is there stays.

    Exit code 0: every case is in OUT. 1: some failed or have no result yet.

    \b
    Examples:
      autoseg bundle collect /share/bundle -o out
    """
    from ..batch import usable_folder

    source = _existing(folder)
    target = usable_folder(out)
    try:
        found = bring(source, target)
    except OSError as error:
        raise disk_error(error, str(error.filename or target)) from error
    output = session.output
    if as_json:
        output.document({"cases": [case.to_dict() for case in found]})
    else:
        _report(output, found)
        output.say(f"{_counted(found)}; results in {safe(str(target))}")
    return 0 if all(case.state == states.DONE for case in found) else 1


def _existing(folder: Path) -> Bundle:
    return Bundle(folder.expanduser().absolute())


def _report(output: Output, found: list[CaseState]) -> None:
    for case in found:
        if case.error is not None:
            output.error(from_dict({**case.error, "message": f"{case.name}: {case.error['message']}"}))


def _counted(found: list[CaseState]) -> str:
    counts = Counter(case.state for case in found)
    words = [f"{counts[state]} {state}" for state in sorted(counts, key=lambda one: one != states.DONE)]
    return f"{len(found)} cases: {', '.join(words)}"
