"""What page, panel and command line ask about archives, answered."""

from __future__ import annotations

from dataclasses import asdict

from ...core.errors import PipelineError
from ...core.messages.reader import ProtocolError, read
from ...core.pacs.asks import Ask
from ...core.pacs.fetches import CANCELLED, Order
from ...core.pacs.query import StudyQuery, uid
from ...core.specs import parse_options
from ..context import Context
from .fetched_cases import entry_of
from .find import MOST_STUDIES, find_series, find_studies
from .watcher import ask_peer


def find(context: Context, ask: Ask) -> dict[str, object]:
    """``peer``, ``match``: the studies."""
    name = str(ask.args.get("peer", ""))
    match = ask.args.get("match")
    query = StudyQuery.of(match if isinstance(match, dict) else {}, "search")
    found = find_studies(name, context.config().peer(name), query, MOST_STUDIES)
    return {"studies": [{**asdict(one), "label": one.label} for one in found.studies], "more": found.more}


def series(context: Context, ask: Ask) -> dict[str, object]:
    """``peer``, ``study``: its series."""
    name, study = str(ask.args.get("peer", "")), uid(str(ask.args.get("study", "")), "study")
    found = find_series(name, context.config().peer(name), study)
    return {"series": [{**asdict(one), "is_scan": one.is_scan} for one in found]}


def fetch(context: Context, ask: Ask) -> dict[str, object]:
    """``order``, the fields of :class:`~...core.pacs.fetches.Order`: its number."""
    try:
        order = read(Order, ask.args.get("order"), "fetch")
    except ProtocolError as error:
        raise PipelineError("request.invalid", error.message) from None
    config = context.config()
    peer = config.peer(order.peer)
    uid(order.study, "study")
    for one in order.series:
        uid(one, "series")
    parse_options(order.options, "fetch")
    entry_of(config, order.entry)
    if order.options and peer.use == "dimse" and peer.retrieve == "move":
        raise PipelineError(
            "request.invalid", f"{order.peer} sends to our receiver, where the entry sets the options"
        )
    store = context.pacs_store()
    try:
        return {"fetch": store.fetches.add(order)}
    finally:
        store.close()


def cancel_fetch(context: Context, ask: Ask) -> dict[str, object]:
    """``fetch``, a number: fetched no further."""
    number = int(str(ask.args.get("fetch", 0)))
    store = context.pacs_store()
    try:
        store.fetches.set(number, state=CANCELLED, note=f"cancelled by {ask.by}")
        found = store.fetches.get(number)
        if found is None:
            raise PipelineError("request.not_found", f"there is no fetch {number}")
        if found.state != CANCELLED:
            raise PipelineError("request.wrong_state", f"fetch {number} is {found.state}")
        return {}
    finally:
        store.close()


def echo(context: Context, ask: Ask) -> dict[str, object]:
    """``peer``: asked now; ``note`` says what went wrong."""
    name = str(ask.args.get("peer", ""))
    note = ask_peer(context, name, context.config().peer(name))
    return {"peer": name, "answers": not note, "note": note}
