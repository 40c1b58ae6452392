"""``dicom get``: fetch a study from an archive, into the pipeline or into a folder."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import click

from ....core.errors import PipelineError
from ....core.pacs.config import read_config
from ....core.pacs.fetches import DONE, ENDED, FAILED, Fetch, Order
from ....core.pacs.query import FoundSeries, uid
from ....core.pacs.store import PacsStore
from ....dicom.query.find import find_series
from ....dicom.query.retrieve import fetch_into
from ...dicom_process import asked
from ...flags import common
from ...output import safe
from ...session import Session, user_name
from ..jobs import as_json
from .peers import PeerName, ready_config

_ANSWER_SECONDS = 30.0
_LOOK_SECONDS = 0.5


@click.command("get")
@click.argument("peer", type=PeerName())
@click.argument("study")
@click.option("--series", "series", multiple=True, metavar="UID", help="Only this series; may be repeated.")
@click.option(
    "--output", "-o", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    help="Write the files there, and make no case of them.",
)  # fmt: skip
@click.option("--entry", default="", metavar="TITLE", help="AE title of dicom.json whose rules apply.")
@click.option("--no-wait", is_flag=True, help="Do not wait until it is fetched.")
@as_json
@common()
@click.pass_obj
def get(
    session: Session, peer: str, study: str, series: tuple[str, ...], output: Path | None, entry: str,
    no_wait: bool, as_json: bool,
) -> int:  # fmt: skip
    """Fetch the CT and MR series of STUDY from the archive PEER: C-GET, C-MOVE or WADO-RS.

    A pipeline started with --dicom makes cases of them. With -o they are written to a folder, and no
    pipeline need run.

    \b
    Examples:
      autoseg dicom get pacs 1.2.840.113619.2.5.17
      autoseg dicom get pacs 1.2.840.113619.2.5.17 -o study
    """
    uid(study, "STUDY")
    for one in series:
        uid(one, "--series")
    if output is not None:
        if entry or no_wait:
            raise PipelineError("request.invalid", "--entry and --no-wait belong to cases, not to --output")
        return _to_folder(session, peer, study, series, output, as_json)
    return _to_pipeline(session, Order(peer, study, series, "", entry, by=user_name()), not no_wait, as_json)


def _to_folder(
    session: Session, name: str, study: str, series: tuple[str, ...], output: Path, as_json: bool
) -> int:
    peer = ready_config(session).peer(name)
    if peer.use == "dimse" and peer.retrieve == "move":
        raise PipelineError("request.invalid", f"{name} sends to the receiver (retrieve: move); leave out -o")
    found = find_series(name, peer, study)
    wanted = [one for one in found if (one.uid in series if series else one.is_scan)]
    if not wanted:
        raise PipelineError("pacs.no_scan", f"{name} has no such CT or MR series in study {study}")
    written = []
    for one in wanted:
        folder = output / _folder_name(one)
        fetch_into(folder, name, peer, study, one)
        count = sum(1 for _ in folder.iterdir())
        written.append({"series": one.uid, "folder": str(folder), "files": count})
        session.output.note(f"{folder}: {count} files")
    if as_json:
        session.output.document({"peer": name, "study": study, "series": written})
    return 0


def _folder_name(one: FoundSeries) -> str:
    """Without a word of the headers, which may name the patient."""
    number = "x" if one.number is None else str(one.number)
    return f"series-{number}-{hashlib.sha256(one.uid.encode()).hexdigest()[:8]}"


def _to_pipeline(session: Session, order: Order, wait: bool, as_json: bool) -> int:
    read_config(session.home.root).peer(order.peer)
    args: dict[str, object] = {"peer": order.peer, "order": {**vars(order), "series": list(order.series)}}
    otherwise = ", or write the files to a folder with -o"
    number = asked(session, "fetch", args, _ANSWER_SECONDS, otherwise)["fetch"]
    store = PacsStore.of(session.home)
    try:
        fetch = _fetch_of(store, int(str(number)))
        said = ""
        while wait and fetch.state not in ENDED:
            text = progress_of(fetch)
            if text != said:
                session.output.note(text)
                said = text
            time.sleep(_LOOK_SECONDS)
            running = session.is_running
            fetch = _fetch_of(store, fetch.id)
            if not running and fetch.state not in ENDED:
                raise PipelineError(
                    "request.no_pipeline", f"the pipeline has ended; fetch {fetch.id} is {fetch.state}",
                    "It goes on when the pipeline starts again with --dicom.",
                )  # fmt: skip
    finally:
        store.close()
    if as_json:
        session.output.document({"fetch": fetch.to_dict()})
    else:
        session.output.say(progress_of(fetch))
    return 0 if fetch.state == DONE or not wait else 1


def _fetch_of(store: PacsStore, number: int) -> Fetch:
    found = store.fetches.get(number)
    if found is None:
        raise PipelineError("request.not_found", f"fetch {number} is gone")
    return found


def progress_of(fetch: Fetch) -> str:
    """A line about a fetch."""
    of = "" if fetch.total is None else f" of {fetch.total}"
    jobs = f", input {', '.join(one[:8] for one in fetch.jobs)}" if fetch.jobs else ""
    note = f": {safe(fetch.note)}" if fetch.note else ""
    count = "" if fetch.state == FAILED else f", {fetch.done}{of} instances"
    return f"fetch {fetch.id} is {fetch.state}{count}{jobs}{note}"
