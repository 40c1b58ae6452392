"""A bundle's worker on the Qt loop with the fake engine: every ending of a case, and what it leaves."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core.bundles import claims
from AutoSegPipelineLib.core.bundles.layout import KEPT, Bundle
from AutoSegPipelineLib.core.bundles.packing import fetch_result
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.runtime.bundles import notes
from AutoSegPipelineLib.runtime.bundles.worker import (
    ALL_HAVE_RESULTS,
    CASES_LEFT,
    TROUBLE,
)
from support.bundle_run import WAIT, Run, code_of, folders
from support.bundles import make_bundle
from support.qt import run_until


def test_each_case_is_computed_once_by_one_warm_process(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "a", "b", "c")
    run = Run(bundle, tmp_path)
    assert run.until_end().code == ALL_HAVE_RESULTS
    assert (run.begun, len(set(run.processes))) == (["a", "b", "c"], 1)
    for folder, stem in zip(folders(bundle), "abc"):
        outcome = folder.outcome()
        assert outcome is not None and outcome.ok
        assert set(outcome.files) == {f"{stem}.gltf", f"{stem}.manifest.json"}
        target = tmp_path / "out" / stem
        target.mkdir(parents=True)
        fetch_result(folder, outcome, target)
        assert outcome.result is not None and outcome.result["manifest_name"] == f"{stem}.manifest.json"
        assert not [one for one in os.listdir(folder.path) if one.startswith(".result")]
    (alive,) = bundle.workers()
    assert (alive.done, alive.case, alive.pid) == (3, "", os.getpid())
    assert not any(run.work.iterdir())
    again = Run(bundle, tmp_path)
    assert (again.until_end().code, again.begun) == (ALL_HAVE_RESULTS, [])


def test_progress_and_log_lie_beside_the_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "_PROGRESS_SECONDS", 0.1)  # else a case this short is seen once or twice
    bundle = make_bundle(tmp_path, "a_slow3000")
    (folder,) = folders(bundle)
    run = Run(bundle, tmp_path, owner=replace(claims.this_process(), scheduler_job="4711_2"))
    run.until(lambda: (found := folder.progress()) is not None and found.stage == "segmenting")
    first = folder.progress()
    assert first is not None and (first.claim, first.scheduler_job, first.pid) == (1, "4711_2", os.getpid())
    run_until(lambda: (now := folder.progress()) is not None and now.progress > first.progress, WAIT)
    now = folder.progress()
    assert now is not None and now.count > first.count and now.message == "pretending"
    run.until_end(start=False)
    assert run.outcomes["a_slow3000"].scheduler_job == "4711_2"


def test_a_case_that_fails_has_a_result_and_the_next_one_runs(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "a_fail", "b", "c_lie", "d_memory")
    run = Run(bundle, tmp_path)
    assert run.until_end().code == ALL_HAVE_RESULTS
    codes = {stem: code_of(outcome) for stem, outcome in run.outcomes.items()}
    assert codes == {
        "a_fail": "engine.failed",
        "b": "None",
        "c_lie": "export.verification",
        "d_memory": "engine.no_memory",
    }
    memory = {stem for stem, outcome in run.outcomes.items() if outcome.memory}
    assert memory == {"d_memory"}
    failed = folders(bundle)[0]
    assert os.listdir(failed.result) == ["outcome.json"]
    assert "engine.failed" in failed.log.read_text()


def test_memory_trouble_takes_the_ladder_where_the_bundle_says_so(tmp_path: Path) -> None:
    options = {"engine": "fake", "formats": ["gltf"], "device": "auto", "quality": "fastest"}
    bundle = make_bundle(tmp_path, "a_cramped", ladder=True, options=options)
    run = Run(bundle, tmp_path)
    run.until_end()
    outcome = run.outcomes["a_cramped"]
    assert (outcome.ok, outcome.options["device"], outcome.tries) == (True, "cpu", 2)
    assert outcome.ladder == ["Not enough memory on the GPU; done on the CPU."]
    alone = Run(make_bundle(tmp_path / "2", "a_cramped", options=options), tmp_path)
    alone.until_end()
    assert (alone.outcomes["a_cramped"].memory, alone.outcomes["a_cramped"].tries) == (True, 1)


def test_an_engine_that_dies_is_tried_twice(tmp_path: Path) -> None:
    run = Run(make_bundle(tmp_path, "a_vanish", "b"), tmp_path)
    assert run.until_end().code == ALL_HAVE_RESULTS
    assert (code_of(run.outcomes["a_vanish"]), run.outcomes["a_vanish"].tries) == ("worker.vanished", 2)
    assert run.outcomes["b"].ok
    assert len(set(run.processes)) == 3


def test_an_engine_that_the_kernel_ended_for_memory_is_no_second_try(tmp_path: Path) -> None:
    kills = iter([0, 1, 1, 1])
    run = Run(make_bundle(tmp_path, "a_vanish"), tmp_path, count_memory_kills=lambda: next(kills))
    run.until_end()
    assert (code_of(run.outcomes["a_vanish"]), run.outcomes["a_vanish"].memory) == ("engine.no_memory", True)
    assert len(run.processes) == 1


def test_an_engine_that_hangs_is_ended(tmp_path: Path) -> None:
    run = Run(make_bundle(tmp_path, "a_hang", "b"), tmp_path, hung_seconds=1.0)
    assert run.until_end().code == ALL_HAVE_RESULTS
    assert code_of(run.outcomes["a_hang"]) == "worker.hung"
    assert run.outcomes["b"].ok


def test_an_engine_that_served_long_is_replaced(tmp_path: Path) -> None:
    run = Run(make_bundle(tmp_path, *"abcd"), tmp_path, settings=Settings.defaults(recycle_cases=2))
    run.until_end()
    assert [run.processes.count(pid) for pid in dict.fromkeys(run.processes)] == [2, 2]


def test_a_cancelled_case_is_given_up(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "a_slow60000", "b_deaf60000", "c")
    run = Run(bundle, tmp_path)
    first, second, third = folders(bundle)
    third.cancel()
    run.until(lambda: (found := first.progress()) is not None and found.stage == "segmenting")
    first.cancel()
    run_until(lambda: (found := second.progress()) is not None and found.stage == "segmenting", WAIT)
    second.cancel()
    assert run.until_end(start=False).code == ALL_HAVE_RESULTS
    assert {code_of(outcome) for outcome in run.outcomes.values()} == {"job.cancelled"}
    assert len(run.outcomes) == 3


def test_a_stopped_bundle_starts_no_further_case(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "a_slow1500", "b")
    run = Run(bundle, tmp_path)
    run.until(lambda: run.begun == ["a_slow1500"])
    bundle.stop()
    assert run.until_end(start=False).code == CASES_LEFT
    assert (list(run.outcomes), folders(bundle)[1].claim_number()) == (["a_slow1500"], 0)


def test_inputs_that_are_damaged_cost_the_case_alone(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "a", "b", "c")
    first, second, _ = folders(bundle)
    path = first.path / "input" / "a.nii"
    path.write_bytes(path.read_bytes()[:-100])
    (second.path / "case.json").write_bytes(b'{"version": 1, "jo')
    run = Run(bundle, tmp_path)
    assert run.until_end().code == ALL_HAVE_RESULTS
    assert [code_of(outcome) for outcome in run.outcomes.values()] == ["environment.bundle_damaged"] * 2 + [
        "None"
    ]
    assert len(run.processes) == 1


def test_an_interrupted_worker_leaves_its_case_to_the_next(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "a", "b_slow60000_child_until1", "c")
    run = Run(bundle, tmp_path)
    second = folders(bundle)[1]
    run.until(lambda: (found := second.progress()) is not None and found.progress > 0)
    run.worker.interrupt(143, "ended by SIGTERM")
    assert run.until_end(start=False).code == 143
    assert [folder.is_finished for folder in folders(bundle)] == [True, False, False]
    assert second.claim_number() == 0
    assert not [one for one in os.listdir(second.path) if one.startswith(".result")]


def test_the_kept_label_map_comes_with_the_result(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "a", keep=str(tmp_path / "anywhere"))
    (folder,) = folders(bundle)
    order = folder.order(folder.read(), tmp_path / "out", tmp_path / "work")
    assert order.keep == str(tmp_path / "out" / KEPT)
    run = Run(bundle, tmp_path)
    making = folder.path / ".result-1"
    run.until(lambda: making.is_dir())
    (making / KEPT).write_bytes(b"kept")
    run.until_end(start=False)
    assert run.outcomes["a"].files[KEPT].size == 4


def test_a_worker_that_cannot_start_says_so_and_leaves_the_case(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("FAKE_WORKER", "silent")
    bundle = make_bundle(tmp_path, "vanish")
    run = Run(bundle, tmp_path)
    ending = run.until_end()
    assert ending.code == TROUBLE and ending.error is not None and ending.error.code == "worker.not_started"
    assert folders(bundle)[0].claim_number() == 0


@pytest.mark.parametrize("word", ["disk", "gone"])
def test_trouble_of_the_machine_leaves_the_case_to_another(tmp_path: Path, word: str) -> None:
    bundle = make_bundle(tmp_path, f"a_{word}", "b")
    run = Run(bundle, tmp_path, patience_seconds=1.5)
    ending = run.until_end()
    assert ending.code == TROUBLE and ending.error is not None
    assert ending.error.code == {"disk": "environment.disk_full", "gone": "environment.gpu_gone"}[word]
    assert not folders(bundle)[0].is_finished
    assert folders(bundle)[0].claim_number() == 0


def test_a_list_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(PipelineError, match=r"bundle\.json is missing"):
        Run(Bundle(tmp_path / "none"), tmp_path)
