"""The example scan: its job is there at once, a child draws it, and it is segmented by what works here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.example import NAME
from AutoSegPipelineLib.core.files import disk_error
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.incoming import Intent, read_intent, stage_with
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.runtime.pipeline import Pipeline
from AutoSegPipelineLib.runtime.processes.child import Child
from AutoSegPipelineLib.runtime.processes.child_command import child_environment, command_of
from AutoSegPipelineLib.runtime.processes.child_kinds import EXAMPLE
from support.engines import BOTH, TISSUE, TOTAL, tell
from support.pipeline import Bench, fake_spawns

MISSING = {"engines": [{**TOTAL, "ok": False, "missing": ["torch"]}, TISSUE]}


class Place(Bench):
    """A pipeline with the real child that draws the example, or with ``script`` in its place."""

    def __init__(self, root: Path, script: str = "", **settings: Any) -> None:
        self.command = [sys.executable, "-c", script] if script else command_of(EXAMPLE)
        super().__init__(root / "home", watch=False, **settings)

    def _make(self) -> Pipeline:
        def spawn(on_message: Any, on_log: Any, on_end: Any) -> Child:
            return Child(self.command, child_environment(self.home.work), on_message, on_log, on_end)

        return Pipeline(self.home, self.settings, fake_spawns(self.home, more={EXAMPLE: spawn}), what="test")

    def make(self, by: str = "ada") -> Job:
        return self.pipeline.flow.example.make(by)

    def ended(self, job: Job) -> Job:
        self.until(lambda: self.job(job.id).ended, 60)
        return self.job(job.id)


def test_the_job_is_there_at_once_and_a_second_press_makes_none(tmp_path: Path) -> None:
    with Place(tmp_path) as place:
        first = place.make()
        assert (first.state, first.label, first.submitted_by) == (states.RECEIVING, NAME, "ada")
        assert place.make().id == first.id
        other = place.make("otto")
        assert other.id != first.id, "of another account nothing is told"
        done = place.ended(first)
        assert (done.state, done.modality, done.shape) == (states.DONE, "CT", [122, 101, 60])
        assert place.ended(other).state == states.DONE
        assert done.warnings == []
        again = place.make()
        assert again.id != first.id, "the first has ended"
        assert place.ended(again).state == states.DONE
        assert len(place.jobs()) == 3


def test_nothing_of_it_goes_to_an_archive(tmp_path: Path) -> None:
    with Place(tmp_path, send_to=["pacs"], modality="MR") as place:
        done = place.ended(place.make())
        assert (done.options["send_to"], done.modality) == ([], "CT")


def test_where_the_default_engine_does_not_work_another_one_takes_its_place_and_says_so(
    tmp_path: Path,
) -> None:
    tell(tmp_path / "home", MISSING)
    with Place(tmp_path, engine="totalsegmentator", task="total") as place:
        done = place.ended(place.make())
        assert (done.state, done.options["engine"]) == (states.DONE, "tissue")
        assert [one["code"] for one in done.warnings] == ["engine.not_available"]
        assert "segmented by tissue" in done.warnings[0]["message"]


def test_a_default_engine_that_works_segments_it(tmp_path: Path) -> None:
    tell(tmp_path / "home", BOTH)
    with Place(tmp_path, engine="totalsegmentator") as place:
        done = place.ended(place.make())
        assert (done.options["engine"], done.warnings) == ("totalsegmentator", [])


def test_a_child_that_dies_refuses_the_job_and_the_next_press_begins_again(tmp_path: Path) -> None:
    with Place(tmp_path, "import sys; sys.exit(3)") as place:
        refused = place.ended(place.make())
        assert (refused.state, refused.error["code"]) == (states.REFUSED, "worker.not_started")
        place.command = command_of(EXAMPLE)
        assert place.ended(place.make()).state == states.DONE


def test_one_that_is_cancelled_while_it_is_drawn_is_not_segmented(tmp_path: Path) -> None:
    with Place(tmp_path) as place:
        job = place.make()
        place.pipeline.commands.cancel(job.id)
        assert place.ended(job).state == states.CANCELLED


def test_a_pipeline_that_ends_meanwhile_leaves_a_job_that_says_so(tmp_path: Path) -> None:
    with Place(tmp_path, "import time; time.sleep(300)") as place:
        job = place.make()
        place.restart()
        assert place.ended(job).error["code"] == "input.missing"


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.create()

    def write(folder: Path) -> None:
        (folder / "half").write_bytes(b"half")
        raise disk_error(OSError(28, "No space left on device"), str(folder))

    with pytest.raises(PipelineError, match="No space left"):
        stage_with(home.incoming, Intent(), write)
    assert not list(home.incoming.iterdir())
    intent = Intent(label="a")
    stage_with(home.incoming, intent, lambda folder: None)
    assert read_intent(home.incoming / intent.id) == intent
