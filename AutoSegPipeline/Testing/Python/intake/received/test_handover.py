"""A made-up door hands over what it received, is killed at every step, and its next process goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from AutoSegPipelineLib.core import crash_points, states
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.incoming import folder_of, input_of, read_intent
from AutoSegPipelineLib.intake.received import handover as room
from AutoSegPipelineLib.intake.received.client_input import CaseRequest
from AutoSegPipelineLib.intake.received.grouping import ReceivedFile
from AutoSegPipelineLib.intake.received.handover import Handover, ask_to_adopt
from support import received_driver
from support.pipeline import Bench, write_scan

SERIES = "series-1"
CRASHES = [
    *((step, 1) for step in crash_points.HANDOVER),
    ("received file moved", 2),
    ("input complete", 2),
    ("input handed over", 2),
    ("handed", 1),
    ("asked", 1),
]


@pytest.fixture
def door(tmp_path: Path) -> Handover:
    """A door with two complete files of one series in its folder."""
    bench = Bench(tmp_path / "home")
    bench.home.create()
    made = Handover(bench.home, received_driver.DOOR, bench.home.state / received_driver.DOOR)
    made.hold(made.root / SERIES).close()
    for number in (1, 2):
        write_scan(made.root / SERIES / f"{number}.nii", seed=number)
    return made


def files_of(door: Handover) -> list[ReceivedFile]:
    return [
        ReceivedFile(f"{SERIES}/{name}", name, (door.root / SERIES / name).stat().st_size)
        for name in ("1.nii", "2.nii")
    ]


def process(door: Handover, step: str = "none", number: int = 1) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, received_driver.__file__, str(door.home.root), SERIES, step, str(number)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def go_on(door: Handover, bench: Bench) -> None:
    """What a door does at its start."""
    for folder in door.planned():
        intents = door.resume(folder)
        assert intents is not None
        ask_to_adopt(bench.pipeline.store, intents)
        door.remove(folder)


@pytest.mark.parametrize(("step", "number"), CRASHES)
def test_a_door_that_is_killed_loses_nothing_and_hands_nothing_over_twice(
    door: Handover, step: str, number: int
) -> None:
    died = process(door, step, number)
    assert died.returncode != 0 and not died.stdout, died.stderr
    if step == "received files durable":
        assert door.planned() == [], "nothing counts yet, and the files are where they were"
        assert process(door).returncode == 0
    elif step != "asked":
        # Whatever the crash left: the same call again goes on with it, with the same jobs.
        (plan,) = [room.read_plan(folder) for folder in door.planned()]
        assert plan is not None
        ids = [job["intent"]["id"] for job in plan["jobs"]]
        handed = door.hand_over(door.root / SERIES, [], CaseRequest(), "somebody else")
        assert [one.id for one in handed.intents] == ids and handed.carried
        assert [one.by for one in handed.intents] == ["SCANNER1"] * 2
    with Bench(door.home.root) as bench:
        go_on(door, bench)
        jobs = bench.until_ended(2)
        assert sorted(job.label for job in jobs) == ["1.nii", "2.nii"]
        for job in jobs:
            assert (job.state, job.door, job.submitted_by) == (states.DONE, "test", "SCANNER1")
            assert job.options["quality"] == "fast"
    assert not (door.root / SERIES).exists()


def test_what_was_handed_over_lies_complete_in_incoming_under_the_clients_names(door: Handover) -> None:
    written = [(door.root / SERIES / name).read_bytes() for name in ("1.nii", "2.nii")]
    handed = door.hand_over(door.root / SERIES, files_of(door), CaseRequest(), "anna")
    assert handed.carried
    for intent, data in zip(handed.intents, written):
        found = read_intent(folder_of(door.home, intent.id))
        assert found == intent and (found.door, found.by) == ("test", "anna")
        (item,) = found.files
        assert (input_of(door.home, intent.id) / item.name).read_bytes() == data
        assert item.original == intent.label


def test_a_warning_of_the_door_is_one_of_the_job(door: Handover) -> None:
    gone = {"code": "dicom.earlier_images_gone", "message": "A part."}
    folder = door.root / SERIES
    handed = door.hand_over(folder, files_of(door)[:1], CaseRequest(), "anna", warnings=[gone])
    with Bench(door.home.root) as bench:
        ask_to_adopt(bench.pipeline.store, handed.intents)
        (job,) = bench.until_ended(1)
        assert job.state == states.DONE and gone in job.warnings


def test_nothing_is_planned_where_something_is_wrong(door: Handover) -> None:
    folder, files = door.root / SERIES, files_of(door)

    def code(files: list[ReceivedFile], request: CaseRequest, door: Handover = door) -> str:
        with pytest.raises(PipelineError) as raised:
            door.hand_over(folder, files, request, "anna")
        assert door.planned() == [] and list(door.home.incoming.iterdir()) == []
        return raised.value.code

    assert code([], CaseRequest()) == "request.invalid"
    assert code(files, CaseRequest(name="one-name-for-two")) == "request.invalid"
    short = [ReceivedFile(files[0].file, files[0].name, files[0].size + 1)]
    assert code(short, CaseRequest()) == "input.changed"
    full = Handover(door.home, door.door, door.root, min_free_bytes=1 << 60)
    assert code(files, CaseRequest(), full) == "environment.disk_full"


def test_a_disk_that_fails_after_the_plan_leaves_an_input_that_counts(
    door: Handover, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = door.root / SERIES

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(room, "retried", full)  # through which every file and folder is renamed
        handed = door.hand_over(folder, files_of(door), CaseRequest(), "anna")
    assert not handed.carried and list(door.home.incoming.iterdir()) == []
    assert door.resume(folder) == handed.intents
    assert {path.name for path in door.home.incoming.iterdir()} == {one.id for one in handed.intents}
    assert door.resume(folder) == handed.intents, "again is fine"


def test_a_folder_that_a_living_process_fills_is_held(door: Handover) -> None:
    holder = door.hold(door.root / "new")
    assert door.is_held(door.root / "new") and not door.is_held(door.root / SERIES)
    holder.close()
    assert not door.is_held(door.root / "new")
