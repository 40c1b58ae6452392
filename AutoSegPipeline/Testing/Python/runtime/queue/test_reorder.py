"""Cases of the queue get another turn."""

from __future__ import annotations

from pathlib import Path

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.clock import SystemClock
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.events import EventBus
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.runtime.context import Context
from AutoSegPipelineLib.runtime.queue.reorder import place


@pytest.fixture
def context(tmp_path: Path) -> Context:
    home = Home.at(tmp_path / "home")
    home.create()
    clock = SystemClock()
    return Context(home, Settings.defaults(), Store(home.store, clock), clock, EventBus())


def queued(context: Context, label: str, priority: int = 50, waited: float = 0.0) -> str:
    job = Job(label=label, state=states.INSPECTING, priority=priority)
    context.store.jobs.add(job)
    context.store.jobs.enter(job, states.QUEUED)
    job.queued_at -= waited
    context.store.jobs.save(job)
    return job.id


def order(context: Context) -> list[str]:
    rows = context.store.jobs.queue(context.clock.now())
    return [context.store.jobs.get(row[0]).label for row in rows]


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("before", [0, 1, 2, 3, None])
def test_a_case_goes_to_any_place_whatever_the_others_waited(
    context: Context, which: int, before: int | None
) -> None:
    ids = [
        queued(context, "a", 90),
        queued(context, "b", 10, 86400),
        queued(context, "c"),
        queued(context, "d", 0),
    ]
    labels = order(context)
    ids = [row[0] for row in context.store.jobs.queue(context.clock.now())]
    if before == which:
        return
    moved = labels.pop(which)
    at = len(labels) if before is None else before - (before > which)
    labels.insert(at, moved)
    place(context, ids[which], None if before is None else ids[before])
    assert order(context) == labels
    assert context.store.jobs.next_queued(context.clock.now()).label == labels[0]


def test_only_cases_of_the_queue_have_a_turn(context: Context) -> None:
    one = queued(context, "a")
    running = context.store.jobs.get(queued(context, "b"))
    context.store.jobs.enter(running, states.PREPARING)
    for job, before in ((running.id, one), (one, running.id)):
        with pytest.raises(PipelineError, match="not in the queue"):
            place(context, job, before)
