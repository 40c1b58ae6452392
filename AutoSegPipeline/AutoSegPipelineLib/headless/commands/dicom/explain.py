"""``dicom explain``: why the series of a study were taken or not."""

from __future__ import annotations

import time
from pathlib import Path

import click

from ....core.errors import PipelineError
from ....core.pacs import store as pacs
from ....core.pacs.config import Entry, PacsConfig, read_config
from ....core.pacs.series_facts import SeriesFacts
from ....core.pacs.series_rules import Verdict, choose_series
from ....core.pacs.store import PacsStore
from ....core.pacs.verdicts import NotedVerdict
from ....dicom.choose.series_headers import read_study
from ....dicom.privacy.folders import files_in
from ...flags import common
from ...output import safe
from ...session import Session
from ...tables import day_and_time
from ..jobs import as_json
from ..users import table_of

_COLUMNS = ("series", "modality", "description", "plane", "thickness", "slices", "taken", "reason")
_SHOWN = 50


@click.command("explain")
@click.argument("study", required=False)
@click.option("--entry", "title", help="Whose rules; without it, those of the receiver's own title.")
@click.option("--now", is_flag=True, help="Judge again by the rules that dicom.json has now.")
@as_json
@common()
@click.pass_obj
def explain(session: Session, study: str | None, title: str | None, now: bool, as_json: bool) -> int:
    """Show which series of a study were taken, and why the others were not.

    STUDY is the study instance UID or its beginning, or a folder with DICOM files, to which the rules
    of dicom.json are applied without processing anything. Without STUDY: the newest series that were
    not taken.

    \b
    Examples:
      autoseg dicom explain
      autoseg dicom explain 1.2.840.113619.2.55.3
      autoseg dicom explain D:\\export\\patient --entry AUTOSEG_THIN
    """
    if study is None:
        noted = _left_out(session)
        if as_json:
            session.output.document({"left_out": [one.to_dict() for one in noted]})
        else:
            _show_left_out(session, noted)
        return 0
    found = _of_folder(session, Path(study), title) if Path(study).exists() else None
    if found is None:
        found = _of_study(session, study, title, now)
    if as_json:
        session.output.document({"series": [one.to_dict() for one in found]})
        return 0
    for entry in dict.fromkeys(one.entry for one in found):
        rows = [_row(one.verdict) for one in found if one.entry == entry]
        taken = sum(one.verdict.taken for one in found if one.entry == entry)
        session.output.say(f"By the rules of {safe(entry)}, {taken} of {len(rows)} series are taken.")
        session.output.table(table_of(_COLUMNS, rows))
    return 0


def _left_out(session: Session) -> list[NotedVerdict]:
    if not pacs.exists(session.home):
        return []
    store = PacsStore.of(session.home)
    try:
        return store.verdicts.left_out(_SHOWN)
    finally:
        store.close()


def _show_left_out(session: Session, noted: list[NotedVerdict]) -> None:
    if not noted:
        session.output.say("No series has been left out.")
        return
    rows = [
        (day_and_time(one.at), one.verdict.series.name, one.verdict.series.study, one.verdict.reason)
        for one in noted
    ]
    session.output.table(table_of(("when", "series", "study", "reason"), rows))


def _of_folder(session: Session, path: Path, title: str | None) -> list[NotedVerdict]:
    """The rules applied to what lies in a folder; each study for itself."""
    entry = _entry(read_config(session.home.root), title)
    studies: dict[str, list[SeriesFacts]] = {}
    for one in read_study(str(file) for file in files_in([path])):
        studies.setdefault(one.study, []).append(one)
    if not studies:
        raise PipelineError("input.nothing_inside", f"{path} holds no DICOM file that can be read")
    rules, at = entry.rules(), time.time()
    return [
        NotedVerdict(entry.title, at, verdict)
        for series in studies.values()
        for verdict in choose_series(rules, series)
    ]


def _of_study(session: Session, beginning: str, title: str | None, now: bool) -> list[NotedVerdict]:
    """What was decided about a received study; with ``now`` decided again from what was noted."""
    if not pacs.exists(session.home):
        raise _unknown(beginning)
    store = PacsStore.of(session.home)
    try:
        studies = store.verdicts.studies(beginning)
        if not studies:
            raise _unknown(beginning)
        if len(studies) > 1 and beginning not in studies:
            raise PipelineError(
                "request.invalid", f"{len(studies)} studies begin with {beginning}: {', '.join(studies[:5])}"
            )
        found = store.verdicts.of_study(beginning if beginning in studies else studies[0])
    finally:
        store.close()
    if title is not None:
        found = [one for one in found if one.entry == title] or found
    if not now:
        return found
    config = read_config(session.home.root)
    again: list[NotedVerdict] = []
    for name in dict.fromkeys(one.entry for one in found):
        series = [one.verdict.series for one in found if one.entry == name]
        entry = _entry(config, title or name)
        again += [NotedVerdict(entry.title, time.time(), one) for one in choose_series(entry.rules(), series)]
    return again


def _unknown(beginning: str) -> PipelineError:
    return PipelineError(
        "request.not_found",
        f"nothing was decided about a study {beginning}, and no folder is called so",
        "Decisions of the last 90 days are kept; `autoseg dicom explain` alone shows the newest.",
    )


def _entry(config: PacsConfig, title: str | None) -> Entry:
    entry = config.entry(title or config.receiver.title)
    if entry is None:
        known = ", ".join(one.title for one in config.entries) or config.receiver.title
        raise PipelineError("request.not_found", f"dicom.json has no entry {title!r} (known: {known})")
    return entry


def _row(verdict: Verdict) -> tuple[str, ...]:
    series = verdict.series
    return (
        series.shown("number"), series.modality, series.description, series.orientation,
        series.shown("thickness"), series.shown("slices"), "yes" if verdict.taken else "no", verdict.reason,
    )  # fmt: skip
