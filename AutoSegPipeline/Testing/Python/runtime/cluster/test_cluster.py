"""What the pipeline makes of messages about cases that are out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Iterator

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.events import AlarmRaised, Event
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.messages.child_messages import Log, Message
from AutoSegPipelineLib.core.messages.cluster_messages import (
    CaseAt,
    CaseBack,
    CaseDone,
    CaseFailed,
    ClusterState,
    GiveUpAll,
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
        while self.cluster._heard:
            self.cluster.step()


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
    host.pid = 78
    with monkeypatch.context() as patch:
        patch.setattr(host, "_child", SimpleNamespace(quit=lambda grace: None))
        host.stop()
    cluster._choose()
    assert not cluster.has_work, "the child is about to end"
    host._ended(Exit(0, asked=True))
    host.pid, host.state = 79, ClusterState()
    cluster._choose()
    assert cluster.has_work


@pytest.mark.parametrize("code", ["worker.vanished", "worker.hung"])
def test_a_worker_that_was_lost_over_a_case_does_not_fail_it_at_once(out: Out, code: str) -> None:
    for number in range(5):
        assert out.job.vanished == number
        out.hear(CaseFailed(PipelineError(code, "2 workers died over it").to_dict(), WHERE))
        if number < 4:
            assert out.job.state == states.QUEUED
            out.leave()
    assert out.job.state == states.FAILED


def test_only_what_was_fetched_of_the_attempt_that_is_out_is_taken(out: Out) -> None:
    publisher = out.bench.pipeline.flow.publisher
    first = publisher.fetched(out.job)
    out.hear(CaseBack("the node failed"))
    out.leave()
    second = publisher.fetched(out.job)
    for folder, text in ((first, "late"), (second, "right")):
        folder.mkdir()
        (folder / "one.gltf").write_text(text)
    staging = publisher.staging(out.job)
    out.hear(CaseDone({}, 1.0, WHERE))
    assert (staging / "one.gltf").read_text() == "right" and not second.exists()
    assert (first / "one.gltf").read_text() == "late", "it lies elsewhere"


def test_a_result_that_is_not_there_is_tried_again(out: Out) -> None:
    out.hear(CaseDone({}, 1.0, WHERE))
    assert (out.job.state, out.job.vanished) == (states.QUEUED, 1)


def test_ends_that_come_together_are_taken_one_by_one(out: Out) -> None:
    for _ in range(2):
        out.cluster._on_message(Envelope(CaseBack("the node failed"), out.id, out.job.attempt))
    assert out.job.state == states.PREPARING, "each writes to the disk, so it waits for a slice"
    out.cluster.step()
    assert out.job.state == states.QUEUED and out.cluster.has_work
    out.cluster.step()
    assert not out.cluster.has_work


def test_switching_off_gives_all_of_it_up_and_takes_back_a_case_at_a_time(
    out: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, sent, waits = out.cluster._host, [], []
    child = SimpleNamespace(send=lambda one: sent.append(one.message), quit=waits.append)
    out.bench.pipeline.flow.context.settings = out.bench.settings.changed(cluster="none")
    with monkeypatch.context() as patch:
        patch.setattr(host, "_child", child)
        host._wanted = True
        type(out.cluster).look(out.cluster)
    assert sent == [GiveUpAll()] and waits[-1] >= 60, "it gets the time to end jobs and remove bundles"
    assert out.job.state == states.PREPARING
    out.cluster.step()
    assert out.job.state == states.QUEUED and "bundle" not in out.job.staged


def test_a_wrong_size_is_one_alarm(out: Out) -> None:
    out.hear(CaseBack("the node failed"))
    job = out.job
    job.not_before = 0.0
    out.bench.pipeline.store.jobs.save(job)
    alarms: list[Event] = []
    out.bench.pipeline.bus.subscribe(lambda event: alarms.append(event))
    context = out.bench.pipeline.flow.context
    context.settings = context.settings.changed(cluster_memory_gb=["much"])
    host = out.cluster._host
    for _ in range(3):
        out.cluster._ready, host.pid, host.state = True, 77, ClusterState()
        out.cluster._choose()
        while out.cluster.has_work:
            out.cluster.step()
    (alarm,) = [event for event in alarms if isinstance(event, AlarmRaised)]
    assert alarm.code == "cluster.configuration" and "cluster_memory_gb: 'much'" in alarm.message


def test_a_case_that_was_out_when_the_cluster_was_switched_off_is_a_local_one_again(out: Out) -> None:
    assert "bundle" in out.job.staged
    out.bench.kill_and_start()
    out.bench.until(lambda: out.job.state == states.QUEUED)
    assert "bundle" not in out.job.staged
