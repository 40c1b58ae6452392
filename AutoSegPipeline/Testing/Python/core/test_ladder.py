"""What a case will take, and what is given up when memory does not suffice."""

from __future__ import annotations

import pytest
from AutoSegPipelineLib.core import eta
from AutoSegPipelineLib.core.ladder import next_rung
from AutoSegPipelineLib.core.resolved import qualities


def test_the_time_to_come_is_learned_from_size_and_the_cases_own_pace() -> None:
    assert eta.predict([], 100) is None
    assert eta.predict([(100, 10.0)], 500) == 10.0
    line = [(v, 2.0 + v / 100) for v in (100, 400, 900, 1600)]
    assert eta.predict(line, 1000) == pytest.approx(12.0)
    assert eta.remaining(10.0, 4.0, 0.0) == 6.0
    assert eta.remaining(None, 10.0, 0.5) == pytest.approx(10.0)
    assert eta.remaining(None, 0.0, 0.0) is None


def test_the_memory_ladder_has_a_foot() -> None:
    options, sentences = {"quality": "normal", "device": "gpu:1"}, []
    while True:
        rung = next_rung(options)
        if rung is None:
            break
        options, sentence = rung
        sentences.append(sentence)
    assert options == {"quality": "fastest", "device": "cpu"}
    assert len(sentences) == 3


def test_the_memory_ladder_skips_what_a_task_does_not_have() -> None:
    assert next_rung({"quality": "normal"}, ("normal", "fastest"))[0]["quality"] == "fastest"
    assert next_rung({"quality": "normal", "device": "auto"}, ("normal",)) is None
    assert next_rung({"quality": "normal", "device": "gpu"}, ("normal",))[0]["device"] == "cpu"
    assert next_rung({"quality": "normal", "task": "total:fast", "device": "auto"}) is None
    tasks = [
        {"name": "total", "default": True, "qualities": ["normal", "fast", "fastest"]},
        {"name": "vessels", "default": False, "qualities": ["normal"]},
    ]
    described = {"engines": [{"name": "x", "tasks": tasks}]}
    assert qualities(described, {"engine": "x"}) == ("normal", "fast", "fastest")
    assert qualities(described, {"engine": "x", "task": "total, vessels"}) == ("normal",)
    assert qualities({}, {"engine": "auto"}) == ("normal", "fast", "fastest")


def test_the_memory_ladder_steps_from_the_gpu_that_auto_took_to_the_cpu() -> None:
    options, sentence = next_rung({"quality": "fastest", "device": "auto"}, device="gpu")
    assert options["device"] == "cpu" and "CPU" in sentence
    assert next_rung({"quality": "fastest", "device": "auto"}, device="cpu") is None
