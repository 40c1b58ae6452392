"""Options are held against the workers' engines before a case is queued, and never block it for ever."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.messages.child_messages import Failed, Message
from AutoSegPipelineLib.runtime.queue import engine_catalogue
from support.engines import BOTH, TISSUE, TOTAL, tell
from support.pipeline import Bench, write_scan


def cases_of(bench: Bench) -> str:
    """What the fake worker was ever given."""
    log = bench.home.logs / "fake-worker.log"
    return log.read_text() if log.exists() else ""


def test_a_misspelt_structure_in_an_options_file_is_refused_before_a_worker_sees_it(tmp_path: Path) -> None:
    tell(tmp_path / "home", BOTH)
    with Bench(tmp_path / "home") as bench:
        wrong = {"engine": "totalsegmentator", "structures": ["kidny_left"]}
        (bench.home.inbox / "a.options.json").write_text(json.dumps(wrong))
        bench.drop("a.nii")
        (job,) = bench.until_ended(1)
        assert (job.state, job.error["code"]) == (states.REFUSED, "engine.structure_unknown")
        assert "did you mean 'kidney_left'" in job.error["message"]
        bench.until(lambda: bench.job(job.id).staged.get("kept_at"))
        assert "refused" in bench.job(job.id).staged["kept_at"]
        assert cases_of(bench) == ""


def test_a_rule_that_names_a_task_that_is_not_there_refuses_its_cases(tmp_path: Path) -> None:
    tell(tmp_path / "home", BOTH)
    bench = Bench(tmp_path / "home")
    rules = [{"name": "all", "when": {}, "then": {"engine": "totalsegmentator", "task": "totall"}}]
    bench.home.rules_file.parent.mkdir(parents=True, exist_ok=True)
    bench.home.rules_file.write_text(json.dumps(rules))
    with bench:
        bench.drop("a.nii")
        (job,) = bench.until_ended(1)
        assert (job.state, job.error["code"]) == (states.REFUSED, "engine.task_unknown")
        assert cases_of(bench) == ""


def test_a_caller_hears_of_it_at_once_and_nothing_is_staged(tmp_path: Path) -> None:
    tell(tmp_path / "home", BOTH)
    with Bench(tmp_path / "home", watch=False) as bench:
        bench.until(lambda: bench.pipeline.flow.options_gate.is_open)
        scan = write_scan(tmp_path / "a.nii")
        for wrong, code in (
            ({"engine": "tisue"}, "engine.unknown"),
            ({"task": "totall"}, "engine.task_unknown"),
            ({"task": "total:fastets"}, "engine.quality_unknown"),
            ({"device": "gqu"}, "options.invalid"),
        ):
            with pytest.raises(PipelineError) as caught:
                bench.pipeline.commands.submit(scan, wrong)
            assert caught.value.code == code and "did you mean" in caught.value.message
        assert bench.jobs() == [] and not list(bench.home.incoming.iterdir())
        done = bench.pipeline.commands.submit(scan, {"engine": "tissue"})
        bench.until(lambda: bench.job(done.id).state == states.DONE)


def test_a_mismatch_of_modality_that_may_not_be_switched_is_refused_not_failed(tmp_path: Path) -> None:
    tell(tmp_path / "home", BOTH)
    with Bench(tmp_path / "home", watch=False, modality="MR", engine="totalsegmentator") as bench:
        wanted = {"task": "total", "modality_mismatch": "refuse"}
        refused = bench.pipeline.commands.submit(write_scan(tmp_path / "a.nii"), wanted)
        switched = bench.pipeline.commands.submit(write_scan(tmp_path / "b.nii", 1), {"task": "total"})
        bench.until_ended(2)
        job = bench.job(refused.id)
        assert (job.state, job.error["code"]) == (states.REFUSED, "engine.wrong_modality")
        assert "total_mr" in job.error["hint"]
        assert bench.job(switched.id).state == states.DONE


def test_cases_wait_for_the_description_and_are_then_checked(tmp_path: Path, monkeypatch: Any) -> None:
    held: list[Any] = []
    take = engine_catalogue.EngineCatalogue.take
    monkeypatch.setattr(
        engine_catalogue.EngineCatalogue, "take", lambda self, message: held.append((self, message))
    )
    tell(tmp_path / "home", BOTH)
    with Bench(tmp_path / "home", watch=False, engine="totalsegmentator") as bench:
        wrong = bench.pipeline.commands.submit(write_scan(tmp_path / "a.nii"), {"task": "totall"})
        right = bench.pipeline.commands.submit(write_scan(tmp_path / "b.nii", 1), {"task": "total"})
        with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
            for number in (2, 3):
                archive.write(write_scan(tmp_path / f"c{number}.nii", number), f"c{number}.nii")
        two = bench.pipeline.commands.submit(tmp_path / "two.zip", {"task": "totall"})
        flow = bench.pipeline.flow
        splitting = flow.multi_case
        bench.until(lambda: held and flow.case_rows.has_work and splitting.has_work)
        assert {job.state for job in bench.jobs()} == {states.INSPECTING}
        take(*held[0])
        bench.until_ended(4)
        assert bench.job(wrong.id).state == states.REFUSED and bench.job(right.id).state == states.DONE
        family = [bench.job(two.id), *bench.pipeline.store.jobs.children(two.id)]
        assert [job.state for job in family] == [states.REFUSED] * 2


@pytest.mark.parametrize("trouble", ["failed", "silence"])
def test_a_description_that_fails_or_never_comes_holds_no_case_back(
    tmp_path: Path, monkeypatch: Any, trouble: str
) -> None:
    take = engine_catalogue.EngineCatalogue.take
    error = Failed({"code": "pipeline.internal", "message": "no"})

    def spoilt(self: Any, message: Message) -> None:
        if trouble == "failed":
            take(self, error)

    monkeypatch.setattr(engine_catalogue.EngineCatalogue, "take", spoilt)
    monkeypatch.setattr(engine_catalogue, "PATIENCE_SECONDS", 0.5)
    with Bench(tmp_path / "home", watch=False) as bench:
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "a.nii"), {"engine": "whatever"})
        bench.until(lambda: bench.job(job.id).state == states.DONE)


def test_a_licence_that_was_stored_meanwhile_counts_at_the_next_try(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(engine_catalogue, "OLD_SECONDS", 600.0)
    tell(tmp_path / "home", BOTH)
    with Bench(tmp_path / "home", watch=False, engine="totalsegmentator", task="face") as bench:
        flow = bench.pipeline.flow
        bench.until(lambda: flow.options_gate.is_open)
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "a.nii"))
        bench.until(lambda: bench.job(job.id).ended)
        assert bench.job(job.id).error["code"] == "engine.licence_needed"
        assert bench.job(job.id).state == states.REFUSED
        tell(tmp_path / "home", {"engines": [{**TOTAL, "licensed": True}, TISSUE]})
        monkeypatch.setattr(engine_catalogue, "OLD_SECONDS", 0.0)
        heard: list = []
        bench.until(lambda: bench.job(job.id).staged.get("kept_at"))
        bench.pipeline.commands.retry(job.id, heard.append)
        bench.until(lambda: heard and bench.job(job.id).ended)
        assert bench.job(job.id).state == states.DONE, bench.job(job.id).error
        # The engines were asked again, so the next mistake is known at the door, too.
        known = flow.scheduler.catalogue
        bench.until(lambda: known.known["engines"][0]["licensed"] is True)
