"""Many inputs at once: staged in batches that a child makes durable, and nothing lost when that fails."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.messages.intake_messages import Sync
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.runtime.inbox import batches
from support.pipeline import Bench, write_scan


def test_a_hundred_scans_dropped_at_once_all_get_queued_and_the_loop_syncs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Bench(tmp_path / "home") as bench:
        bench.pipeline.commands.pause()
        synced: list[int] = []
        real = os.fsync
        monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), real(descriptor))[1])
        for number in range(100):
            bench.drop(f"scan {number}.nii", number)
        bench.until(lambda: bench.pipeline.store.jobs.counts()[states.QUEUED] == 100, 40)
        assert synced == []
        assert not any(bench.home.inbox.iterdir())
        assert not any((bench.home.logs / "jobs").iterdir()), "a case that only waits needs no log file"
        assert len({job.name for job in bench.jobs()}) == 100


@pytest.mark.parametrize("which", ["intents", "moves"])
def test_a_sync_that_fails_gives_the_inbox_its_files_back_and_they_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    with Bench(tmp_path / "home") as bench:
        syncer = bench.pipeline.flow.examiner
        real, hit = syncer.ask, []

        def ask(task, answer, job=""):
            moves = isinstance(task, Sync) and all(path.endswith("input") for path in task.paths)
            if isinstance(task, Sync) and not hit and moves == (which == "moves"):
                hit.append(task)
                error = PipelineError("environment.disk_full", "no room")
                real(Sync([]), lambda result, _: answer(None, error), job)
                return
            real(task, answer, job)

        monkeypatch.setattr(syncer, "ask", ask)
        bench.drop("one.nii", 1)
        bench.drop("two.nii", 2)
        jobs = bench.until_ended(2)
        assert hit
        assert [job.state for job in jobs] == [states.DONE] * 2
        assert all(job.vanished == 0 for job in jobs)


def test_one_answer_that_cannot_be_written_holds_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Bench(tmp_path / "home") as bench:
        flow = bench.pipeline.flow
        real = flow.case_outcome.write

        def outcome(job, intent, part):
            if job.label == "bad.nii":
                raise ValueError("a defect")
            real(job, intent, part)

        monkeypatch.setattr(flow.case_outcome, "write", outcome)
        monkeypatch.setattr(flow.inspection, "_loop", SimpleNamespace(wake=lambda: None))
        for name in ("one.nii", "bad.nii", "two.nii"):
            bench.drop(name, len(name))
        bench.until(lambda: bench.pipeline.store.jobs.counts()[states.DONE] == 2)
        assert [job.state for job in bench.jobs() if job.label == "bad.nii"] == [states.INSPECTING]


def test_a_job_cancelled_while_its_batch_is_under_way_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Bench(tmp_path / "home") as bench:
        real = batches.InboxBatches._moved

        def moved(self, intents, error):
            bench.pipeline.commands.cancel(intents[0].id)
            real(self, intents, error)

        monkeypatch.setattr(batches.InboxBatches, "_moved", moved)
        bench.drop("one.nii")
        (job,) = bench.until_ended(1)
        assert job.state == states.CANCELLED
        bench.until(lambda: any(bench.home.failed.iterdir()))


def test_the_log_of_a_case_begins_with_the_states_in_which_it_waited(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "a.nii"))
        bench.until_ended(1)
        lines = bench.home.job_log(job.id).read_text().splitlines()
        said = [json.loads(line)["text"] for line in lines]
        assert [text for text in said if text in states.ALL][:4] == [
            "receiving", "inspecting", "queued", "preparing",
        ]  # fmt: skip


def test_the_stores_journal_is_brought_in_by_a_child_and_only_when_it_grew(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        flow, store = bench.pipeline.flow, bench.home.store
        asked = []
        real = flow.examiner.ask
        flow.examiner.ask = lambda task, *rest: (asked.append(task.NAME), real(task, *rest))[1]  # type: ignore
        for _ in range(60):
            bench.pipeline.store.meta.set("big", "x" * 100_000)
        before = store.stat().st_size
        bench.until(lambda: asked == ["checkpoint"] and not flow.checkpoint._under_way)
        assert store.stat().st_size > before
        flow.checkpoint.look()
        assert asked == ["checkpoint"]
        other = Store(store)
        assert len(other.meta.get("big")) == 100_000
        other.close()
