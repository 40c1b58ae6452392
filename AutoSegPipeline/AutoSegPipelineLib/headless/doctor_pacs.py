"""Findings about the PACS: its file, its process, each peer asked now, what waits and what failed."""

from __future__ import annotations

from typing import Iterator

from ..core.errors import PipelineError
from ..core.home import Home
from ..core.pacs import store as pacs
from ..core.pacs.config import FILE, PacsConfig, read_config
from ..core.pacs.peer_states import PeerState
from ..core.pacs.sends import FAILED, SENDING, WAITING
from ..core.pacs.store import PacsStore
from ..core.settings import Settings
from ..dicom.child import missing_packages
from .dicom_process import process_note
from .findings import FAIL, OK, WARN, Finding
from .session import Session
from .tables import day_and_time


def exchange(session: Session, settings: Settings) -> Iterator[Finding]:
    """Nothing where nobody has set up the PACS."""
    home = session.home
    if not settings["dicom"] and not (home.root / FILE).exists():
        return
    try:
        config = read_config(home.root)
    except PipelineError as error:
        yield Finding("pacs", FAIL, error.message, error.hint)
        return
    found = _process(session, settings, config)
    yield _listening(home) or found if found.status == OK and session.is_running else found
    lacking = missing_packages()
    if lacking:
        names = " ".join(lacking)
        yield Finding("pacs", FAIL, f"{names}: not installed", f"python -m pip install {names}")
        return
    yield from _peers(home, config)


def _process(session: Session, settings: Settings, config: PacsConfig) -> Finding:
    receiver = config.receiver
    where = f"{receiver.title} on {receiver.host}, port {receiver.port}, {len(config.callers)} callers"
    note = process_note(session)
    if note and note.get("error"):
        wrong = note["error"]
        return Finding("pacs", FAIL, f"{wrong['message']} ({wrong['code']})", str(wrong.get("hint") or ""))
    if note:
        return Finding("pacs", OK, f"{where} (process {note.get('pid', '?')})")
    if not settings["dicom"]:
        return Finding("pacs", OK, f"off (setting dicom); {FILE} names {len(config.peers)} peers")
    return Finding("pacs", OK, f"{where}; it runs with the pipeline")


def _listening(home: Home) -> Finding | None:
    """That the running receiver cannot listen; None where it does, or has not said yet."""
    if not pacs.exists(home):
        return None
    noted = PacsStore.of(home)
    try:
        note = noted.listening()
    finally:
        noted.close()
    if not note.get("error"):
        return None
    return Finding("pacs", FAIL, str(note["error"]), "Correct receiver in dicom.json, or free the port.")


def _peers(home: Home, config: PacsConfig) -> Iterator[Finding]:
    states: dict[str, PeerState] = {}
    counts: dict[str, dict[str, int]] = {}
    fetches: dict[tuple[str, str], int] = {}
    if pacs.exists(home):
        noted = PacsStore.of(home)
        try:
            states = {one.name: one for one in noted.peers.list()}
            counts, fetches = noted.sends.counts(), noted.fetches.counts()
        finally:
            noted.close()
    from ..dicom.query.find import echo_all

    for answer in echo_all(config, list(config.peers)):
        name, error = answer.name, answer.error
        history = _history(states.get(name, PeerState(name)), counts.get(name, {}), fetches)
        if error is not None:
            yield Finding("pacs", WARN, f"{name}: {error.message}; {history}", error.hint)
        elif counts.get(name, {}).get(FAILED):
            hint = f"See `autoseg dicom sends`, then `autoseg dicom send JOB --to {name}`."
            yield Finding("pacs", WARN, f"{name} answers; {history}", hint)
        else:
            yield Finding("pacs", OK, f"{name} answers; {history}")


def _history(state: PeerState, counts: dict[str, int], fetches: dict[tuple[str, str], int]) -> str:
    waiting = sum(counts.get(name, 0) for name in (WAITING, SENDING))
    fetching = sum(fetches.get((state.name, name), 0) for name in ("waiting", "running"))
    return (
        f"received {day_and_time(state.received)}, sent {day_and_time(state.sent)}, "
        f"{waiting} waiting, {counts.get(FAILED, 0)} failed; "
        f"{fetching} to fetch, {fetches.get((state.name, 'failed'), 0)} not fetched"
    )
