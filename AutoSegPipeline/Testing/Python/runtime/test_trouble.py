"""Workers that die, hang or lie; stops, pauses, cancels, a world that is not well."""

from __future__ import annotations

from pathlib import Path

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.errors import PipelineError
from support.pipeline import Bench, without_wait, write_scan


def test_a_vanished_worker_sends_the_case_back_and_the_fifth_time_fails_it(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "vanish_until1.nii"))
        bench.until(lambda: bench.job(job.id).ended)
        assert bench.job(job.id).state == states.DONE and bench.job(job.id).attempt == 2
        bad = bench.pipeline.commands.submit(write_scan(tmp_path / "vanish.nii"))
        # The back-off doubles; its waits are not what is tested here.
        bench.pipeline.flow.case_ends.back = without_wait(bench.pipeline.flow.case_ends.back)
        bench.until(lambda: bench.job(bad.id).ended, 60)
        assert bench.job(bad.id).state == states.FAILED
        assert bench.job(bad.id).error["code"] == "worker.vanished"
        assert bench.job(bad.id).attempt == 5
        assert not [name for name in bench.results() if name.startswith("vanish.")]


def test_a_hung_worker_is_ended_and_a_heartbeat_is_no_progress(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False, hung_seconds=0.7) as bench:
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "hang_until1.nii"))
        bench.until(lambda: bench.job(job.id).ended, 60)
        found = bench.job(job.id)
        assert (found.state, found.attempt, found.vanished) == (states.DONE, 2, 1)


def test_what_an_earlier_attempt_says_is_ignored(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "late.nii"))
        bench.until(lambda: bench.job(job.id).ended)
        assert bench.job(job.id).state == states.DONE
        assert all(output["size"] > 0 for output in bench.job(job.id).outputs)


def test_an_output_that_was_never_written_is_not_published(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        bench.pipeline.flow.case_ends.back = without_wait(bench.pipeline.flow.case_ends.back)
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "lie.nii"))
        bench.until(lambda: bench.job(job.id).ended, 60)
        assert bench.job(job.id).state == states.FAILED
        assert bench.job(job.id).error["code"] == "export.verification"
        assert not [name for name in bench.results() if "manifest" in name]


def test_a_queued_and_a_running_case_can_be_cancelled(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        running = bench.pipeline.commands.submit(write_scan(tmp_path / "slow60000.nii"))
        queued = bench.pipeline.commands.submit(write_scan(tmp_path / "next.nii", 1))
        bench.until(
            lambda: (
                bench.job(running.id).state == states.SEGMENTING
                and bench.job(queued.id).state == states.QUEUED
            )
        )
        bench.pipeline.commands.cancel(queued.id)
        assert bench.job(queued.id).state == states.CANCELLED
        bench.pipeline.commands.cancel(running.id)
        bench.until(lambda: bench.job(running.id).ended, 60)
        assert bench.job(running.id).state == states.CANCELLED
        after = bench.pipeline.commands.submit(write_scan(tmp_path / "after.nii", 2))
        bench.until(lambda: bench.job(after.id).ended)
        assert bench.job(after.id).state == states.DONE
        log = (bench.home.logs / "fake-worker.log").read_text().split("\n")
        pids = {line.split()[-1] for line in log if line}
        assert len(pids) == 1, "a cooperative cancel keeps the worker warm"
        with pytest.raises(PipelineError) as caught:
            bench.pipeline.commands.cancel(after.id)
        assert caught.value.code == "request.wrong_state"


def test_memory_trouble_steps_down_the_ladder_and_says_so(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "memory_until2.nii"))
        bench.until(lambda: bench.job(job.id).ended)
        found = bench.job(job.id)
        assert (found.state, found.options["quality"]) == (states.DONE, "fastest")
        assert [w["code"] for w in found.warnings].count("engine.stepped_down") == 2
        assert found.vanished == 0


def test_a_stop_sends_the_running_case_back_and_the_next_start_goes_on(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "slow60000_until1.nii"))
        bench.until(lambda: bench.job(job.id).state == states.SEGMENTING)
        bench.restart()
        bench.until(lambda: bench.job(job.id).ended)
        found = bench.job(job.id)
        assert (found.state, found.deaths, found.vanished) == (states.DONE, 0, 0)


def test_a_second_stop_ends_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "home", do="deaf60000", watch=False)
    bench.start()
    job = bench.pipeline.commands.submit(write_scan(tmp_path / "a.nii"))
    bench.until(lambda: bench.job(job.id).state == states.SEGMENTING)
    bench.pipeline.stop()
    bench.pipeline.stop()
    bench.until(lambda: bench.pipeline.stopped, 3)


def test_a_pause_begins_nothing_and_outlives_a_restart(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        bench.pipeline.commands.pause()
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "a.nii"))
        bench.until(lambda: bench.job(job.id).state == states.QUEUED)
        bench.restart()
        assert bench.pipeline.flow.conditions.paused["code"] == "request"
        assert bench.job(job.id).state == states.QUEUED
        bench.pipeline.commands.resume()
        bench.until(lambda: bench.job(job.id).state == states.DONE)


def test_a_full_disk_pauses_counts_nothing_and_resumes_by_itself(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "disk_until1.nii"))
        bench.until(lambda: bench.job(job.id).ended)
        found = bench.job(job.id)
        assert (found.state, found.vanished, found.attempt) == (states.DONE, 0, 2)
        assert bench.pipeline.flow.conditions.paused is None


def test_results_that_are_away_pause_and_come_back(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        away = bench.home.results.with_name("away")
        bench.home.results.rename(away)
        bench.until(lambda: bench.pipeline.flow.conditions.paused, 60)
        assert bench.pipeline.flow.conditions.paused["code"] == "environment.results_unreachable"
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "a.nii"))
        bench.until(lambda: bench.job(job.id).state == states.QUEUED)
        away.rename(bench.home.results)
        bench.until(lambda: bench.job(job.id).state == states.DONE)


def test_results_that_went_away_a_moment_ago_are_not_made_anew(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False, do="slow500") as bench:
        away = bench.home.results.with_name("away")
        first = bench.pipeline.commands.submit(write_scan(tmp_path / "a.nii", 1))
        bench.until(lambda: bench.job(first.id).state == states.SEGMENTING)
        bench.pipeline.flow.conditions.check = lambda: None  # it looks every two seconds; this is between
        bench.home.results.rename(away)
        bench.pipeline.commands.cancel(first.id)
        second = bench.pipeline.commands.submit(write_scan(tmp_path / "b.nii", 2))
        bench.until(lambda: bench.pipeline.flow.conditions.paused)
        assert bench.pipeline.flow.conditions.paused["code"] == "environment.results_unreachable"
        assert not bench.home.results.exists()
        assert bench.job(second.id).state == states.QUEUED
        away.rename(bench.home.results)
        bench.pipeline.commands.resume()
        bench.until(lambda: bench.job(second.id).state == states.DONE)


def test_a_second_pipeline_on_the_same_home_is_told_who_has_it(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False):
        second = Bench(tmp_path / "home", watch=False)
        with pytest.raises(PipelineError) as caught:
            second.pipeline.start()
        assert caught.value.code == "environment.locked"
        second.pipeline.stopped = True
