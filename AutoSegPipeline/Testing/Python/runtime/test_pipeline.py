"""From a door to results, with real child processes and a worker that computes nothing."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.events import JobEnded
from AutoSegPipelineLib.core.incoming import stage
from support.pipeline import Bench, leftovers, write_scan


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
        bench.pipeline.commands.submit(source)
        bench.until_ended(1)
    assert (source.read_bytes(), source.stat().st_mtime_ns) == before


def test_two_scans_of_one_name_get_two_stems(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        for seed in (1, 2):
            bench.pipeline.commands.submit(write_scan(tmp_path / str(seed) / "Scan.nii", seed))
        jobs = bench.until_ended(2)
        assert sorted(job.name for job in jobs) == ["Scan", "Scan-2"]
        assert "Scan-2.gltf" in bench.results()


def test_with_own_visibility_no_stem_gives_away_that_somebody_else_has_that_name(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False, visibility="own") as bench:
        for seed, name in enumerate(("anna", "otto")):
            scan = write_scan(tmp_path / name / "Scan.nii", seed)
            bench.pipeline.commands.submit(scan, door="web", by=name)
        jobs = bench.until_ended(2)
        assert {job.name for job in jobs} == {f"Scan-{job.id[:6]}" for job in jobs}, "the first one, too"


def test_a_file_of_somebody_else_in_the_results_is_not_overwritten(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False) as bench:
        (bench.home.results / "scan.gltf").write_text("mine")
        bench.pipeline.commands.submit(write_scan(tmp_path / "scan.nii"))
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


def test_a_zip_of_several_scans_becomes_several_jobs(tmp_path: Path) -> None:
    packed = tmp_path / "both.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(write_scan(tmp_path / "one.nii", 1), "one.nii")
        archive.write(write_scan(tmp_path / "two.nii", 2), "sub/two.nii")
        archive.writestr("broken.nii.gz", b"\x1f\x8bnothing")
    with Bench(tmp_path / "home", watch=False) as bench:
        first = bench.pipeline.commands.submit(packed)
        jobs = bench.until_ended(3)
        assert sorted(job.state for job in jobs) == ["done", "done", "refused"]
        assert {job.parent for job in jobs} == {None, first.id}
        names = [name for name in bench.results() if name.endswith(".gltf")]
        assert len(names) == 2
        bench.until(lambda: not leftovers(bench))


def test_every_end_is_told_once(tmp_path: Path) -> None:
    heard = []
    with Bench(tmp_path / "home", watch=False) as bench:
        bench.pipeline.bus.subscribe(
            lambda event: heard.append(event) if isinstance(event, JobEnded) else None
        )
        ids = [
            bench.pipeline.commands.submit(write_scan(tmp_path / f"{name}.nii")).id for name in ("a", "fail")
        ]
        bench.until_ended(2)
        assert sorted((event.job_id, event.state) for event in heard) == sorted(zip(ids, ("done", "failed")))


def test_requests_of_another_process_are_answered_in_their_rows(tmp_path: Path) -> None:
    from AutoSegPipelineLib.core.store import Store

    with Bench(tmp_path / "home", watch=False) as bench:
        other = Store(bench.home.store)
        job_id = stage(bench.home, write_scan(tmp_path / "slow60000.nii"), by="me")
        adopt = other.requests.add("adopt", args={"id": job_id}, by="me")
        bench.until(lambda: other.requests.answer_of(adopt))
        assert other.requests.answer_of(adopt)["job"] == job_id
        bench.until(lambda: bench.job(job_id).state == states.SEGMENTING)
        asked = {
            kind: other.requests.add(kind, job, args)
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
        bench.until(lambda: bench.job(job_id).state == states.CANCELLED, 60)
        assert bench.job(job_id).priority == 99
        other.requests.add("stop")
        bench.until(lambda: bench.pipeline.stopped)
        other.close()


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
        job = bench.pipeline.commands.submit(source, {"detail": 0.7})
        bench.until(lambda: bench.job(job.id).ended)
        options = bench.job(job.id).options
        assert (options["priority"], options["detail"]) == (77, 0.7)
        assert (tmp_path / "scan.options.json").exists()
        (tmp_path / "scan.options.json").write_text('{"prority": 77}')
        with pytest.raises(PipelineError, match="did you mean 'priority'"):
            bench.pipeline.commands.submit(source)


def test_a_misspelt_option_refuses_the_scan_with_the_nearest_name(tmp_path: Path) -> None:
    with Bench(tmp_path / "home") as bench:
        (bench.home.inbox / "scan.options.json").write_text('{"qualty": "fast"}')
        bench.drop("scan.nii")
        (job,) = bench.until_ended(1)
        assert job.state == states.REFUSED
        assert "'qualty'" in job.error["message"] and "'quality'" in job.error["message"]
        bench.until(lambda: (bench.home.refused / "scan" / "scan.nii").exists())


@pytest.mark.skipif(os.name != "posix", reason="making links needs a privilege on Windows")
def test_links_in_the_inbox_are_refused_once_and_what_they_lead_to_is_left_alone(tmp_path: Path) -> None:
    secret = write_scan(tmp_path / "secret" / "scan.nii")
    with Bench(tmp_path / "home") as bench:
        for name, target in (
            ("file.nii", secret),
            ("folder", secret.parent),
            ("dangling.nii", tmp_path / "no"),
        ):
            (bench.home.inbox / name).symlink_to(target)
        jobs = bench.until_ended(3)
        assert {job.error["code"] for job in jobs} == {"input.link"}
        bench.until(lambda: not os.listdir(bench.home.inbox))
        bench.until(lambda: len([path for path in bench.home.refused.rglob("*") if path.is_symlink()]) == 3)
    assert secret.exists()
