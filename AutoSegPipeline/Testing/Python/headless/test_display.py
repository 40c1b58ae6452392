"""What is shown while the pipeline runs."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.events import AlarmRaised, JobAdded, JobChanged, JobEnded, PipelinePaused
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.headless.display import Lines, LivePicture, Silence, choose
from AutoSegPipelineLib.headless.narrator import Narrator
from AutoSegPipelineLib.headless.tables import duration
from rich.console import Console


class Scene:
    """A store and a narrator that hears what happens to its jobs."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "store.sqlite")
        self.narrator = Narrator(lambda: self.store, Path("/results"))

    def add(self, label: str) -> Job:
        job = Job(label=label)
        self.store.jobs.add(job)
        self.narrator.hear(JobAdded(job.id))
        return job

    def move(self, job: Job, *path: str) -> None:
        for state in path:
            self.store.jobs.enter(job, state)
            self.narrator.hear(JobChanged(job.id, state, job.progress, job.message))
            if job.ended:
                self.narrator.hear(JobEnded(job.id, state))

    def told(self) -> list[str]:
        return [line.text for line in self.narrator.take()]


@pytest.fixture
def scene(tmp_path: Path):
    made = Scene(tmp_path)
    yield made
    made.store.close()


def test_a_case_is_told_from_its_file_to_its_result(scene: Scene) -> None:
    job = scene.add("a.nii")
    other = scene.add("b.nii")
    scene.move(job, "inspecting", "queued", "preparing", "segmenting")
    scene.narrator.hear(JobChanged(job.id, "segmenting", 0.5, "half"))  # progress is no line
    job.outputs = [{"kind": "gltf", "name": "a.gltf"}]
    scene.move(job, "exporting", "publishing", "done")
    other.error = PipelineError("input.constant", "b.nii is constant").to_dict()
    scene.move(other, "inspecting", "refused")
    assert scene.told() == [
        "new file added: a.nii",
        "new file added: b.nii",
        "processing a.nii; 1 in the queue",
        "done a.nii in 0 s: /results/a.gltf",
        "refused b.nii: b.nii is constant (input.constant) Every voxel has the same value; check the export.",
    ]
    assert scene.narrator.counts == {"added": 2, "done": 1, "refused": 1}


def test_thousands_of_files_at_once_are_one_line(scene: Scene) -> None:
    for number in range(50):
        scene.add(f"{number}.nii")
    scene.narrator.say("something else")
    scene.add("last.nii")
    assert scene.told() == ["50 new files added", "something else", "new file added: last.nii"]
    assert scene.narrator.counts["added"] == 51


def test_a_case_that_goes_back_to_the_queue_is_told_with_its_reason(scene: Scene) -> None:
    job = scene.add("a.nii")
    scene.move(job, "inspecting", "queued", "preparing")
    job.message = "the worker vanished"
    scene.move(job, "queued")
    assert scene.told()[-1] == "a.nii goes back to the queue: the worker vanished"


def test_news_that_came_late_are_not_told_as_a_step_back(scene: Scene) -> None:
    job = scene.add("a.nii")
    scene.move(job, "inspecting", "queued", "preparing")
    scene.narrator.hear(JobChanged(job.id, "queued", 0.0, ""))
    scene.move(job, "segmenting")
    assert scene.told() == ["new file added: a.nii", "processing a.nii"]


def test_trouble_is_told_even_when_only_errors_are_wanted(scene: Scene) -> None:
    scene.add("a.nii")
    scene.narrator.hear(PipelinePaused("environment.disk_full", "the disk is full"))
    scene.narrator.hear(PipelinePaused("request", "somebody asked for it"))
    scene.narrator.hear(AlarmRaised("retention.clock", "the clock leapt"))
    stream = io.StringIO()
    Silence(scene.narrator, Console(file=stream, width=200)).refresh()
    lines = [line.split(" ", 1)[1] for line in stream.getvalue().splitlines()]
    assert lines == [
        "paused: the disk is full (environment.disk_full)",
        "attention: the clock leapt (retention.clock)",
    ]


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_picture_fits_the_terminal(scene: Scene, width: int, ascii_only: bool) -> None:
    job = scene.add("a_rather_long_name_of_a_scan_from_somewhere_with_ü_and_[bold]\x1b[2J" * 2 + ".nii.gz")
    scene.move(job, "inspecting", "queued", "preparing", "segmenting")
    job.progress, job.eta_s, job.message = 0.37, 89, "finding the lungs"
    scene.store.jobs.save(job)
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, "ascii" if ascii_only else "utf-8", errors="replace", write_through=True)
    console = Console(
        file=stream, width=width, force_terminal=True, markup=False, emoji=False, highlight=False
    )
    picture = LivePicture(console, scene.narrator, ["Drop a scan into /a/long/folder/" + "x" * 100])
    console.print(picture._picture())
    text = raw.getvalue().decode("ascii" if ascii_only else "utf-8")
    plain = __import__("re").sub(r"\x1b\[[0-9;]*m", "", text)
    assert "\x1b" not in plain
    assert max(len(line) for line in plain.splitlines()) <= width
    for part in ("a_rather", "segmenting", "37%", "1:29 left", "added 1"):
        assert part in plain
    assert "\x1b[2J" not in text and "[bold]" not in plain[:20]


def test_the_picture_says_why_nothing_goes_on(scene: Scene) -> None:
    assert scene.narrator.idle() == "waiting for scans"
    scene.narrator.files_to_come = lambda: 2
    assert scene.narrator.idle() == "2 files arriving"
    scene.store.meta.set("paused", {"code": "environment.disk_full", "reason": "the disk is full"})
    assert scene.narrator.idle() == "paused: the disk is full"


def test_only_a_terminal_with_a_cursor_gets_the_picture(scene: Scene) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "xterm"})
    dumb = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    pipe = Console(file=io.StringIO())
    assert isinstance(choose(terminal, [])(scene.narrator), LivePicture)
    assert isinstance(choose(dumb, [])(scene.narrator), Lines)
    assert isinstance(choose(pipe, [])(scene.narrator), Lines)
    assert isinstance(choose(terminal, [], quiet=True)(scene.narrator), Silence)


def test_durations_are_short() -> None:
    assert [duration(s) for s in (-1, 8, 187, 7500, 400000)] == ["0 s", "8 s", "3:07", "2:05:00", "4 d"]


def test_every_state_can_be_told(scene: Scene) -> None:
    from AutoSegPipelineLib.headless.tables import job_table

    jobs = [Job(label=state, state=state) for state in states.ALL]
    stream = io.StringIO()
    Console(file=stream, width=80).print(job_table(jobs))
    assert all(state in stream.getvalue() for state in states.ALL)
