"""The pipeline with real child processes and a worker that computes nothing."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.events import JobEnded
from AutoSegPipelineLib.core.incoming import stage
from support_pipeline import Bench, write_scan


def leftovers(bench: Bench) -> list[str]:
    """What no ended case may leave in the working folders."""
    folders = (bench.home.incoming, bench.home.results)
    found = [path.name for folder in folders for path in folder.iterdir()]
    found = [name for name in found if name.startswith(".publish-") or len(name) == 32]
    return found + [path.name for path in bench.home.work.iterdir() if len(path.name) == 32]


def test_a_dropped_scan_becomes_results_without_another_keystroke(tmp_path: Path) -> None:
    with Bench(tmp_path / "home") as bench:
        source = bench.drop("Chest CT.nii.gz", compress=True)
        (job,) = bench.until_ended(1)
        assert job.state == states.DONE and job.door == "inbox"
        assert (job.name, job.label) == ("Chest CT", "Chest CT.nii.gz")
        assert not source.exists()
        assert bench.results() == ["Chest CT.gltf", "Chest CT.manifest.json"]
        bench.until(lambda: not leftovers(bench))
        assert (bench.home.spent / job.id / "input").exists(), "the input can be had back for the grace"
        for state in ("receiving", "inspecting", "queued", "preparing", "publishing", "done"):
            assert state in job.times


def test_the_callers_file_is_only_read(tmp_path: Path) -> None:
    source = write_scan(tmp_path / "scan.nii")
    before = (source.read_bytes(), source.stat().st_mtime_ns)
    with Bench(tmp_path / "home", watch=False) as bench:
        bench.pipeline.submit(source)
        bench.until_ended(1)
    assert (source.read_bytes(), source.stat().st_mtime_ns) == before


def test_two_scans_of_one_name_get_two_stems(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        for seed in (1, 2):
            bench.pipeline.submit(write_scan(tmp_path / str(seed) / "Scan.nii", seed))
        jobs = bench.until_ended(2)
        assert sorted(job.name for job in jobs) == ["Scan", "Scan-2"]
        assert "Scan-2.gltf" in bench.results()


def test_a_file_of_somebody_else_in_the_results_is_not_overwritten(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        (bench.home.results / "scan.gltf").write_text("mine")
        bench.pipeline.submit(write_scan(tmp_path / "scan.nii"))
        (job,) = bench.until_ended(1)
        assert job.name == "scan-2"
        assert (bench.home.results / "scan.gltf").read_text() == "mine"


def test_a_refused_inbox_file_lies_in_refused_with_its_reason_and_the_queue_goes_on(tmp_path: Path) -> None:
    with Bench(tmp_path / "home") as bench:
        bad = bench.home.inbox / "notes.txt"
        bad.write_text("no scan " * 100)
        bench.drop("scan.nii")
        jobs = {job.label: job for job in bench.until_ended(2)}
        assert jobs["scan.nii"].state == states.DONE
        assert jobs["notes.txt"].state == states.REFUSED
        assert jobs["notes.txt"].error["code"] == "input.unknown_format"
        folder = bench.home.refused / "notes.txt"
        bench.until(lambda: (folder / "notes.txt").exists())
        assert (folder / "notes.txt").read_text() == "no scan " * 100
        reason = json.loads((folder / "reason.json").read_text())
        assert reason["error"]["code"] == "input.unknown_format" and reason["error"]["hint"]
        assert not bad.exists()


def test_a_failed_case_keeps_its_input_and_can_be_retried_from_there(tmp_path: Path) -> None:
    with Bench(tmp_path / "home") as bench:
        bench.drop("fail_until1.nii")
        (job,) = bench.until_ended(1)
        assert job.state == states.FAILED and job.error["code"] == "engine.failed"
        kept = bench.home.failed / "fail_until1"
        bench.until(lambda: (kept / "fail_until1.nii").exists() and bench.job(job.id).staged.get("kept_at"))
        bench.pipeline.retry(job.id)
        bench.until(lambda: bench.job(job.id).state == states.DONE)
        assert not kept.exists()
        assert bench.job(job.id).error is None
        assert "fail_until1.gltf" in bench.results()


@pytest.mark.parametrize("number", range(3))
def test_a_retry_straight_after_a_cancel_finds_its_input(tmp_path: Path, number: int) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.submit(write_scan(tmp_path / "slow60000_until1.nii", number))
        bench.until(lambda: bench.job(job.id).state == states.SEGMENTING)
        bench.pipeline.cancel(job.id)
        bench.until(lambda: bench.job(job.id).ended)
        heard: list = []
        bench.pipeline.retry(job.id, heard.append)
        bench.until(lambda: heard and bench.job(job.id).ended)
        assert heard == [None]
        assert bench.job(job.id).state == states.DONE, bench.job(job.id).error


def test_a_retry_whose_input_was_taken_away_says_so(tmp_path: Path) -> None:
    with Bench(tmp_path / "home") as bench:
        bench.drop("fail.nii")
        (job,) = bench.until_ended(1)
        kept = bench.home.failed / "fail" / "fail.nii"
        bench.until(lambda: kept.exists() and bench.job(job.id).staged.get("kept_at"))
        kept.unlink()
        heard: list = []
        bench.pipeline.retry(job.id, heard.append)
        bench.until(lambda: heard)
        assert heard[0].code == "input.missing"
        assert bench.job(job.id).state == states.FAILED


def test_a_done_case_can_run_again_and_replaces_only_its_own_files(tmp_path: Path) -> None:
    with Bench(tmp_path / "home") as bench:
        bench.drop("scan.nii")
        (job,) = bench.until_ended(1)
        bench.until(lambda: not leftovers(bench))
        (bench.home.results / "other.gltf").write_text("other")
        bench.pipeline.retry(job.id)
        bench.until(lambda: bench.job(job.id).attempt == 2 and bench.job(job.id).state == states.DONE)
        assert bench.results() == ["other.gltf", "scan.gltf", "scan.manifest.json"]


def test_a_vanished_worker_sends_the_case_back_and_the_fifth_time_fails_it(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.submit(write_scan(tmp_path / "vanish_until1.nii"))
        bench.until(lambda: bench.job(job.id).ended)
        assert bench.job(job.id).state == states.DONE and bench.job(job.id).attempt == 2
        bad = bench.pipeline.submit(write_scan(tmp_path / "vanish.nii"))
        # The back-off doubles; its waits are not what is tested here.
        bench.pipeline.flow.scheduler._back = _without_wait(bench.pipeline.flow.scheduler._back)
        bench.until(lambda: bench.job(bad.id).ended, 30)
        assert bench.job(bad.id).state == states.FAILED
        assert bench.job(bad.id).error["code"] == "worker.vanished"
        assert bench.job(bad.id).attempt == 5
        assert not [name for name in bench.results() if name.startswith("vanish.")]


def _without_wait(back):
    return lambda job, message, wait=0.0: back(job, message)


def test_a_hung_worker_is_ended_and_a_heartbeat_is_no_progress(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False, hung_seconds=0.7) as bench:
        job = bench.pipeline.submit(write_scan(tmp_path / "hang_until1.nii"))
        bench.until(lambda: bench.job(job.id).ended, 30)
        found = bench.job(job.id)
        assert (found.state, found.attempt, found.vanished) == (states.DONE, 2, 1)


def test_what_an_earlier_attempt_says_is_ignored(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.submit(write_scan(tmp_path / "late.nii"))
        bench.until(lambda: bench.job(job.id).ended)
        assert bench.job(job.id).state == states.DONE
        assert all(output["size"] > 0 for output in bench.job(job.id).outputs)


def test_an_output_that_was_never_written_is_not_published(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        bench.pipeline.flow.scheduler._back = _without_wait(bench.pipeline.flow.scheduler._back)
        job = bench.pipeline.submit(write_scan(tmp_path / "lie.nii"))
        bench.until(lambda: bench.job(job.id).ended, 30)
        assert bench.job(job.id).state == states.FAILED
        assert bench.job(job.id).error["code"] == "export.verification"
        assert not [name for name in bench.results() if "manifest" in name]


def test_a_queued_and_a_running_case_can_be_cancelled(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        running = bench.pipeline.submit(write_scan(tmp_path / "slow60000.nii"))
        queued = bench.pipeline.submit(write_scan(tmp_path / "next.nii", 1))
        bench.until(
            lambda: (
                bench.job(running.id).state == states.SEGMENTING
                and bench.job(queued.id).state == states.QUEUED
            )
        )
        bench.pipeline.cancel(queued.id)
        assert bench.job(queued.id).state == states.CANCELLED
        bench.pipeline.cancel(running.id)
        bench.until(lambda: bench.job(running.id).ended, 8)
        assert bench.job(running.id).state == states.CANCELLED
        after = bench.pipeline.submit(write_scan(tmp_path / "after.nii", 2))
        bench.until(lambda: bench.job(after.id).ended)
        assert bench.job(after.id).state == states.DONE
        log = (bench.home.logs / "fake-worker.log").read_text().split("\n")
        pids = {line.split()[-1] for line in log if line}
        assert len(pids) == 1, "a cooperative cancel keeps the worker warm"
        with pytest.raises(PipelineError) as caught:
            bench.pipeline.cancel(after.id)
        assert caught.value.code == "request.wrong_state"


def test_memory_trouble_steps_down_the_ladder_and_says_so(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.submit(write_scan(tmp_path / "memory_until2.nii"))
        bench.until(lambda: bench.job(job.id).ended)
        found = bench.job(job.id)
        assert (found.state, found.options["quality"]) == (states.DONE, "fastest")
        assert [w["code"] for w in found.warnings].count("engine.stepped_down") == 2
        assert found.vanished == 0


def test_a_stop_sends_the_running_case_back_and_the_next_start_goes_on(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.submit(write_scan(tmp_path / "slow60000_until1.nii"))
        bench.until(lambda: bench.job(job.id).state == states.SEGMENTING)
        bench.restart()
        bench.until(lambda: bench.job(job.id).ended)
        found = bench.job(job.id)
        assert (found.state, found.deaths, found.vanished) == (states.DONE, 0, 0)


def test_a_second_stop_ends_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "home", do="deaf60000", watch=False)
    bench.start()
    job = bench.pipeline.submit(write_scan(tmp_path / "a.nii"))
    bench.until(lambda: bench.job(job.id).state == states.SEGMENTING)
    bench.pipeline.stop()
    bench.pipeline.stop()
    bench.until(lambda: bench.pipeline.stopped, 3)


def test_a_pause_begins_nothing_and_outlives_a_restart(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        bench.pipeline.pause()
        job = bench.pipeline.submit(write_scan(tmp_path / "a.nii"))
        bench.until(lambda: bench.job(job.id).state == states.QUEUED)
        bench.restart()
        assert bench.pipeline.flow.conditions.paused["code"] == "request"
        assert bench.job(job.id).state == states.QUEUED
        bench.pipeline.resume()
        bench.until(lambda: bench.job(job.id).state == states.DONE)


def test_a_full_disk_pauses_counts_nothing_and_resumes_by_itself(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.submit(write_scan(tmp_path / "disk_until1.nii"))
        bench.until(lambda: bench.job(job.id).ended)
        found = bench.job(job.id)
        assert (found.state, found.vanished, found.attempt) == (states.DONE, 0, 2)
        assert bench.pipeline.flow.conditions.paused is None


def test_results_that_are_away_pause_and_come_back(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        away = bench.home.results.with_name("away")
        bench.home.results.rename(away)
        bench.until(lambda: bench.pipeline.flow.conditions.paused, 5)
        assert bench.pipeline.flow.conditions.paused["code"] == "environment.results_unreachable"
        job = bench.pipeline.submit(write_scan(tmp_path / "a.nii"))
        bench.until(lambda: bench.job(job.id).state == states.QUEUED)
        away.rename(bench.home.results)
        bench.until(lambda: bench.job(job.id).state == states.DONE)


def test_a_zip_of_several_scans_becomes_several_jobs(tmp_path: Path) -> None:
    packed = tmp_path / "both.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(write_scan(tmp_path / "one.nii", 1), "one.nii")
        archive.write(write_scan(tmp_path / "two.nii", 2), "sub/two.nii")
        archive.writestr("broken.nii.gz", b"\x1f\x8bnothing")
    with Bench(tmp_path / "home", watch=False) as bench:
        first = bench.pipeline.submit(packed)
        jobs = bench.until_ended(3)
        assert sorted(job.state for job in jobs) == ["done", "done", "refused"]
        assert {job.parent for job in jobs} == {None, first.id}
        names = [name for name in bench.results() if name.endswith(".gltf")]
        assert len(names) == 2
        bench.until(lambda: not leftovers(bench))


def test_a_part_of_an_archive_can_be_retried_alone(tmp_path: Path) -> None:
    packed = tmp_path / "both.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("fail_until1", "two", "fail_until1_b"):
            archive.write(write_scan(tmp_path / f"{name}.nii", len(name)), f"{name}.nii")
    with Bench(tmp_path / "home", watch=False) as bench:
        bench.pipeline.submit(packed)
        failed = [job for job in bench.until_ended(3) if job.state == states.FAILED]
        assert len(failed) == 2
        for job in failed:
            bench.until(lambda job=job: bench.job(job.id).staged.get("kept_at"))
            bench.pipeline.retry(job.id)
            bench.until(lambda job=job: bench.job(job.id).state == states.DONE)
        assert len(bench.jobs()) == 3, "nothing was split a second time"
        assert len({job.name for job in bench.jobs()}) == 3


def test_every_end_is_told_once(tmp_path: Path) -> None:
    heard = []
    with Bench(tmp_path / "home", watch=False) as bench:
        bench.pipeline.bus.subscribe(
            lambda event: heard.append(event) if isinstance(event, JobEnded) else None
        )
        ids = [bench.pipeline.submit(write_scan(tmp_path / f"{name}.nii")).id for name in ("a", "fail")]
        bench.until_ended(2)
        assert sorted((event.job_id, event.state) for event in heard) == sorted(zip(ids, ("done", "failed")))


def test_requests_of_another_process_are_answered_in_their_rows(tmp_path: Path) -> None:
    from AutoSegPipelineLib.core.store import Store

    with Bench(tmp_path / "home", watch=False) as bench:
        other = Store(bench.home.store)
        job_id = stage(bench.home, write_scan(tmp_path / "slow60000.nii"), by="me")
        adopt = other.requests.ask("adopt", args={"id": job_id}, by="me")
        bench.until(lambda: other.requests.answer_of(adopt))
        assert other.requests.answer_of(adopt)["job"] == job_id
        bench.until(lambda: bench.job(job_id).state == states.SEGMENTING)
        asked = {
            kind: other.requests.ask(kind, job, args)
            for kind, job, args in (
                ("priority", job_id, {"priority": 99}),
                ("priority_", job_id, {}),
                ("retry", job_id, {}),
                ("purge", job_id, {}),
                ("cancel", job_id[:8], {}),
            )
        }
        bench.until(lambda: all(other.requests.answer_of(number) for number in asked.values()))
        answers = {kind: other.requests.answer_of(number) for kind, number in asked.items()}
        assert answers["priority"]["ok"] and answers["cancel"]["ok"]
        assert answers["priority_"]["error"]["code"] == "request.invalid"
        assert answers["retry"]["error"]["code"] == "request.wrong_state"
        assert answers["purge"]["error"]["code"] == "request.wrong_state"
        bench.until(lambda: bench.job(job_id).state == states.CANCELLED, 8)
        assert bench.job(job_id).priority == 99
        other.requests.ask("stop")
        bench.until(lambda: bench.pipeline.stopped)
        other.close()


def test_a_purge_leaves_no_trace_but_the_stem(tmp_path: Path) -> None:
    with Bench(tmp_path / "home") as bench:
        bench.drop("Doe.nii")
        (job,) = bench.until_ended(1)
        bench.until(lambda: not leftovers(bench))
        bench.pipeline.purge(job.id)
        left = [path for path in bench.home.root.rglob("*") if "Doe" in path.name or job.id in str(path)]
        assert left == []
        assert bench.pipeline.store.jobs.find(job.id) is None
        assert bench.pipeline.store.stems.taken("doe") == job.id


def test_kept_inputs_stay_in_the_inbox_and_are_not_taken_twice(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", inputs="keep") as bench:
        source = bench.drop("scan.nii")
        bench.until_ended(1)
        bench.restart()
        bench.until(lambda: bench.pipeline._ticks >= 8)
        assert source.exists()
        assert len(bench.jobs()) == 1
        write_scan(source, seed=9, shape=(13, 11, 10))
        jobs = bench.until_ended(2)
        assert sorted(job.name for job in jobs) == ["scan", "scan-2"]


def test_archived_inputs_have_their_own_names_back(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", inputs="archive") as bench:
        bench.drop("sub/My scan.nii")
        (job,) = bench.until_ended(1)
        assert job.name == "sub_My scan"
        bench.until(lambda: (bench.home.archive / job.name / "sub" / "My scan.nii").exists())


def test_options_beside_the_scan_hold_for_it_and_go_with_it(tmp_path: Path) -> None:
    with Bench(tmp_path / "home") as bench:
        (bench.home.inbox / "options.json").write_text('{"priority": 10, "detail": 0.5}')
        (bench.home.inbox / "scan.options.json").write_text('{"priority": 77}')
        bench.drop("scan.nii")
        (job,) = bench.until_ended(1)
        assert (job.options["priority"], job.options["detail"]) == (77, 0.5)
        assert not (bench.home.inbox / "scan.options.json").exists()
        assert (bench.home.inbox / "options.json").exists()


def test_options_beside_a_submitted_file_hold_unless_the_caller_says_otherwise(tmp_path: Path) -> None:
    source = write_scan(tmp_path / "scan.nii")
    (tmp_path / "scan.options.json").write_text('{"priority": 77, "detail": 0.5}')
    with Bench(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.submit(source, {"detail": 0.7})
        bench.until(lambda: bench.job(job.id).ended)
        options = bench.job(job.id).options
        assert (options["priority"], options["detail"]) == (77, 0.7)
        assert (tmp_path / "scan.options.json").exists()
        (tmp_path / "scan.options.json").write_text('{"prority": 77}')
        with pytest.raises(PipelineError, match="did you mean 'priority'"):
            bench.pipeline.submit(source)


def test_a_misspelt_option_refuses_the_scan_with_the_nearest_name(tmp_path: Path) -> None:
    with Bench(tmp_path / "home") as bench:
        (bench.home.inbox / "scan.options.json").write_text('{"qualty": "fast"}')
        bench.drop("scan.nii")
        (job,) = bench.until_ended(1)
        assert job.state == states.REFUSED
        assert "'qualty'" in job.error["message"] and "'quality'" in job.error["message"]
        bench.until(lambda: (bench.home.refused / "scan" / "scan.nii").exists())


def test_spent_inputs_are_purged_after_the_grace_and_not_before(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", grace_hours=1) as bench:
        bench.drop("scan.nii")
        (job,) = bench.until_ended(1)
        bench.until(lambda: (bench.home.spent / job.id / "spent.json").exists())
        clock = bench.pipeline.flow.context.clock
        list(bench.pipeline.flow.retention.steps())
        assert (bench.home.spent / job.id).exists()
        bench.pipeline.flow.context.clock = Later(clock, 3700)
        list(bench.pipeline.flow.retention.steps())
        assert not (bench.home.spent / job.id).exists()


def test_a_clock_that_leapt_purges_nothing_and_raises_an_alarm(tmp_path: Path) -> None:
    alarms = []
    with Bench(tmp_path / "home", keep_results_days=1) as bench:
        bench.pipeline.bus.subscribe(alarms.append)
        bench.drop("scan.nii")
        (job,) = bench.until_ended(1)
        bench.until(lambda: (bench.home.spent / job.id / "spent.json").exists())
        list(bench.pipeline.flow.retention.steps())
        bench.pipeline.flow.context.clock = Later(bench.pipeline.flow.context.clock, 10 * 365 * 86400)
        list(bench.pipeline.flow.retention.steps())
        assert (bench.home.spent / job.id).exists()
        assert "scan.gltf" in bench.results()
        assert [alarm.code for alarm in alarms if hasattr(alarm, "code")] == ["retention.clock"]


def test_results_are_purged_only_where_retention_was_set(tmp_path: Path) -> None:
    for days, left in ((0, True), (1, False)):
        with Bench(tmp_path / f"home{days}", keep_results_days=days) as bench:
            bench.drop("scan.nii")
            bench.until_ended(1)
            bench.until(lambda: not leftovers(bench))
            list(bench.pipeline.flow.retention.steps())
            bench.pipeline.flow.context.clock = Later(bench.pipeline.flow.context.clock, 2 * 86400)
            list(bench.pipeline.flow.retention.steps())
            assert ("scan.gltf" in bench.results()) is left


class Later:
    """The clock, some seconds on."""

    def __init__(self, clock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def now(self) -> float:
        return self._clock.now() + self._seconds


def test_a_second_pipeline_on_the_same_home_is_told_who_has_it(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False):
        second = Bench(tmp_path / "home", watch=False)
        with pytest.raises(PipelineError) as caught:
            second.pipeline.start()
        assert caught.value.code == "environment.locked"
        second.pipeline.stopped = True
