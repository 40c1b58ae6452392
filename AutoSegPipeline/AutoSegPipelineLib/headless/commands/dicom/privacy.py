"""``dicom deidentify`` and ``dicom reidentify``: objects without the patient's identity, and back."""

from __future__ import annotations

from pathlib import Path

import click

from ....core.pacs.config import read_config
from ....dicom.privacy.folders import Outcome, deidentify_all, reidentify_all, table_of
from ....dicom.privacy.table import Pseudonyms
from ...flags import common
from ...output import safe
from ...session import Session, user_name
from ..jobs import as_json
from ..users import noted, opened

_paths = click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, resolve_path=True)
)
_out = click.option(
    "--out", "-o", "out", required=True, type=click.Path(path_type=Path, file_okay=False),
    help="Where the objects are written; those given stay as they are.",
)  # fmt: skip


@click.command("deidentify")
@_paths
@_out
@as_json
@common()
@click.pass_obj
def deidentify(session: Session, paths: tuple[Path, ...], out: Path, as_json: bool) -> int:
    """Write DICOM objects without the patient's identity.

    By the Basic Application Level Confidentiality Profile (PS3.15). Names, dates, numbers, UIDs and
    private elements go, at every depth; pixels stay as they are, so objects whose pixels may show text
    are left out. The home keeps the table that leads back; whoever has it can undo this.

    \b
    Examples:
      autoseg dicom deidentify study -o anonymous
    """
    table = _table(session)
    try:
        outcome = deidentify_all(paths, out, table)
    finally:
        table.close()
    return _show(session, outcome, out, as_json)


@click.command("reidentify")
@_paths
@_out
@as_json
@common()
@click.pass_obj
def reidentify(session: Session, paths: tuple[Path, ...], out: Path, as_json: bool) -> int:
    """Give objects that came back their patient, study and references again.

    Only the home that de-identified the study can do it. The audit log says who did it, when and for whom.

    \b
    Examples:
      autoseg dicom reidentify returned -o identified
    """
    table = _table(session)
    try:
        outcome = reidentify_all(paths, out, table, user_name())
    finally:
        table.close()
    _note(session, outcome)
    return _show(session, outcome, out, as_json)


def _note(session: Session, outcome: Outcome) -> None:
    """A line of the audit log for each patient, under the pseudonym."""
    with opened(session, make=True) as accounts:
        for one in outcome.pseudonyms:
            noted(accounts, "dicom.reidentify", one)


def _table(session: Session) -> Pseudonyms:
    config = read_config(session.home.root)
    session.store_or_new().close()  # makes the home, private to its user
    return table_of(session.home, config.privacy)


def _show(session: Session, outcome: Outcome, out: Path, as_json: bool) -> int:
    if as_json:
        session.output.document(
            {
                "written": [{**vars(one), "path": str(one.path)} for one in outcome.written],
                "left": [{"path": str(path), "error": error.to_dict()} for path, error in outcome.left],
            }
        )
    else:
        whose = ", ".join(outcome.pseudonyms) or "nobody"
        session.output.say(f"{len(outcome.written)} objects of {whose} are in {safe(str(out))}.")
        for path, error in outcome.left:
            session.output.say(f"{safe(str(path))}: {safe(error.message)}")
            session.output.note(error.hint)
    return 1 if outcome.left or not outcome.written else 0
