"""The state of a pipeline; pause, resume and stop it."""

from __future__ import annotations

import time
from typing import Any

import click

from ...core import states
from ...core.commands import Command, Pause, Resume, Stop
from ...core.errors import PipelineError
from ...core.lock import HomeLock
from ...core.store import Store
from ...core.store.ask import Waiting, ask
from ...runtime.processes.child_kinds import KINDS
from ..ask import text_of
from ..flags import common
from ..output import safe
from ..session import Session, user_name
from ..tables import facts_table, job_table
from .jobs import as_json, help_of

_STOP_SECONDS = 60.0


@click.command(Pause.name, help=help_of(Pause, ""))
@common()
@click.pass_obj
def pause(session: Session) -> int:
    return _ask(session, Pause(), "paused")


@click.command(Resume.name, help=help_of(Resume, ""))
@common()
@click.pass_obj
def resume(session: Session) -> int:
    return _ask(session, Resume(), "resumed")


def _ask(session: Session, command: Command, done: str) -> int:
    try:
        ask(session.store_or_new(), session.home, command, user_name())
        session.output.say(f"{done}: {safe(str(session.home.root))}")
    except Waiting as waiting:
        session.output.say(f"{command.name} noted. {text_of(waiting)}")
    return 0


@click.command(Stop.name, help=help_of(Stop, "", "--home /data/autoseg"))
@common()
@click.pass_obj
def stop(session: Session) -> int:
    store = session.store()
    if store is None or not session.is_running:
        raise PipelineError("request.no_pipeline", f"no pipeline is running in {session.home.root}")
    number = store.requests.ask(Stop(), user_name())
    until = time.monotonic() + _STOP_SECONDS
    while session.is_running:
        if time.monotonic() > until:
            session.output.say("The pipeline was asked to stop and is still busy with it.")
            return 1
        time.sleep(0.1)
    # A pipeline that died unasked must not leave a request that ends the next one.
    store.requests.withdraw(number)
    session.output.say(f"stopped: {safe(str(session.home.root))}")
    return 0


def status_document(session: Session) -> dict[str, Any]:
    """What ``status --json`` prints."""
    home, store = session.home, session.store()
    running = session.is_running
    current = store.jobs.list(states.RUNNING) if store else []
    return {
        "running": running,
        "pipeline": HomeLock(home.lock).holder() if running else None,
        "paused": store.meta.get("paused") if store else None,
        "web": store.meta.get("web") if store and running else None,
        "children": _kept_children(store) if store and running else {},
        "home": str(home.root),
        "inbox": str(home.inbox),
        "results": str(home.results),
        "counts": store.jobs.counts() if store else dict.fromkeys(states.ALL, 0),
        "current": [session.job_document(job) for job in current],
        "open_requests": len(store.requests.open()) if store else 0,
    }


def _kept_children(store: Store) -> dict[str, Any]:
    """The notes of the children that the pipeline keeps running by a setting; the page has its own."""
    notes = {kind.name: store.meta.get(kind.name) for kind in KINDS if kind.setting}
    return {name: note for name, note in notes.items() if note}


def state_of(child: dict[str, Any]) -> str:
    """How a child is, by its note."""
    error = child.get("error")
    if error:
        return f"not running: {error['message']} ({error['code']})"
    return f"running (process {child['pid']})"


def page_of(web: dict[str, Any] | None) -> str | None:
    """Where the web page is, or why there is none; None where nobody asked for one."""
    if not web:
        return None
    error = web.get("error")
    return f"none: {error['message']} ({error['code']})" if error else str(web["url"])


@click.command("status")
@as_json
@common()
@click.pass_obj
def status(session: Session, as_json: bool) -> int:
    """Tell whether a pipeline runs, what it does and how much waits.

    \b
    Examples:
      autoseg status
      autoseg status --json
    """
    document = status_document(session)
    if as_json:
        session.output.document(document)
        return 0
    counts, paused = document["counts"], document["paused"]
    holder = document["pipeline"] or {}
    facts = [
        ("pipeline", f"running (process {holder.get('pid', '?')})" if document["running"] else "not running"),
        ("page", page_of(document["web"])),
        *((name, state_of(note)) for name, note in document["children"].items()),
        ("paused", (paused or {}).get("reason") or (paused or {}).get("code")),
        ("inbox", document["inbox"]),
        ("results", document["results"]),
        ("waiting", str(sum(counts[state] for state in states.WAITING))),
        *(
            (state, str(counts[state]))
            for state in (states.DONE, states.FAILED, states.REFUSED, states.CANCELLED)
        ),
    ]
    session.output.table(facts_table(facts))
    store = session.store()
    if store is not None and document["current"]:
        session.output.table(job_table(store.jobs.list(states.RUNNING)))
    if not document["running"]:
        session.output.note("Start it with: autoseg serve")
    return 0
