"""What the pipeline makes of messages about cases that are out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Iterator

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.messages.child_messages import Log, Message
from AutoSegPipelineLib.core.messages.cluster_messages import (
    CaseAt,
    CaseBack,
    CaseDone,
    CaseFailed,
    ClusterState,
)
from AutoSegPipelineLib.core.protocol import Envelope
from AutoSegPipelineLib.runtime.cluster.choice import MEMORY_STEP
from AutoSegPipelineLib.runtime.processes.child import Exit
from support.cluster import ClusterBench, chosen_by

WHERE = "n7 (slurm 12_0)"


class Out:
    """One case that is out; what the child says comes from the test. It never runs by itself."""

    def __init__(self, bench: ClusterBench, folder: Path) -> None:
        (self.id,) = bench.submit(folder, "one")
        bench.until(lambda: self.job.state == states.QUEUED)
        self.cluster = bench.pipeline.flow.cluster
        self._choice = self.cluster._choice
        self.leave()

    bench: ClusterBench

    @property
    def job(self) -> Job:
        return self.bench.job(self.id)

    def leave(self) -> None:
        """Let it go out once more."""
        job = self.job
        job.not_before = 0.0
        self.bench.pipeline.store.jobs.save(job)
        chosen = chosen_by(self._choice)
        assert chosen is not None
        self.cluster._begin(self.job, chosen, 30.0)

    def hear(self, message: Message, attempt: int | None = None) -> None:
        number = self.job.attempt if attempt is None else attempt
        self.cluster._on_message(Envelope(message, self.id, number))


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Out]:
    with ClusterBench(tmp_path / "home", cluster="none", cluster_memory_gb=["8", "16"]) as bench:
        monkeypatch.setattr(Out, "bench", bench, raising=False)
        one = Out(bench, tmp_path)
        bench.pipeline.flow.context.settings = bench.settings.changed(cluster="slurm")
        one.cluster._stopped = False
        monkeypatch.setattr(one.cluster, "look", lambda: None)  # no child is to start
        yield one


def test_an_earlier_attempt_is_not_heard(out: Out) -> None:
    out.hear(CaseBack("the node failed"))
    out.leave()
    late = CaseFailed(PipelineError("engine.failed", "late").to_dict(), WHERE)
    for message in (
        late,
        CaseBack("late"),
        CaseDone({}, 1.0, WHERE),
        CaseAt("exporting", 0.9, "late", WHERE),
    ):
        out.hear(message, attempt=1)
    found = out.job
    assert (found.state, found.attempt, found.progress, found.where) == (states.PREPARING, 2, 0.0, "")


def test_where_it_is_and_its_log_are_seen(out: Out) -> None:
    out.hear(CaseAt("segmenting", 0.4, "predicting", WHERE, 12.0))
    out.hear(Log("a line of the engine"))
    found = out.job
    assert (found.state, found.where, found.progress, found.eta_s) == (states.SEGMENTING, WHERE, 0.4, 12.0)
    assert found.to_dict()["where"] == WHERE
    assert "a line of the engine" in out.bench.home.job_log(out.id).read_text()
    out.hear(CaseAt("preparing", 0.0, "begun again by another worker", WHERE))
    assert out.job.state == states.PREPARING


def test_memory_takes_the_next_size_then_the_ladder(out: Out) -> None:
    error = PipelineError("engine.no_memory", "it did not fit").to_dict()
    out.hear(CaseFailed(error, WHERE, memory=True))
    found = out.job
    assert (found.state, found.staged[MEMORY_STEP], found.options["quality"]) == (states.QUEUED, 1, "normal")
    out.leave()
    out.hear(CaseBack("the job used more memory than it had", counted=True, memory=True))
    found = out.job
    assert (found.state, found.options["quality"], found.vanished) == (states.QUEUED, "fast", 0)


def test_five_lost_jobs_at_one_case_fail_it_and_lost_bundles_do_not_count(out: Out) -> None:
    for _ in range(6):
        out.hear(CaseBack("the job was cancelled in Slurm", counted=False))
        out.leave()
    assert out.job.vanished == 0
    for number in range(5):
        out.hear(CaseBack("the job reached its wall time", counted=True))
        if number < 4:
            assert out.job.state == states.QUEUED
            out.leave()
    found = out.job
    assert found.state == states.FAILED and "wall time" in found.error["message"]


def test_a_cancelled_case_ends_at_once_though_nobody_answers(out: Out) -> None:
    out.bench.pipeline.commands.cancel(out.id)
    assert out.job.state == states.CANCELLED
    out.hear(CaseDone({}, 1.0, WHERE))
    assert out.job.state == states.CANCELLED


def test_a_priority_of_a_case_that_is_out_is_kept(out: Out) -> None:
    out.bench.pipeline.commands.set_priority(out.id, 80)
    out.hear(CaseBack("the job was preempted"))
    assert out.job.priority == 80


def test_nothing_leaves_while_no_child_listens(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    host, cluster = out.cluster._host, out.cluster
    out.hear(CaseBack("the node failed"))
    job = out.job
    job.not_before = 0.0
    out.bench.pipeline.store.jobs.save(job)
    cluster._ready, host.pid, host.state = True, 77, ClusterState()
    host._ended(Exit(1, crashed=True))
    assert not host.listens and host.state.code, "what a dead child said is no longer true"
    host.state = ClusterState()
    cluster._choose()
    assert not cluster.has_work
    monkeypatch.setattr(host, "_child", SimpleNamespace(quit=lambda grace: None))
    host.pid = 78
    host.stop()
    cluster._choose()
    assert not cluster.has_work, "the child is about to end"
    host._ended(Exit(0, asked=True))
    host.pid, host.state = 79, ClusterState()
    cluster._choose()
    assert cluster.has_work
