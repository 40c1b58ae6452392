"""The PACS at a glance, for page and API."""

from __future__ import annotations

from ...core.errors import PipelineError
from ...core.pacs import fetches, sends
from ...core.pacs.config import PacsConfig, Peer
from ...core.pacs.peer_states import PeerState
from ...core.pacs.refusals import Refusal
from ...core.pacs.store import PacsStore
from ...core.pacs.watched import Round
from ..gate.visible_jobs import VisibleJobs
from ..gate.visible_peers import VisiblePeers
from .dicom_process import DicomProcess

MOST_REFUSED = 50
MOST_RECEIVED = 30
MOST_LEFT_OUT = 50
MOST_SENDS = 500
_NOT_SENT = (sends.WAITING, sends.SENDING, sends.FAILED)


def overview(
    pacs: DicomProcess,
    config: PacsConfig,
    error: PipelineError | None,
    visible: VisiblePeers,
    jobs: VisibleJobs,
) -> dict[str, object]:
    """What :class:`.models.PacsDocument` says."""
    store, why = pacs.store, pacs.why_not()
    admin = visible.is_admin
    note = error.message if error is not None and admin else why
    receiver = config.receiver
    return {
        "running": not why,
        "note": note,
        "receiver": _receiver_line(store, config) if admin else "",
        "entries": [receiver.title, *(one.title for one in config.entries if one.title != receiver.title)],
        "peers": _peers(store, visible.peers()),
        "watches": _watches(store, config) if admin else [],
        "refused": _refused(store) if admin else [],
        "sends": _sends(store, jobs),
        "received": _received(store) if admin else [],
        "fetches": [one.to_dict() for one in visible.fetches(store)],
        "left_out": _left_out(store, visible),
    }


def _receiver_line(store: PacsStore | None, config: PacsConfig) -> str:
    """Our title and address, or why nothing can be received."""
    receiver, note = config.receiver, store.listening() if store is not None else {}
    error, port = note.get("error"), note.get("port") or receiver.port
    words = f"{receiver.title} on {receiver.host}, port {port}"
    return f"{words}, which does not listen: {error}" if error else words


def _where(peer: Peer) -> str:
    """Its address."""
    if peer.use == "web" and peer.web is not None:
        return peer.web.url
    return f"{peer.title} at {peer.host}, port {peer.port}"


def fetch_counts(store: PacsStore) -> dict[str, dict[str, int]]:
    """By peer, then by state."""
    found: dict[str, dict[str, int]] = {}
    for (peer, state), count in store.fetches.counts().items():
        found.setdefault(peer, {})[state] = count
    return found


def _left_out(store: PacsStore | None, visible: VisiblePeers) -> list[dict[str, object]]:
    found = store.verdicts.left_out(MOST_LEFT_OUT) if store else []
    return [
        {
            "entry": one.entry, "at": one.at, "series": one.verdict.series.name,
            "study": one.verdict.series.study, "reason": one.verdict.reason,
        }
        for one in found
        if visible.sees_entry(one.entry)
    ]  # fmt: skip


def _peers(store: PacsStore | None, peers: dict[str, Peer]) -> list[dict[str, object]]:
    states = {one.name: one for one in store.peers.list()} if store else {}
    counts = fetch_counts(store) if store else {}
    send_counts = store.sends.counts() if store else {}
    rows: list[dict[str, object]] = []
    for name, peer in peers.items():
        state = states.get(name, PeerState(name))
        own, sent = counts.get(name, {}), send_counts.get(name, {})
        rows.append(
            {
                "name": name, "where": _where(peer), "echo": state.echo, "answers": state.echo_ok,
                "note": state.echo_note, "received": state.received, "sent": state.sent,
                "fetches_open": own.get(fetches.WAITING, 0) + own.get(fetches.RUNNING, 0),
                "fetches_failed": own.get(fetches.FAILED, 0),
                "sends_open": sent.get(sends.WAITING, 0) + sent.get(sends.SENDING, 0),
                "sends_failed": sent.get(sends.FAILED, 0),
            }
        )  # fmt: skip
    return rows


def _watches(store: PacsStore | None, config: PacsConfig) -> list[dict[str, object]]:
    rounds = store.watched.rounds() if store else {}
    found = []
    for one in config.watch:
        last = rounds.get(one.name)
        values = (last or Round(one.name, 0.0, True, "", 0, 0)).to_dict()
        values.pop("watch")
        found.append(
            {
                "name": one.name, "peer": one.peer, "every_minutes": one.every_minutes,
                **values, "at": last.at if last else None,
            }
        )  # fmt: skip
    return found


def _sends(store: PacsStore | None, jobs: VisibleJobs) -> list[dict[str, object]]:
    """Results of visible jobs that wait for an archive or did not get there, the newest first."""
    rows: list[dict[str, object]] = []
    for one in store.sends.list(_NOT_SENT, limit=MOST_SENDS) if store else []:
        job = jobs.find(one.job)
        if job is not None:
            note = (one.error or {}).get("message", "")
            rows.append(
                {
                    "id": one.id, "job": job.id, "label": job.label or job.name, "peer": one.peer,
                    "state": one.state, "tries": one.tries, "note": str(note), "since": one.since,
                }
            )  # fmt: skip
    return rows


def _received(store: PacsStore | None) -> list[dict[str, object]]:
    return [
        {
            "calling": one.calling, "called": one.called, "state": one.state, "version": one.version,
            "instances": one.instances, "note": one.note, "last": one.last,
        }
        for one in (store.received.list(MOST_RECEIVED) if store else [])
    ]  # fmt: skip


def _refused(store: PacsStore | None) -> list[dict[str, object]]:
    found: list[Refusal] = store.refusals.list()[:MOST_REFUSED] if store else []
    return [
        {
            "title": one.title, "called": one.called, "address": one.address, "reason": one.reason,
            "count": one.count, "last": one.last, "line": one.line,
        }
        for one in found
    ]  # fmt: skip
