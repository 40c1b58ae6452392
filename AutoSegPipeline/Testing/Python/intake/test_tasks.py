"""Arguments and answers of the intake child's tasks: classes on both sides, JSON in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.messages.child_messages import Done, Message
from AutoSegPipelineLib.core.messages.examined_files import Examined
from AutoSegPipelineLib.core.messages.found_cases import CasePart, FoundCase, Inspected, Refusal
from AutoSegPipelineLib.core.messages.intake_messages import Examine, IntakeTask, RunTask, Sync
from AutoSegPipelineLib.core.messages.reader import plain, read
from AutoSegPipelineLib.core.progress import no_check
from AutoSegPipelineLib.core.protocol import Envelope
from AutoSegPipelineLib.intake.child import TASKS, run_task
from AutoSegPipelineLib.runtime.processes.intake_client import IntakeClient
from hypothesis import given
from hypothesis import strategies as st

KINDS: list[type[IntakeTask[Any]]] = IntakeTask.__subclasses__()
JSON = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
st.register_type_strategy(object, JSON)

CASE = FoundCase(
    "scan", "/w/scan.nii", "ct", "ct.nii", "CT", [4, 5, 6], [1.0, 1.0, 2.5],
    [[1.0, 0.0, 0.0, 0.0]] * 4, "00", "nifti",
)  # fmt: skip


def test_every_task_has_its_row_in_the_child() -> None:
    assert sorted(TASKS) == sorted(kind.NAME for kind in KINDS) and len(TASKS) == len(KINDS)


finite = st.floats(allow_nan=False, allow_infinity=False)
st.register_type_strategy(float, finite)


@given(st.sampled_from(KINDS).flatmap(st.from_type))
def test_arguments_come_back_through_json(task: IntakeTask[Any]) -> None:
    assert read(type(task), json.loads(json.dumps(plain(task)))) == task


@given(st.sampled_from([kind.ANSWER for kind in KINDS]).flatmap(st.from_type))
def test_answers_come_back_through_json(answer: Any) -> None:
    assert read(type(answer), json.loads(json.dumps(plain(answer)))) == answer


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("examine", {}, "Examine.paths is missing"),
        ("inspect", {"folder": "/x"}, "Inspect.work is missing"),
        ("inspect", {"folder": "/x", "work": "/y", "limits": {"max_voxels": "many"}}, "max_voxels"),
        ("copy", {"pairs": [["a"]]}, "Copy.pairs[0] has 1 values, not 2"),
        ("dance", {}, "'dance'"),
    ],
)
def test_wrong_arguments_are_refused_where_they_enter(name: str, args: dict[str, object], said: str) -> None:
    with pytest.raises(PipelineError) as caught:
        run_task(name, args, no_check)
    assert caught.value.code == "request.invalid" and said in caught.value.message


class AnswersWith:
    """A child that answers every task with the same values."""

    def __init__(self, values: dict[str, object]) -> None:
        self.values = values
        self.sent: list[RunTask] = []

    def __call__(self, on_message: Any, on_log: Any, on_end: Any) -> AnswersWith:
        self.on_message = on_message
        return self

    def start(self) -> None:
        return

    def send(self, envelope: Envelope) -> None:
        assert isinstance(envelope.message, RunTask)
        self.sent.append(envelope.message)
        answer: Message = Done(self.values)
        self.on_message(Envelope(answer, envelope.job, envelope.attempt))


def test_the_client_reads_answers_and_reports_those_that_are_none(tmp_path: Path) -> None:
    heard: list[tuple[object, PipelineError | None]] = []
    child: Any = AnswersWith({"files": [{"path": "/in/a.nii", "state": "gone"}]})
    client = IntakeClient(child, tmp_path, lambda error: None)
    client.ask(Examine(["/in/a.nii"]), lambda found, error: heard.append((found, error)))
    assert child.sent == [RunTask("examine", {"paths": ["/in/a.nii"]})]
    found, error = heard.pop()
    assert isinstance(found, Examined) and found.files[0].state == "gone" and error is None
    child.values = {"files": [{"size": 3}]}
    client.ask(Examine(["/in/a.nii"]), lambda found, error: heard.append((found, error)))
    found, error = heard.pop()
    assert found is None and error is not None and error.code == "worker.protocol"
    assert "path is missing" in error.message
    child.values = {}
    client.ask(Sync([]), lambda found, error: heard.append((found, error)))
    assert heard.pop()[1] is None


def test_the_parts_of_an_answer_are_its_cases_and_then_its_refusals() -> None:
    refusal = Refusal(["b.nii"], "b", "b.nii", {"code": "input.empty", "message": "b.nii is empty."})
    parts = Inspected([CASE], [refusal]).parts()
    assert [part.found for part in parts] == [CASE, refusal]
    with pytest.raises(ValueError, match="neither"):
        CasePart("x").found  # noqa: B018
