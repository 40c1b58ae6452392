"""What stands in the pipeline's log, and what never does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.messages.child_messages import Message
from AutoSegPipelineLib.core.messages.intake_messages import RunTask
from AutoSegPipelineLib.core.messages.reader import plain
from AutoSegPipelineLib.intake import child
from AutoSegPipelineLib.processing.phantom import torso, write_dicom_series
from AutoSegPipelineLib.runtime.logs import NAME, EventLog, log_to, stop_logging
from support.pipeline import Bench

PATIENT = "Doe^Jane"


def test_the_pipelines_log_tells_of_cases_by_id_and_never_by_label(tmp_path: Path) -> None:
    """A description of a DICOM series is free text, in which a patient's name may stand."""
    volume = torso(shape=(40, 32, 12), spacing=(9.0, 9.0, 9.0)).volume
    folder = tmp_path / "study"
    write_dicom_series(volume, folder / "1", SeriesNumber=1, SeriesDescription=PATIENT)
    empty = replace(volume, array=volume.array * 0)
    write_dicom_series(empty, folder / "2", SeriesNumber=2, SeriesDescription=PATIENT)

    def broken(event: object) -> None:
        label = getattr(event, "message", "") or PATIENT
        raise PipelineError("input.corrupt", f"{label} is not liked")

    with Bench(tmp_path / "home", watch=False) as bench:
        handler = log_to(bench.home.logs, 4, 2)
        try:
            bench.pipeline.bus.subscribe(EventLog().hear)
            bench.pipeline.bus.subscribe(broken)
            bench.pipeline.commands.submit(folder)
            jobs = bench.until_ended(2)
        finally:
            stop_logging(handler)
        text = (bench.home.logs / NAME).read_text(encoding="utf-8")
    assert sorted(job.state for job in jobs) == [states.DONE, states.REFUSED]
    assert all(PATIENT in job.label for job in jobs), "a label is what the source called it"
    assert any(PATIENT in job.message for job in jobs)
    assert all(f"job {job.id} is {job.state}" in text for job in jobs)
    assert "a listener failed on JobChanged" in text and "in broken" in text and "input.corrupt" in text
    assert "Doe" not in text


def test_a_fault_of_the_intake_tells_where_and_not_what_it_read(monkeypatch) -> None:
    def task(args, check):
        return {"number": float(PATIENT)}

    class Channel:
        check = None
        sent: list[Message] = []

        def send(self, message: Message, folder: str = "") -> None:
            self.sent.append(message)

    monkeypatch.setitem(child.TASKS, "examine", task)
    child._answer(Channel(), RunTask("examine"))
    log, failed = Channel.sent
    assert "ValueError" in log.text and "in task" in log.text and PATIENT not in json.dumps(plain(log))
    assert failed.error["code"] == "pipeline.internal" and PATIENT in failed.error["message"]
