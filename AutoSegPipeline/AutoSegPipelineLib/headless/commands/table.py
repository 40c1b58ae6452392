"""``table``: one CSV and one Parquet over all cases of a folder or of the home."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Callable, Iterable, Sequence

import click

from ...core.cohort.columns import Cell
from ...core.cohort.fill import Filled, fill_from_folder, fill_from_home
from ...core.cohort.run_record import superseded
from ...core.cohort.table import Cohort, Query
from ...core.cohort.write_csv import csv_pieces
from ...core.errors import PipelineError
from ..ask import existing_store
from ..flags import Command, common
from ..output import safe
from ..session import Session
from .jobs import as_json

STEM = "cohort"


@click.command("table", cls=Command)
@click.argument(
    "out", required=False, metavar="[OUT]", type=click.Path(file_okay=False, exists=True, path_type=Path)
)
@click.option(
    "--to", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path),
    help="Where the two files go; by default into OUT, or into the current folder.",
)  # fmt: skip
@as_json
@common(names=("home", "results", "state"))
@click.pass_obj
def table(session: Session, out: Path | None, to: Path | None, as_json: bool) -> int:
    """Write one table over all cases, a row for each case and structure.

    OUT is a folder that `autoseg run` wrote to; without it, the cases of the
    pipeline's home, with their reviews. The table is written as cohort.csv and
    cohort.parquet; earlier ones are replaced. Cases that cannot be read are
    named and left out, with exit code 1.

    \b
    Examples:
      autoseg table out
      autoseg table --to tables
    """
    place = (to or out or Path.cwd()).expanduser().absolute()
    output = session.output
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="autoseg-table-"))
        cohort = Cohort(Path(folder) / "table.sqlite")
        stack.callback(cohort.close)
        filled = _fill(session, cohort, out)
        cases, query = cohort.count_cases(), Query()
        rows = cohort.count(query)
        try:
            place.mkdir(parents=True, exist_ok=True)
            paths = [place / f"{STEM}.csv", place / f"{STEM}.parquet"]
            _write(paths[0], paths[1], cohort)
        except OSError as error:
            raise PipelineError(
                "environment.results_unreachable", f"{place} cannot be written: {error.strerror}"
            ) from error
    for message in filled.unreadable:
        output.note(safe(message))
    if as_json:
        output.document(
            {"cases": cases, "rows": rows, "files": list(map(str, paths)), "left_out": filled.unreadable}
        )
    else:
        output.say(f"{cases} cases, {rows} rows: {safe(str(paths[0]))} and {paths[1].name}", "green")
    return 1 if filled.unreadable else 0


def _fill(session: Session, cohort: Cohort, out: Path | None) -> Filled:
    home = session.home
    if out is not None and not (home.store.exists() and out.resolve() == home.results.resolve()):
        return fill_from_folder(cohort, out, superseded(out))
    store = existing_store(session)
    try:
        return fill_from_home(cohort, home, store)
    finally:
        store.close()


def _write(csv: Path, parquet: Path, cohort: Cohort) -> None:
    """Both files out of one pass over the rows; where only CSV can be written, that one before the error."""
    from ...web.tables.parquet import can_write, parquet_beside, write_parquet

    def both(part: Path) -> None:
        _replace(csv, lambda other: _write_csv(other, parquet_beside(part, cohort.rows(Query()))))

    if can_write():
        _replace(parquet, both)
    else:
        _replace(csv, lambda part: _write_csv(part, cohort.rows(Query())))
        write_parquet(parquet, ())


def _write_csv(path: Path, rows: Iterable[Sequence[Cell]]) -> None:
    with open(path, "wb") as stream:
        for piece in csv_pieces(rows):
            stream.write(piece)


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    """``path`` is there completely or not at all; results are private, so a table of them is."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.touch(mode=0o600)
        write(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
