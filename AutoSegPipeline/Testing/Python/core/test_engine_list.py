"""The option ``engine``: one or several engines, each with tasks of its own."""

from __future__ import annotations

from typing import Any

import pytest
from AutoSegPipelineLib.core import eta
from AutoSegPipelineLib.core.engine_list import WantedEngine, host_engine, wanted_engines
from AutoSegPipelineLib.core.errors import PipelineError, Refused
from AutoSegPipelineLib.core.ladder import next_rung
from AutoSegPipelineLib.core.options_check import check
from AutoSegPipelineLib.core.resolved import identity, qualities, resolved
from AutoSegPipelineLib.core.specs import OPTIONS
from support.engines import TISSUE, TOTAL, engine, task

ALL = {spec.name: spec.default for spec in OPTIONS}
TEETH = engine(
    "own", task("teeth", classes=("tooth_11", "spleen"), qualities=["normal"], weights="abc"), auto=False
)
OPEN = engine("program", task("all", ""))  # names its structures only when it runs
THREE = {"engines": [TOTAL, TISSUE, TEETH, OPEN]}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", [("auto", "")]),
        (None, [("auto", "")]),
        ("Tissue", [("tissue", "")]),
        (" own : teeth ", [("own", "teeth")]),
        ("total,own:teeth,", [("total", ""), ("own", "teeth")]),
        ("total:total:fast,total:body,own", [("total", "total:fast,body"), ("own", "")]),
    ],
)
def test_the_list_is_read_in_its_order(text: Any, wanted: list[tuple[str, str]]) -> None:
    assert wanted_engines(text) == [WantedEngine(*pair) for pair in wanted]


@pytest.mark.parametrize(
    ("text", "words"), [(":teeth", "no engine"), ("own,own:teeth", "2 times"), ("slicer,own", "combined")]
)
def test_a_list_that_cannot_be_done_is_an_error(text: str, words: str) -> None:
    with pytest.raises(PipelineError, match=words) as caught:
        wanted_engines(text)
    assert caught.value.code == "options.invalid"
    with pytest.raises(Refused):
        check(THREE, {**ALL, "engine": text}, "CT")


def test_an_engines_own_task_comes_before_the_option() -> None:
    given = {"task": "body", "quality": "fast"}
    first, second = wanted_engines("total,own:teeth")
    assert first.options(given)["task"] == "body" and second.options(given)["task"] == "teeth"
    assert host_engine({"engine": "Slicer:total"}) == "slicer"
    assert host_engine({"engine": "own:slicer"}) == host_engine({"engine": ":x"}) == ""


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"engine": "totalsegmentator,owm:teeth"}, "engine.unknown", "did you mean 'own'"),
        ({"engine": "totalsegmentator,own:teet"}, "engine.task_unknown", "own has no task 'teet'"),
        ({"engine": "own:teet"}, "engine.task_unknown", "did you mean 'teeth'"),
        ({"engine": "totalsegmentator,own:teeth:fast"}, "engine.quality_unknown", "it has: normal"),
        ({"engine": "totalsegmentator,own:teeth", "task": "total", "structures": ["tooth_12"]},
         "engine.structure_unknown", "none of totalsegmentator and own has a structure 'tooth_12'"),
        ({"engine": "tissue,own:teeth", "structures": ["spleen"], "quality": "fast"},
         "engine.quality_unknown", "own"),
        ({"engine": "auto,totalsegmentator:total"}, "options.invalid", "auto is totalsegmentator here"),
    ],
)  # fmt: skip
def test_each_engine_of_a_list_is_checked(options: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(Refused) as caught:
        check(THREE, {**ALL, **options}, "CT")
    assert caught.value.code == code and words in caught.value.message


@pytest.mark.parametrize(
    "options",
    [
        {"engine": "totalsegmentator:total:fast,own:teeth"},
        {"engine": "totalsegmentator,own:teeth", "structures": ["kidney_left", "tooth_11"]},
        # What the task of one engine lacks does not matter where that engine is not asked.
        {"engine": "tissue,own:teeth", "structures": ["bones"], "quality": "fast"},
        {"engine": "tissue,program", "structures": ["bones", "something"]},
        {"engine": "auto,own:teeth"},
    ],
)
def test_what_several_engines_can_do_passes(options: dict[str, Any]) -> None:
    check(THREE, {**ALL, **options}, "CT")


def test_auto_passes_over_an_engine_that_wants_to_be_named() -> None:
    with pytest.raises(Refused, match="no task 'teeth'"):
        check({"engines": [TEETH, TISSUE]}, {**ALL, "task": "teeth"}, "CT")


def test_a_list_comes_to_engines_tasks_and_devices() -> None:
    options = {**ALL, "engine": "totalsegmentator,own:teeth", "quality": "fast"}
    assert resolved(THREE, options, "CT") == {
        "engine": "totalsegmentator,own", "task": "total:fast,teeth:fast", "device": "cpu",
    }  # fmt: skip
    assert qualities(THREE, options, "CT") == ("normal",)
    assert identity(THREE, options, "CT") == [
        ["totalsegmentator", "1", "total:fast", ""],
        ["own", "1", "teeth:fast", "abc"],
    ]


def test_what_computes_networks_on_the_cpu_is_part_of_what_a_result_comes_from() -> None:
    engine = {**TEETH, "back_end": "openvino 1"}
    described = {"engines": [engine]}
    options = {**ALL, "engine": "own:teeth", "quality": "fast"}
    here = identity(described, {**options, "device": "cpu"}, "CT")
    assert here == [["own", "1", "teeth:fast", "abc", "openvino 1"]]
    assert identity({"engines": [TEETH]}, {**options, "device": "cpu"}, "CT") == [here[0][:-1]]
    assert identity(described, {**options, "device": "gpu:1"}, "CT") == [here[0][:-1]]


def test_memory_trouble_lowers_the_quality_where_a_task_follows_the_option() -> None:
    assert next_rung({"quality": "normal", "engine": "total:total:fast,own:teeth:fast"}) is None
    rung = next_rung({"quality": "normal", "engine": "total:total:fast,own:teeth"})
    assert rung is not None and rung[0]["quality"] == "fast"


def test_engines_that_never_worked_together_take_as_long_as_one_after_the_other() -> None:
    assert eta.predict_together([[(100, 10.0)], [(100, 4.0)]], 100) == 14.0
    assert eta.predict_together([[(100, 10.0)], []], 100) is None
    assert eta.predict_together([], 100) is None
