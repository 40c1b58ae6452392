"""After the end: retries, kept and archived inputs, retention, purges."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.cohort.read_case import CaseRows
from AutoSegPipelineLib.core.cohort.table import Cohort
from AutoSegPipelineLib.core.errors import PipelineError
from support.pipeline import Bench, Later, leftovers, write_scan


def test_a_failed_case_keeps_its_input_and_can_be_retried_from_there(tmp_path: Path) -> None:
    with Bench(tmp_path / "home") as bench:
        bench.drop("fail_until1.nii")
        (job,) = bench.until_ended(1)
        assert job.state == states.FAILED and job.error["code"] == "engine.failed"
        kept = bench.home.failed / "fail_until1"
        bench.until(lambda: (kept / "fail_until1.nii").exists() and bench.job(job.id).staged.get("kept_at"))
        bench.pipeline.commands.retry(job.id)
        bench.until(lambda: bench.job(job.id).state == states.DONE)
        assert not kept.exists()
        assert bench.job(job.id).error is None
        assert "fail_until1.gltf" in bench.results()


@pytest.mark.parametrize("number", range(3))
def test_a_retry_straight_after_a_cancel_finds_its_input(tmp_path: Path, number: int) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "slow60000_until1.nii", number))
        bench.until(lambda: bench.job(job.id).state == states.SEGMENTING)
        bench.pipeline.commands.cancel(job.id)
        bench.until(lambda: bench.job(job.id).ended)
        heard: list = []
        bench.pipeline.commands.retry(job.id, heard.append)
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
        bench.pipeline.commands.retry(job.id, heard.append)
        bench.until(lambda: heard)
        assert heard[0].code == "input.missing"
        assert bench.job(job.id).state == states.FAILED


def test_a_done_case_can_run_again_and_replaces_only_its_own_files(tmp_path: Path) -> None:
    with Bench(tmp_path / "home") as bench:
        bench.drop("scan.nii")
        (job,) = bench.until_ended(1)
        bench.until(lambda: not leftovers(bench))
        (bench.home.results / "other.gltf").write_text("other")
        bench.pipeline.commands.retry(job.id)
        bench.until(lambda: bench.job(job.id).attempt == 2 and bench.job(job.id).state == states.DONE)
        assert bench.results() == ["other.gltf", "scan.gltf", "scan.manifest.json"]


def test_a_part_of_an_archive_can_be_retried_alone(tmp_path: Path) -> None:
    packed = tmp_path / "both.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("fail_until1", "two", "fail_until1_b"):
            archive.write(write_scan(tmp_path / f"{name}.nii", len(name)), f"{name}.nii")
    with Bench(tmp_path / "home", watch=False) as bench:
        bench.pipeline.commands.submit(packed)
        failed = [job for job in bench.until_ended(3) if job.state == states.FAILED]
        assert len(failed) == 2
        for job in failed:
            bench.until(lambda job=job: bench.job(job.id).staged.get("kept_at"))
            bench.pipeline.commands.retry(job.id)
            bench.until(lambda job=job: bench.job(job.id).state == states.DONE)
        assert len(bench.jobs()) == 3, "nothing was split a second time"
        assert len({job.name for job in bench.jobs()}) == 3


def test_a_purge_leaves_no_trace_but_the_stem(tmp_path: Path) -> None:
    with Bench(tmp_path / "home") as bench:
        bench.drop("Doe.nii")
        (job,) = bench.until_ended(1)
        bench.until(lambda: not leftovers(bench))
        cohort = Cohort(bench.home.table)
        cohort.put(job.id, "1", CaseRows("Doe", "Doe.nii", job.id, "CT", "", ""))
        cohort.close()
        bench.pipeline.commands.purge(job.id)
        left = [path for path in bench.home.root.rglob("*") if "Doe" in path.name or job.id in str(path)]
        assert left == []
        bench.until(lambda: bench.pipeline.flow.intake.load == 0)
        files = [path for path in bench.home.root.rglob("*") if path.is_file()]
        assert [path.name for path in files if b"Doe.nii" in path.read_bytes()] == [], "also not in the store"
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


@pytest.mark.parametrize(
    ("wrong", "place"), [('{"prority": 7}', "refused"), ('{"engine": "fake"}', "failed")]
)
def test_options_that_were_mended_where_the_input_lies_hold_for_the_retry(
    tmp_path: Path, wrong: str, place: str
) -> None:
    with Bench(tmp_path / "home") as bench:
        (bench.home.inbox / "options.json").write_text('{"detail": 0.5}')
        (bench.home.inbox / "fail_until1.options.json").write_text(wrong)
        bench.drop("fail_until1.nii")
        (job,) = bench.until_ended(1)
        assert job.state == place
        bench.until(lambda: bench.job(job.id).staged.get("kept_at"))
        mended = bench.home.root / place / "fail_until1" / "fail_until1.options.json"
        mended.write_text('{"priority": 7}')
        heard: list = []
        bench.pipeline.commands.retry(job.id, heard.append)
        bench.until(lambda: heard and bench.job(job.id).ended)
        options = bench.job(job.id).options
        assert (options["priority"], options["engine"], options["detail"]) == (7, "auto", 0.5)


def test_a_priority_that_a_person_set_holds_for_the_retry(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        bench.pipeline.commands.pause()
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "scan.nii"))
        bench.until(lambda: bench.job(job.id).state == states.QUEUED)
        bench.pipeline.commands.set_priority(job.id, 90)
        bench.pipeline.commands.cancel(job.id)
        bench.pipeline.commands.retry(job.id)
        bench.until(lambda: bench.job(job.id).state == states.QUEUED)
        assert bench.job(job.id).priority == 90


def test_a_review_stays_over_a_retry_and_is_outdated_by_another_segmentation(
    tmp_path: Path,
) -> None:
    with Bench(tmp_path / "home") as bench:
        bench.drop("scan.nii")
        (job,) = bench.until_ended(1)
        bench.until(lambda: not leftovers(bench))
        commands = bench.pipeline.commands
        with pytest.raises(PipelineError, match="a mark is"):
            commands.review(job.id, "fine")
        commands.review(job.id, "good", "complete", "ada")
        commands.retry(job.id)
        bench.until(lambda: bench.job(job.id).attempt == 2 and bench.job(job.id).ended)
        assert bench.job(job.id).review["outdated"] is False, "the same bytes came out again"
        saved = bench.job(job.id)
        saved.review["of"] = "another"
        bench.pipeline.store.jobs.save(saved)
        bench.until(lambda: not leftovers(bench))
        commands.retry(job.id)
        with pytest.raises(PipelineError, match="has not ended"):
            commands.review(job.id, "bad")
        bench.until(lambda: bench.job(job.id).attempt == 3 and bench.job(job.id).ended)
        review = bench.job(job.id).review
        assert (review["mark"], review["remark"], review["by"]) == ("good", "complete", "ada")
        assert review["outdated"] is True
