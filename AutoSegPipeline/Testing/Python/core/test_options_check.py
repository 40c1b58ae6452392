"""What a case asks for, held against what the engines said of themselves."""

from __future__ import annotations

from typing import Any

import pytest
from AutoSegPipelineLib.core.errors import Refused
from AutoSegPipelineLib.core.options_check import check, check_at_the_door
from AutoSegPipelineLib.core.resolved import qualities, resolved
from AutoSegPipelineLib.core.specs import OPTIONS, parse_options
from support.engines import BOTH, TISSUE, TOTAL

ALL = {spec.name: spec.default for spec in OPTIONS}


@pytest.mark.parametrize(
    ("options", "modality", "code", "words"),
    [
        ({"engine": "totalsegmentater"}, "CT", "engine.unknown", "did you mean 'totalsegmentator'"),
        ({"task": "totall"}, "CT", "engine.task_unknown", "did you mean 'total'"),
        ({"task": "total,vertebra_body"}, "CT", "engine.task_unknown", "did you mean 'vertebrae_body'"),
        ({"structures": ["kidny_left"]}, "CT", "engine.structure_unknown", "did you mean 'kidney_left'"),
        ({"task": "vertebrae_body", "quality": "fast"}, "CT", "engine.quality_unknown", "it has: normal"),
        ({"task": "total:fastset"}, "CT", "engine.quality_unknown", "did you mean 'fastest'"),
        ({"task": "face"}, "CT", "engine.licence_needed", "face"),
        ({"task": "vertebrae_body"}, "MR", "engine.wrong_modality", "is MR"),
        ({"task": "total", "modality_mismatch": "refuse"}, "MR", "engine.wrong_modality", "is MR"),
        ({"engine": "tissue"}, "MR", "engine.wrong_modality", "is MR"),
        ({"engine": "tissue", "structures": ["spleen"]}, "CT", "engine.structure_unknown", "spleen"),
        ({"structures": ["kidney_left"], "task": "total"}, "MR", "engine.structure_unknown", "kidney_left"),
    ],
)
def test_what_no_engine_here_can_do_is_refused_and_the_nearest_is_named(
    options: dict[str, Any], modality: str, code: str, words: str
) -> None:
    with pytest.raises(Refused) as caught:
        check(BOTH, {**ALL, "engine": "totalsegmentator", **options}, modality)
    assert caught.value.code == code
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("options", "modality"),
    [
        ({}, "CT"),
        ({}, "MR"),
        ({}, ""),
        ({"task": "TOTAL:Fast, vertebrae_body:normal"}, "CT"),
        ({"structures": ["Kidney left", "SPLEEN"]}, "CT"),
        ({"structures": ["liver"]}, ""),  # may turn out to be MR
        ({"task": "total"}, "MR"),
        ({"task": "total_mr", "structures": ["kidney_left"]}, "CT"),
        ({"modality_mismatch": "refuse"}, "MR"),  # nobody asked for a CT task
        ({"engine": "tissue", "task": "total"}, "CT"),
        ({"engine": "auto", "structures": ["bones"]}, "CT"),
        ({"engine": "slicer", "task": "anything"}, "CT"),
        ({"task": "total,face", "structures": ["spleen"]}, "CT"),  # face is not run for a spleen
    ],
)
def test_what_an_engine_can_do_passes(options: dict[str, Any], modality: str) -> None:
    check(BOTH, {**ALL, "engine": "totalsegmentator", **options}, modality)


def test_nothing_is_refused_where_nothing_is_known() -> None:
    check({}, {**ALL, "engine": "what", "task": "ever"}, "CT")
    check({"engines": [{"name": "old", "tasks": [{"name": "old"}]}]}, {**ALL, "structures": ["x"]}, "CT")


def test_an_engine_that_lacks_something_says_so_and_is_not_asked_for_tasks() -> None:
    broken = {**TOTAL, "ok": False, "missing": ["the Python package TotalSegmentator"], "tasks": []}
    with pytest.raises(Refused) as caught:
        check({"engines": [broken, TISSUE]}, {**ALL, "engine": "totalsegmentator", "task": "total"}, "CT")
    assert caught.value.code == "engine.not_available" and "TotalSegmentator" in caught.value.message
    check({"engines": [broken, TISSUE]}, ALL, "CT")


def test_a_caller_who_leaves_something_to_rules_and_settings_is_only_told_what_is_wrong_anyhow() -> None:
    check(BOTH, {"structures": ["bones"]})
    check(BOTH, {"task": "vertebrae_body"})
    check(BOTH, {"quality": "fast"})
    for wrong in ({"structures": ["bnes"]}, {"task": "vertebra"}, {"engine": "tisue"}):
        with pytest.raises(Refused, match="did you mean"):
            check(BOTH, wrong)


def test_a_door_elsewhere_trusts_only_what_this_pipeline_was_told_and_leaves_what_may_be_mended() -> None:
    meta: dict[str, Any] = {"describe": {**BOTH, "pipeline": 7}, "pipeline": {"pid": 7}}
    with pytest.raises(Refused):
        check_at_the_door(meta, {"task": "totall"})
    check_at_the_door(meta, {"engine": "totalsegmentator", "task": "face"})
    check_at_the_door({**meta, "pipeline": {"pid": 8}}, {"task": "totall"})
    check_at_the_door({}, {"task": "totall"})


@pytest.mark.parametrize("device", ["tpu", "gpu:", "gpu:x", "cuda", "gpux"])
def test_a_device_of_a_wrong_shape_is_an_error_of_the_options(device: str) -> None:
    with pytest.raises(Exception, match="auto, cpu, gpu, gpu:N, mps") as caught:
        parse_options({"device": device}, "test")
    assert getattr(caught.value, "code", "") == "options.invalid"
    for right in ("", "auto", "GPU:1", "mps", "cpu"):
        assert parse_options({"device": right}, "test")["device"] == right


def test_options_are_resolved_as_a_worker_tells_what_it_used() -> None:
    assert resolved(BOTH, {"engine": "auto", "quality": "fast"}, "CT") == {
        "engine": "totalsegmentator", "task": "total:fast", "device": "cpu",
    }  # fmt: skip
    asked = {"engine": "auto", "task": "total,face:normal", "quality": "fast", "device": "GPU"}
    assert resolved(BOTH, asked, "CT")["task"] == "total:fast,face:normal"
    assert resolved(BOTH, {"task": "total"}, "MR")["task"] == "total_mr:normal"
    host = {"name": "slicer", "ok": False, "tasks": TOTAL["tasks"]}
    described = {"engines": [*BOTH["engines"], host]}
    assert resolved(described, {"engine": "Slicer", "quality": "fast"}, "CT") == {
        "engine": "slicer", "task": "total:fast", "device": "auto",
    }  # fmt: skip
    assert resolved({}, {"engine": "x", "task": "y"}) == {"engine": "x", "task": "y", "device": "auto"}
    assert qualities(BOTH, {"engine": "auto", "task": "vertebrae_body"}, "CT") == ("normal",)
