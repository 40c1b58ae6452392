"""A job that is processed again while its results wait for a peer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.pacs.config import FILE
from AutoSegPipelineLib.core.pacs.sends import WAITING, Send
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.dicom.context import Context, LiveConfig
from AutoSegPipelineLib.dicom.send.delivery import NotReady, deliver

WAY = (
    states.INSPECTING, states.QUEUED, states.PREPARING, states.SEGMENTING, states.EXPORTING,
    states.PUBLISHING, states.DONE,
)  # fmt: skip


@pytest.fixture
def context(tmp_path: Path) -> Context:
    home = Home.at(tmp_path)
    home.create()
    (tmp_path / FILE).write_text(json.dumps({"peers": {"pacs": {"title": "A", "host": "127.0.0.1"}}}))
    return Context(home, Settings({}, {}), LiveConfig(home))


@pytest.fixture
def store(context: Context) -> Iterator[Store]:
    with_jobs = context.store()
    yield with_jobs
    with_jobs.close()


def sent_and_again(store: Store, pacs: PacsStore) -> tuple[Job, Send]:
    """A job whose results somebody asked for by hand, and which is then processed again."""
    job = Job()
    store.jobs.add(job)
    for state in WAY:
        store.jobs.enter(job, state)
    pacs.sends.want_again(job.id, "pacs", job.times[states.DONE], "anna")
    store.jobs.enter(job, states.INSPECTING)
    send = pacs.sends.take("pacs")
    assert send is not None
    return job, send


@pytest.mark.parametrize("end", [states.FAILED, states.CANCELLED])
def test_one_that_ends_without_a_result_is_not_waited_for(
    context: Context, store: Store, pacs: PacsStore, end: str
) -> None:
    job, send = sent_and_again(store, pacs)
    with pytest.raises(NotReady):
        deliver(context, pacs, send)
    store.jobs.enter(job, end)
    with pytest.raises(PipelineError, match=f"is {end}") as caught:
        deliver(context, pacs, send)
    assert caught.value.code == "pacs.missing_result"


def test_what_was_asked_for_by_hand_goes_with_the_new_result(
    context: Context, store: Store, pacs: PacsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, send = sent_and_again(store, pacs)
    for state in WAY[1:]:
        store.jobs.enter(job, state)
    job.times[states.DONE] = "2030-01-01T00:00:00Z"
    store.jobs.save(job)
    with pytest.raises(NotReady):
        deliver(context, pacs, send)
    pacs.sends.wait(send.id, 0)
    again = pacs.sends.take("pacs")
    assert again is not None and (again.done, again.by) == ("2030-01-01T00:00:00Z", "anna")
    assert again.state != WAITING and again.id == send.id
