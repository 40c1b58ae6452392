"""The table of a home: who sees which rows, what is read again, and what a review changes."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.core.cohort.fill import fill_from_home
from AutoSegPipelineLib.core.cohort.forget import forget, forget_deleted
from AutoSegPipelineLib.core.cohort.table import Cohort, Query, as_document
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.review import review_of
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.core.store.scope import EVERYTHING, Scope
from support.cohort import structure, write_case

STEPS = ("inspecting", "queued", "preparing", "segmenting", "exporting", "publishing", "done")


class Scene:
    def __init__(self, root: Path) -> None:
        self.home = Home.at(root)
        self.home.create()
        self.store = Store(self.home.store)
        self.cohort = Cohort(self.home.table)

    def add(self, name: str, volume: float, by: str = "", sha: str = "1") -> Job:
        job = Job(name=name, label=f"{name}.nii", door="web" if by else "inbox", submitted_by=by)
        self.store.jobs.add(job)
        for step in STEPS:
            self.store.jobs.enter(job, step)
        self.write(job, volume, sha)
        return job

    def write(self, job: Job, volume: float, sha: str) -> None:
        write_case(
            self.home.results,
            job.name,
            [structure("liver", volume, 50.0)],
            input={"job": job.id, "modality": "CT"},
        )
        job.outputs = [{"kind": "manifest", "name": f"{job.name}.manifest.json", "size": 1, "sha256": sha}]
        self.store.jobs.save(job)

    def fill(self) -> int:
        return fill_from_home(self.cohort, self.home, self.store).read

    def rows(self, scope: Scope = EVERYTHING, **query: str) -> list[dict[str, object]]:
        return [dict(as_document(row)) for row in self.cohort.rows(Query(**query), scope)]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path / "home")
    yield made
    made.cohort.close()
    made.store.close()


def test_one_sees_ones_own_rows_and_outliers_are_those_among_them(scene: Scene) -> None:
    for number in range(10):
        scene.add(f"ann{number}", 1000.0 + number, "ann")
    for number in range(40):
        scene.add(f"bob{number}", 2000.0 + number, "bob")
    odd = scene.add("odd", 2020.0, "ann")
    assert scene.fill() == 51
    ann = Scope(owner="ann")
    assert len(scene.rows(ann)) == scene.cohort.count(Query(), ann) == scene.cohort.count_cases(ann) == 11
    assert [row["case"] for row in scene.rows(ann, flag="outlier")] == ["odd"]
    assert "odd" not in {row["case"] for row in scene.rows(flag="outlier")}, "usual among everybody's"
    assert {row["cohort_n"] for row in scene.rows(ann)} == {11}
    assert scene.rows(Scope(jobs=(odd.id,)))[0]["volume_z"] is None
    assert scene.rows(Scope(owner="eve")) == [] and scene.cohort.structures(Scope(owner="eve")) == []
    odd.visible_to = ["eve"]
    scene.store.jobs.save(odd)
    assert scene.fill() == 0
    assert [row["case"] for row in scene.rows(Scope(owner="eve"))] == ["odd"]


def test_a_review_shows_without_reading_files_and_a_retry_reads_them(scene: Scene) -> None:
    job, other = scene.add("a", 10.0), scene.add("b", 20.0)
    assert (scene.fill(), scene.fill()) == (2, 0)
    job.review = review_of("bad", "cut off", "ada", 0.0, job.outputs)
    scene.store.jobs.save(job)
    (scene.home.results / "a.manifest.json").write_text("not read")
    assert scene.fill() == 0
    assert [row["case"] for row in scene.rows(review="bad")] == ["a"]
    scene.write(job, 30.0, "2")
    assert scene.fill() == 1 and scene.rows(search="a.nii")[0]["volume_ml"] == 30.0
    for step in STEPS[:2]:
        scene.store.jobs.enter(job, step)
    scene.store.jobs.delete(other.id)
    scene.fill()
    assert [row["case"] for row in scene.rows()] == ["a"], "it runs again and its results are there"


def test_what_is_purged_while_the_table_is_filled_is_missed_by_no_later_filling(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, other = scene.add("gone", 10.0), scene.add("other", 20.0)
    assert scene.fill() == 2
    other.review = review_of("good", "", "ada", 0.0, other.outputs)
    scene.store.jobs.save(other)
    real = scene.store.jobs.deleted

    def then_one_goes(since: int) -> list[str]:
        found = real(since)
        scene.store.jobs.delete(gone.id)
        scene.store.jobs.save(other)
        return found

    monkeypatch.setattr(scene.store.jobs, "deleted", then_one_goes)
    scene.fill()
    monkeypatch.undo()
    scene.fill()
    assert [row["case"] for row in scene.rows()] == ["other"]


def test_a_purge_takes_the_case_out_of_the_table_and_out_of_its_bytes(scene: Scene) -> None:
    job = scene.add("Doe", 10.0)
    for number in range(12):
        scene.add(f"c{number}", 20.0 + number)
    scene.fill()
    assert {row["cohort_n"] for row in scene.rows()} == {13}
    assert forget(scene.home.table, [job.id])
    assert not any(b"Doe" in path.read_bytes() for path in scene.home.state.glob("table.sqlite*"))
    scene.store.jobs.delete(job.id)
    scene.fill()
    assert {row["cohort_n"] for row in scene.rows()} == {12}, "what is usual is computed without it"


def test_a_purge_while_somebody_fills_the_table_is_made_good_later(scene: Scene) -> None:
    job = scene.add("Doe", 10.0)
    scene.fill()
    scene.store.jobs.delete(job.id)
    with scene.cohort.filling():
        assert not forget(scene.home.table, [job.id])
    assert [row["case"] for row in scene.rows()] == ["Doe"]
    assert forget_deleted(scene.home.table, scene.store)
    assert scene.rows() == []


def test_a_damaged_table_is_removed_by_a_purge(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "table.sqlite"
    path.write_bytes(b"Doe" * 2000)
    assert forget(path, ["any"]) and not path.exists()
    path.write_bytes(b"Doe" * 2000)
    assert forget_deleted(path, scene.store) and not path.exists()
