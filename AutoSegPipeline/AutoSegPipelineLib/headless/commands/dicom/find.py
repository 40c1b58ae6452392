"""``dicom find``: search an archive."""

from __future__ import annotations

from dataclasses import asdict

import click

from ....core.pacs.query import FIELDS, FoundSeries, FoundStudy, StudyQuery, iso_date
from ....dicom.query.find import MOST_STUDIES, find_series, find_studies
from ...flags import Decorated, common
from ...output import safe
from ...session import Session
from ..jobs import as_json
from ..users import table_of
from .peers import PeerName, ready_config

_HELP = {
    "patient": "Patient ID.",
    "name": "Patient name, family name first; * stands for any text.",
    "accession": "Accession number.",
    "study": "Study instance UID.",
    "modality": "CT, MR, or CT,MR for either.",
    "date": "2026-11-29, 2026-11-01..2026-11-29, today, yesterday or 'last 3 days'.",
    "description": "Study description; * stands for any text.",
}


def _fields(command: Decorated) -> Decorated:
    for key in reversed(list(FIELDS)):
        command = click.option(f"--{key}", metavar="TEXT", default="", help=_HELP[key])(command)
    return command


@click.command("find")
@click.argument("peer", type=PeerName())
@_fields
@click.option("--series", "with_series", is_flag=True, help="Also list the series of each study.")
@click.option(
    "--most", type=click.IntRange(1, 10000), default=MOST_STUDIES, show_default=True, metavar="N",
    help="Most studies to list.",
)  # fmt: skip
@as_json
@common()
@click.pass_obj
def find(session: Session, peer: str, with_series: bool, most: int, as_json: bool, **match: str) -> int:
    """Search the archive PEER for studies: C-FIND or QIDO-RS.

    At least one of the fields is needed. The pipeline need not run.

    \b
    Examples:
      autoseg dicom find pacs --patient 4711 --series
      autoseg dicom find pacs --modality CT --date 'last 2 days' --json
    """
    query = StudyQuery.of(match, "dicom find")
    one = ready_config(session).peer(peer)
    found = find_studies(peer, one, query, most)
    series = {study.uid: find_series(peer, one, study.uid) for study in found.studies if with_series}
    if as_json:
        studies = [
            {
                **asdict(study),
                **({"series_list": [asdict(s) for s in series[study.uid]]} if with_series else {}),
            }
            for study in found.studies
        ]
        session.output.document({"peer": peer, "studies": studies, "more": found.more})
        return 0
    if not found.studies:
        session.output.say("No study matches.")
        return 0
    heads = ("patient", "name", "date", "modality", "description", "images", "study UID")
    session.output.table(table_of(heads, [_study(study) for study in found.studies]))
    for study in found.studies:
        if with_series:
            session.output.say(f"\nStudy {study.uid}")
            rows = [_series(one) for one in series[study.uid]]
            session.output.table(table_of(("no.", "modality", "description", "images", "series UID"), rows))
    if found.more:
        session.output.note(f"There are more than {most} studies; ask for fewer, or raise --most.")
    return 0


def _study(one: FoundStudy) -> tuple[str, ...]:
    texts = (one.patient, one.name, iso_date(one.date), "/".join(one.modalities), one.description)
    return (*map(safe, texts), _count(one.instances), one.uid)


def _series(one: FoundSeries) -> tuple[str, ...]:
    return _count(one.number), one.modality, safe(one.description), _count(one.instances), one.uid


def _count(number: int | None) -> str:
    return "" if number is None else str(number)
