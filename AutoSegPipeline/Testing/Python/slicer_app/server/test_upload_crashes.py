"""Slicer or its intake child is killed at every step of an upload: nothing counts twice, nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core import crash_points, states
from AutoSegPipelineLib.intake.received.client_input import CaseRequest
from AutoSegPipelineLib.intake.received.grouping import ReceivedFile
from AutoSegPipelineLib.slicer_app.server.host import door_of
from AutoSegPipelineLib.slicer_app.server.responses import HttpError
from AutoSegPipelineLib.slicer_app.session import Session
from support import slicer_uploads
from support.embedded_server import autoseg_of, nothing_left, uploads_of
from support.panel import Host
from support.pipeline import Bench, write_scan
from support.qt import run_until
from support.slicer_uploads import SlicerBench, begin

BOTH = [("received file moved", 2), ("input complete", 2), ("input handed over", 2)]
CHILD = [*((step, 1) for step in crash_points.HANDOVER), *BOTH]
PIPELINE = [("row receiving", 1), ("row inspecting", 1), ("row inspecting", 2)]


def all_is_well(bench: Bench) -> list[Any]:
    jobs = bench.until_ended(2)
    assert sorted(job.label for job in jobs) == ["1.nii", "2.nii"]
    assert {(job.state, job.door, job.options["quality"]) for job in jobs} == {(states.DONE, "web", "fast")}
    bench.until(lambda: nothing_left(bench) and not any(bench.home.incoming.iterdir()))
    return jobs


@pytest.mark.parametrize(("step", "number"), CHILD)
def test_an_intake_child_that_dies_is_replaced_and_the_upload_answered(
    tmp_path: Path, step: str, number: int
) -> None:
    with SlicerBench(tmp_path / "home", watch=False) as bench:
        bench.kill_at(step, number, "child")
        answers = begin(bench, tmp_path)
        bench.until(lambda: answers)
        assert not (bench.home.root / "kill-at").exists(), "it did not die"
        assert {job.id for job in all_is_well(bench)} == {job.id for job in answers[0].jobs}


@pytest.mark.parametrize(("step", "number"), [*CHILD, *PIPELINE])
def test_a_slicer_that_dies_goes_on_at_its_next_start(tmp_path: Path, step: str, number: int) -> None:
    home = tmp_path / "home"
    if (step, number) in CHILD:
        SlicerBench(home).kill_at(step, number, "both")
    command = [sys.executable, slicer_uploads.__file__, str(home), step, str(number)]
    died = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert died.returncode != 0 and not died.stdout, died.stderr
    with SlicerBench(home, watch=False) as bench:
        if step == "received files durable":
            bench.until(lambda: nothing_left(bench))
            assert bench.jobs() == [], "nobody heard of a job, and nothing counts yet"
        else:
            all_is_well(bench)


def test_a_disk_that_is_full_in_the_middle_is_answered_and_goes_on_by_itself(tmp_path: Path) -> None:
    with SlicerBench(tmp_path / "home", watch=False) as bench:
        bench.kill_at("received file moved", 1, "full")
        answers = begin(bench, tmp_path)
        bench.until(lambda: answers)
        assert not answers[0].taken and [job.state for job in answers[0].jobs] == [states.RECEIVING] * 2
        assert {job.id for job in all_is_well(bench)} == {job.id for job in answers[0].jobs}


def test_a_pipeline_that_is_too_full_for_states_says_so_and_takes_it_later(tmp_path: Path) -> None:
    with SlicerBench(tmp_path / "home", watch=False) as bench:
        answers = begin(bench, tmp_path)
        flow = bench.pipeline.flow
        bench.until(lambda: any((folder / "plan.json").exists() for folder in uploads_of(bench)))
        bench.pipeline._suspend()
        assert isinstance(answers[0], HttpError) and answers[0].status == 507
        bench.until(lambda: bench.pipeline.flow is not flow)
        all_is_well(bench)


def test_what_a_living_process_fills_stays_and_what_is_nobodys_goes(tmp_path: Path) -> None:
    with SlicerBench(tmp_path / "home", watch=False) as bench:
        door = door_of(autoseg_of(bench))
        left = door.root / "left"
        door.hold(left).close()
        (left / "f000001").write_bytes(b"half a scan")
        with door.hold(door.root / "held"):
            bench.pipeline.flow.received.resume()
            bench.until(lambda: not left.exists())
            assert uploads_of(bench) == [door.root / "held"]


def test_a_session_takes_what_its_last_slicer_left(tmp_path: Path) -> None:
    session = Session(Host(tmp_path), tmp_path / "home")
    session.home.create()
    door = door_of(SlicerBench(tmp_path / "home"))  # type: ignore[arg-type]
    folder = door.root / "left"
    door.hold(folder).close()
    scan = write_scan(folder / "f000001")
    files = [ReceivedFile("left/f000001", "a.nii", scan.stat().st_size)]
    handed = door.hand_over(folder, files, CaseRequest(), "")
    session.start()
    try:
        run_until(lambda: session.autoseg.pipeline.store.jobs.find(handed.intents[0].id) is not None)
        run_until(lambda: not folder.exists())
    finally:
        session.close()
