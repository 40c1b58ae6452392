"""``dicom status``: the receiver, every peer, who was refused."""

from __future__ import annotations

from dataclasses import dataclass, field

import click

from ....core.errors import PipelineError
from ....core.pacs import store as pacs
from ....core.pacs.config import PacsConfig, Peer, Watch, read_config
from ....core.pacs.fetches import CANCELLED, DONE, Fetch
from ....core.pacs.peer_states import PeerState
from ....core.pacs.received import ReceivedSeries
from ....core.pacs.refusals import Refusal
from ....core.pacs.store import PacsStore
from ....core.pacs.watched import Round
from ...dicom_process import process_note
from ...flags import common
from ...output import safe
from ...session import Session
from ...tables import day_and_time, facts_table
from ..jobs import as_json
from ..pipeline import state_of
from ..users import table_of
from .get import progress_of


@click.command("status")
@as_json
@common()
@click.pass_obj
def status(session: Session, as_json: bool) -> int:
    """Show the receiver, every peer and who was refused.

    \b
    Examples:
      autoseg dicom status
      autoseg dicom status --json
    """
    home = session.home
    config, error = _configuration(session)
    noted = _noted(session)
    states, refusals, rounds, fetches = noted.states, noted.refusals, noted.rounds, noted.fetches
    note = process_note(session)
    if as_json:
        session.output.document(
            {
                "running": bool(note and not note.get("error")),
                "process": note,
                "configuration": str(home.root / "dicom.json"),
                "error": error.to_dict() if error else None,
                "receiver": vars(config.receiver),
                "listening": noted.listening,
                "peers": [{**vars(states.get(name, PeerState(name)))} for name in config.peers],
                "watches": [
                    rounds[one.name].to_dict() if one.name in rounds else {"watch": one.name}
                    for one in config.watch
                ],
                "fetches": [one.to_dict() for one in fetches],
                "received": [vars(one) for one in noted.received[:100]],
                "refused": [{**vars(one), "line": one.line} for one in refusals],
            }
        )
        return 1 if error else 0
    receiver = config.receiver
    session.output.table(
        facts_table(
            [
                ("process", state_of(note) if note else _why_not(session)),
                ("receiver", f"{receiver.title} on {receiver.host}, port {receiver.port}"),
                ("callers", ", ".join(f"{one.title} at {one.address}" for one in config.callers) or "nobody"),
                ("mistake", error.message if error else noted.listening.get("error") or None),
            ]
        )
    )
    if config.peers:
        rows = [_row(name, peer, states.get(name, PeerState(name))) for name, peer in config.peers.items()]
        session.output.table(table_of(("peer", "where", "echo", "received", "sent"), rows))
    if noted.received:
        rows = [_received_row(one) for one in noted.received[:10]]
        session.output.table(table_of(("received", "from", "for", "version", "images", "state"), rows))
    for watch in config.watch:
        session.output.say(_watch_line(watch, rounds.get(watch.name)))
    for fetch in fetches[:10]:
        if fetch.state not in (DONE, CANCELLED):
            session.output.say(progress_of(fetch))
    for one in refusals[:10]:
        who = f"{safe(one.title)} at {one.address} calling {safe(one.called)}" if one.title else one.address
        session.output.say(f"refused {one.count} times, last {day_and_time(one.last)}: {who}: {one.reason}")
        if one.line:
            session.output.note(f"To let it in, add to callers in dicom.json: {safe(one.line)}")
    return 1 if error else 0


def _configuration(session: Session) -> tuple[PacsConfig, PipelineError | None]:
    try:
        return read_config(session.home.root), None
    except PipelineError as error:
        return PacsConfig(), error


@dataclass
class _Noted:
    """What stands in the dicom child's tables."""

    states: dict[str, PeerState] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    rounds: dict[str, Round] = field(default_factory=dict)
    fetches: list[Fetch] = field(default_factory=list)
    received: list[ReceivedSeries] = field(default_factory=list)
    listening: dict[str, object] = field(default_factory=dict)


def _noted(session: Session) -> _Noted:
    if not pacs.exists(session.home):
        return _Noted()
    store = PacsStore.of(session.home)
    try:
        return _Noted(
            {one.name: one for one in store.peers.list()}, store.refusals.list(), store.watched.rounds(),
            store.fetches.list(), store.received.list(100), store.listening(),
        )  # fmt: skip
    finally:
        store.close()


def _received_row(one: ReceivedSeries) -> tuple[str, ...]:
    state = f"{one.state}: {one.note}" if one.note else one.state
    last, calling, called = day_and_time(one.last), safe(one.calling), safe(one.called)
    return last, calling, called, str(one.version), str(one.instances), state


def _watch_line(watch: Watch, last: Round | None) -> str:
    if last is None:
        return f"watch {watch.name}: has not asked yet"
    text = f"watch {watch.name}, {day_and_time(last.at)}: {last.found} studies match, {last.waiting} wait"
    return text if last.ok else f"watch {watch.name}, {day_and_time(last.at)}: {safe(last.note)}"


def _why_not(session: Session) -> str:
    if not session.is_running:
        return "not running; start it with: autoseg serve --dicom"
    return "off; the pipeline was started without --dicom"


def _row(name: str, peer: Peer, state: PeerState) -> tuple[str, ...]:
    where = peer.web.url if peer.use == "web" and peer.web else f"{peer.title} {peer.host}:{peer.port}"
    echo = "never" if state.echo is None else ("ok" if state.echo_ok else state.echo_note)
    return name, where, echo, day_and_time(state.received), day_and_time(state.sent)
