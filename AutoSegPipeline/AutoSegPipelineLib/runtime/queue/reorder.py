"""Putting a queued case at another place of the queue by changing its own row alone.

The queue is ordered by ``priority + minutes waited`` (:meth:`...core.store.jobs.Jobs.next_queued`). All
scores grow alike, so a case stays where a score between two others puts it.
"""

from __future__ import annotations

import math

from ...core import states
from ...core.errors import PipelineError
from ...core.job import Job
from ..context import Context

MINUTE = 60.0


def score(priority: int, queued_at: float, now: float) -> float:
    """What the queue is ordered by, the highest first; times in seconds since 1970."""
    return priority + max(0.0, now - queued_at) / MINUTE


def place_between(above: float | None, below: float | None, priority: int, now: float) -> tuple[int, float]:
    """(priority, queued_at) of a case between the scores ``above`` and ``below``; None is an end.

    The priority stays as it is where it can: one that is higher than the wanted place is lowered to it.
    """
    if above is None and below is None:
        return priority, now
    if above is None:
        wanted = (below or 0.0) + 1.0
    elif below is None:
        wanted = max(above - 1.0, above / 2.0)
    else:
        wanted = (above + below) / 2.0
    kept = min(priority, math.floor(wanted))
    return kept, now - (wanted - kept) * MINUTE


def place(context: Context, job_id: str, before: str | None) -> Job:
    """Give a queued job the turn before the queued job ``before``, or the last one (None).

    Raises ``request.wrong_state`` where one of them is not queued (any more).
    """
    now = context.clock.now()
    job = context.store.jobs.get(job_id)
    others = [row for row in context.store.jobs.queue(now) if row[0] != job.id]
    ids = [row[0] for row in others]
    if job.state != states.QUEUED or before not in (None, *ids):
        raise PipelineError("request.wrong_state", f"job {job.id} or {before} is not in the queue")
    at = len(ids) if before is None else ids.index(before)
    scores = [score(priority, queued_at, now) for _, priority, queued_at in others]
    above, below = (scores[at - 1] if at else None), (scores[at] if at < len(ids) else None)
    job.priority, job.queued_at = place_between(above, below, job.priority, now)
    context.store.jobs.save(job)
    context.publish_change(job)
    return job
