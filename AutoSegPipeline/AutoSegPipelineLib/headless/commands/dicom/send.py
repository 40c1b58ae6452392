"""``dicom send`` and ``dicom sends``: results on their way to the peers."""

from __future__ import annotations

import time

import click

from ....core.errors import PipelineError
from ....core.job import Job
from ....core.pacs import store as pacs
from ....core.pacs.config import PacsConfig, read_config
from ....core.pacs.sends import FAILED, SENT, STATES, WAITING, Send
from ....core.pacs.store import PacsStore
from ...ask import existing_store
from ...dicom_process import asked
from ...flags import common
from ...output import safe
from ...session import Session
from ...tables import day_and_time
from ..jobs import as_json, job_id
from ..users import table_of
from .peers import PeerName

_LOOK_SECONDS = 0.3
_ANSWER_SECONDS = 20.0


@click.command("send")
@job_id
@click.option(
    "--to",
    "peers",
    type=PeerName(),
    multiple=True,
    metavar="PEER",
    help="A peer of dicom.json; may be repeated.",
)
@click.option(
    "--wait", "seconds", type=click.FloatRange(0), default=60.0, show_default=True,
    help="Seconds to wait until the peer has acknowledged everything.",
)  # fmt: skip
@as_json
@common()
@click.pass_obj
def send(session: Session, job_id: str, peers: tuple[str, ...], seconds: float, as_json: bool) -> int:
    """Send the results of a job to the PACS, or send them again.

    Without --to they go to the peers that the job's option send_to names, else to the only one that
    dicom.json has. What is sent again has the same UIDs and replaces itself.

    \b
    Examples:
      autoseg dicom send 3f0c
      autoseg dicom send 3f0c --to pacs --to workstation
    """
    job = existing_store(session).jobs.get(job_id)
    wanted = list(peers) or _usual_peers(job, read_config(session.home.root))
    answer = asked(session, "send", {"job": job.id, "peers": wanted}, _ANSWER_SECONDS)
    numbers = answer["sends"]
    assert isinstance(numbers, list)
    found = _ended(session, [int(one) for one in numbers], seconds)
    if as_json:
        session.output.document({"sends": [one.to_dict() for one in found]})
    else:
        for one in found:
            session.output.say(f"{safe(one.peer)}: {_said(one)}")
        if any(one.waits for one in found):
            session.output.note("It goes on by itself; see: autoseg dicom sends")
    return 1 if any(one.state == FAILED for one in found) else 0


@click.command("sends")
@click.argument("job", required=False)
@click.option("--only", "state", type=click.Choice(STATES), help="Only those in this state.")
@as_json
@common()
@click.pass_obj
def sends(session: Session, job: str | None, state: str | None, as_json: bool) -> int:
    """List what is sent to the PACS, was sent, or could not be sent; the newest first.

    \b
    Examples:
      autoseg dicom sends
      autoseg dicom sends 3f0c
      autoseg dicom sends --only failed
    """
    wanted = existing_store(session).jobs.get(job).id if job is not None else ""
    found: list[Send] = []
    counts: dict[str, dict[str, int]] = {}
    if pacs.exists(session.home):
        own = PacsStore.of(session.home)
        try:
            found, counts = own.sends.list((state,) if state else STATES, wanted), own.sends.counts()
        finally:
            own.close()
    if as_json:
        session.output.document({"sends": [one.to_dict() for one in found], "counts": counts})
        return 0
    for peer, of_peer in sorted(counts.items()):
        numbers = ", ".join(f"{number} {word}" for word, number in of_peer.items() if number)
        session.output.say(f"{safe(peer)}: {numbers}")
    rows = [
        (
            one.job[:8],
            one.peer,
            one.state,
            _encoding(one),
            day_and_time(one.acknowledged, ""),
            str(one.tries),
            _reason(one),
        )
        for one in found
    ]
    session.output.table(
        table_of(("job", "peer", "state", "segmentation", "acknowledged", "tries", "reason"), rows)
    )
    return 0


def _usual_peers(job: Job, config: PacsConfig) -> list[str]:
    named = [str(one) for one in job.options.get("send_to") or ()]
    if named or len(config.peers) == 1:
        return named or list(config.peers)
    known = ", ".join(config.peers) or "none"
    raise PipelineError("pacs.unknown_peer", f"say with --to where {job.id[:8]} is to go (known: {known})")


def _ended(session: Session, numbers: list[int], seconds: float) -> list[Send]:
    """The sends, when none is on its way any more, when one has met an obstacle, or after ``seconds``."""
    until = time.monotonic() + seconds
    own = PacsStore.of(session.home)
    try:
        while True:
            found = [one for one in map(own.sends.get, numbers) if one is not None]
            if not any(one.waits and one.error is None for one in found) or time.monotonic() > until:
                return found
            time.sleep(_LOOK_SECONDS)
    finally:
        own.close()


def _said(send: Send) -> str:
    if send.state == SENT:
        return f"has acknowledged {len(send.objects)} objects"
    reason = _reason(send)
    word = "waits" if send.state == WAITING else send.state
    return f"{word}{': ' if reason else ''}{reason}"


def _reason(send: Send) -> str:
    return (send.error or {}).get("message", "")


def _encoding(send: Send) -> str:
    return " ".join(one for one in (send.encoding, send.compression) if one)
