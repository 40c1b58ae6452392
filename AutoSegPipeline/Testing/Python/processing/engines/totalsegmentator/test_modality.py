"""A task for the other modality: its twin, or a refusal; and what a file is that does not say it."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import support.tiny_totalsegmentator as support
from AutoSegPipelineLib.core.errors import EngineFailed
from AutoSegPipelineLib.core.specs import parse_options
from AutoSegPipelineLib.processing.engines.totalsegmentator import modality
from AutoSegPipelineLib.processing.engines.totalsegmentator.request import understand
from support.tiny_totalsegmentator import needs_package, small_catalogue


def test_a_ct_task_on_mr_is_switched_and_the_case_says_so() -> None:
    for options in (
        {"task": "total"},
        parse_options({"task": "total", "modality_mismatch": "switch"}, "test"),
    ):
        request = understand(small_catalogue(), {"quality": "fast", **options}, "MR")
        assert [run.task.name for run in request.runs] == ["total_mr"]
        assert [warning["code"] for warning in request.warnings] == ["engine.task_switched"]
        assert "done with total_mr" in request.warnings[0]["message"]


def test_or_it_is_refused_where_that_was_asked_for() -> None:
    with pytest.raises(EngineFailed) as caught:
        understand(small_catalogue(), {"task": "total", "modality_mismatch": "refuse"}, "MR")
    assert caught.value.code == "engine.wrong_modality" and "total_mr" in caught.value.hint
    request = understand(small_catalogue(), {"task": "total", "modality_mismatch": "refuse"}, "CT")
    assert [run.task.name for run in request.runs] == ["total"] and not request.warnings


def test_a_task_without_a_twin_is_refused_whatever_was_asked_for() -> None:
    for policy in ("switch", "refuse"):
        with pytest.raises(EngineFailed) as caught:
            understand(small_catalogue(), {"task": "lung_vessels", "modality_mismatch": policy}, "MR")
        assert caught.value.code == "engine.wrong_modality"


# --- a file that does not say what it is ---------------------------------------------------------


def test_the_packages_classifier_decides_where_it_can_run_and_the_manifest_can_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []

    def get_modality(image: Any) -> dict[str, Any]:
        seen.append(image.get_fdata())
        return {"modality": "mr", "probability": 0.93}

    stub = types.ModuleType("totalsegmentator.bin.totalseg_get_modality")
    stub.get_modality = get_modality  # type: ignore[attr-defined]
    for name in ("totalsegmentator", "totalsegmentator.bin"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, stub.__name__, stub)
    monkeypatch.setattr(modality.importlib.util, "find_spec", lambda name: object())
    array = np.array([-1000, 40], np.int16)
    found = modality.guess(array)
    assert found == modality.Guess("MR", "TotalSegmentator's classifier, probability 0.93")
    assert seen[0] is array, "the voxels are not copied"
    # One that does not fit the installed library must not end the case.
    stub.get_modality = lambda image: 1 / 0  # type: ignore[attr-defined]
    assert modality.guess(array).modality == "CT"


def test_without_the_classifier_air_around_the_patient_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modality.importlib.util, "find_spec", lambda name: None)
    assert modality.guess(np.array([-1000, 40])).modality == "CT"
    found = modality.guess(np.array([-3, 1200]))
    assert found.modality == "MR" and "-500" in found.source


@needs_package
@pytest.mark.parametrize("kind", ["CT", "MR"])
def test_the_manifest_of_a_guessed_case_says_the_modality_and_who_decided(tmp_path: Path, kind: str) -> None:
    home = support.make_home(tmp_path / "home")
    worker = support.worker(home)
    source, _ = support.write_scan(tmp_path / "scan", modality=kind)
    wanted = {"quality": "fastest", "formats": ["labels"]}
    result = support.result_of(support.ask(worker, "guess", source, tmp_path, "", **wanted))
    worker.send(type="quit")
    assert worker.process.wait(30) == 0
    worker.close()
    assert result["modality"] == kind
    manifest = json.loads((tmp_path / "out" / "case.manifest.json").read_text(encoding="utf-8"))
    assert manifest["input"]["modality"] == kind
    source_of_it = manifest["input"]["modality_from"]
    assert "classifier" in source_of_it or "-500" in source_of_it
    task = "total" if kind == "CT" else "total_mr"
    assert manifest["engine"]["used"]["task"] == f"{task}:fastest"
    assert [w["code"] for w in manifest["warnings"]].count("engine.modality_guessed") == 1
