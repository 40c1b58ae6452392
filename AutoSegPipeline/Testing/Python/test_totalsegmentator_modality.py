"""A task for the other modality: its twin, or a refusal, as the option modality_mismatch says."""

from __future__ import annotations

import pytest
from AutoSegPipelineLib.core.errors import EngineFailed
from AutoSegPipelineLib.core.specs import parse_options
from AutoSegPipelineLib.processing.engines.totalsegmentator.request import understand
from support_totalsegmentator import small_catalogue


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
