"""What page and command line ask of the outbox, answered."""

from __future__ import annotations

from ...core import states
from ...core.errors import PipelineError
from ...core.pacs.asks import Ask
from ..context import Context


def send(context: Context, ask: Ask) -> dict[str, object]:
    """Send the results of ``job`` to ``peers``, also where they have been sent before; numbers of the sends.

    Raises ``pacs.unknown_peer``, ``pacs.missing_result``, ``request.unknown_job``.
    """
    named = ask.args.get("peers")
    peers = [str(one) for one in named] if isinstance(named, list) else []
    config = context.config()
    for peer in peers:
        config.peer(peer)
    store = context.store()
    try:
        job = store.jobs.get(str(ask.args.get("job", "")))
    finally:
        store.close()
    if job.state != states.DONE:
        raise PipelineError(
            "pacs.missing_result", f"{job.name or job.id} is {job.state}, so it has no result"
        )
    pacs = context.pacs_store()
    try:
        with pacs.transaction():
            return {
                "sends": [pacs.sends.want_again(job.id, one, job.times[states.DONE], ask.by) for one in peers]
            }
    finally:
        pacs.close()
