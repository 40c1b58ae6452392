"""Jobs become sends: also those that ended while no dicom child ran, and each once."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.dicom.send import outbox
from AutoSegPipelineLib.dicom.send.outbox import Outbox, folder_of

WAY = (
    states.RECEIVING, states.INSPECTING, states.QUEUED, states.PREPARING, states.SEGMENTING,
    states.EXPORTING, states.PUBLISHING, states.DONE,
)  # fmt: skip


class Pipeline:
    """The store as the pipeline writes it, and the outbox beside it with connections of its own."""

    def __init__(self, root: Path) -> None:
        self.home = Home.at(root)
        self.home.create()
        self.writer, self.store, self.pacs = (
            Store(self.home.store),
            Store(self.home.store),
            PacsStore.of(self.home),
        )

    def finish(self, *peers: str, job: Job | None = None) -> Job:
        if job is None:
            job = Job(options={"send_to": list(peers)})
            self.writer.jobs.add(job)
        for state in WAY[WAY.index(job.state) + 1 :]:
            self.writer.jobs.enter(job, state)
        return job

    def outbox(self) -> Outbox:
        return Outbox(self.home, self.store, self.pacs)

    def wanted(self) -> list[tuple[str, str]]:
        return [(one.job, one.peer) for one in self.pacs.sends.list()][::-1]


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    found = Pipeline(tmp_path)
    yield found
    for one in (found.writer, found.store, found.pacs):
        one.close()


def test_a_job_that_names_peers_is_wanted_by_each_when_it_is_done(pipeline: Pipeline) -> None:
    following = pipeline.outbox()
    following.follow()
    waiting = Job(options={"send_to": ["pacs"]})
    pipeline.writer.jobs.add(waiting)
    pipeline.finish()
    following.follow()
    assert pipeline.wanted() == []
    job = pipeline.finish("pacs", "other", "pacs")
    pipeline.finish(job=waiting)
    following.follow()
    assert pipeline.wanted() == [(job.id, "pacs"), (job.id, "other"), (waiting.id, "pacs")]


def test_what_ended_while_nobody_looked_is_found_at_the_next_start(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_AT_ONCE", 2)
    first = [pipeline.finish("pacs") for _ in range(5)]
    pipeline.outbox().follow()
    assert [job for job, _ in pipeline.wanted()] == [job.id for job in first]
    second = [pipeline.finish("pacs") for _ in range(3)]
    pipeline.outbox().follow()
    pipeline.outbox().follow()
    assert [job for job, _ in pipeline.wanted()] == [job.id for job in first + second]


def test_a_job_that_was_sent_is_sent_again_only_when_it_was_done_again(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = pipeline.finish("pacs")
    pipeline.outbox().follow()
    send = pipeline.pacs.sends.take("pacs")
    assert send is not None
    pipeline.pacs.sends.sent(send)
    job.message = "changed"
    pipeline.writer.jobs.save(job)
    pipeline.outbox().follow()
    assert pipeline.pacs.sends.take("pacs") is None
    pipeline.writer.jobs.enter(job, states.INSPECTING)
    pipeline.finish(job=job)
    pipeline.outbox().follow()
    assert pipeline.pacs.sends.take("pacs") is not None


def test_a_purged_job_takes_its_sends_and_their_files_along(pipeline: Pipeline) -> None:
    job = pipeline.finish("pacs")
    following = pipeline.outbox()
    following.follow()
    folder = folder_of(pipeline.home, pipeline.pacs.sends.list()[0].id)
    folder.mkdir(parents=True)
    (folder / "seg-1.dcm").write_bytes(b"DICM")
    pipeline.writer.jobs.delete(job.id)
    following.follow()
    assert pipeline.wanted() == [] and not folder.exists()


def test_a_store_from_a_backup_is_read_from_its_beginning(pipeline: Pipeline) -> None:
    pipeline.finish("pacs")
    pipeline.pacs.set_note("sends.revision", "1000000")
    pipeline.outbox().follow()
    assert len(pipeline.wanted()) == 1
