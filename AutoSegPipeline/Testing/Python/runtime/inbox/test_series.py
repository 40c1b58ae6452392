"""DICOM series in the inbox: one job each, and what becomes of slices that come later."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.intake.dicom.late_slices import were_late
from AutoSegPipelineLib.processing.phantom import torso, write_dicom_series
from support.dicom import UIDS, edit_all
from support.pipeline import Bench


@pytest.fixture(scope="module")
def slices(tmp_path_factory) -> list[Path]:
    """A series of 24 slices."""
    volume = torso(shape=(40, 32, 24), spacing=(9.0, 9.0, 9.0)).volume
    return write_dicom_series(volume, tmp_path_factory.mktemp("series"))


def drop(bench: Bench, slices: list[Path], folder: str = "study") -> None:
    """Copy slices into a subfolder of the inbox under names of their own."""
    target = bench.home.inbox / folder
    target.mkdir(exist_ok=True)
    for path in slices:
        (target / path.name).write_bytes(path.read_bytes())


def test_a_series_becomes_one_job_and_its_name_says_nothing_of_the_patient(tmp_path, slices) -> None:
    with Bench(tmp_path / "home") as bench:
        drop(bench, slices)
        (job,) = bench.until_ended(1)
        assert job.state == states.DONE, job.error
        assert job.shape == [40, 32, 24] and job.modality == "CT"
        assert job.name.startswith("CT_") and job.series_key and job.version == 1
        assert not list((bench.home.inbox / "study").iterdir())


def test_slices_that_arrive_within_the_grace_make_a_version_from_all_of_them(tmp_path, slices) -> None:
    with Bench(tmp_path / "home") as bench:
        drop(bench, slices[:16])
        (first,) = bench.until_ended(1)
        assert first.state == states.DONE and first.shape[2] == 16
        drop(bench, slices[16:], "later")
        first, second = bench.until_ended(2)
        assert (second.state, second.version, second.supersedes) == (states.DONE, 2, first.id), second.error
        assert second.shape[2] == 24, "made from all of the slices"
        assert second.series_key == first.series_key and second.name != first.name


def test_slices_that_come_while_the_series_waits_replace_the_waiting_version(tmp_path, slices) -> None:
    with Bench(tmp_path / "home") as bench:
        bench.pipeline.commands.pause()
        drop(bench, slices[:16])
        bench.until(lambda: [job.state for job in bench.jobs()] == [states.QUEUED])
        drop(bench, slices[16:], "later")
        bench.until(lambda: sorted(job.state for job in bench.jobs()) == [states.CANCELLED, states.QUEUED])
        bench.pipeline.commands.resume()
        first, second = bench.until_ended(2)
        assert first.state == states.CANCELLED
        assert (second.state, second.shape[2], second.version) == (states.DONE, 24, 2)
        bench.until(lambda: not any(bench.home.incoming.iterdir()))


def test_later_slices_join_those_of_a_version_that_failed(tmp_path, slices) -> None:
    with Bench(tmp_path / "home", do="fail") as bench:
        drop(bench, slices[:16])
        (first,) = bench.until_ended(1)
        bench.until(lambda: bench.job(first.id).staged.get("kept_at"))
        bench.stop()
        bench.do = ""
        bench.restart()
        drop(bench, slices[16:], "later")
        first, second = bench.until_ended(2)
        assert (second.state, second.shape[2]) == (states.DONE, 24)


def test_slices_that_come_after_the_grace_wait_in_refused(tmp_path, slices) -> None:
    with Bench(tmp_path / "home", grace_hours=0) as bench:
        drop(bench, slices[:16])
        (first,) = bench.until_ended(1)
        bench.until(lambda: (bench.home.spent / first.id / "spent.json").exists())
        list(bench.pipeline.flow.retention.steps())
        assert not (bench.home.spent / first.id).exists()
        drop(bench, slices[16:], "later")
        first, second = bench.until_ended(2)
        assert (second.state, second.error["code"]) == (states.REFUSED, "dicom.late_slices")
        bench.until(lambda: len(list(bench.home.refused.rglob("*.dcm"))) == 8)
        drop(bench, slices[12:16], "later still")
        assert bench.until_ended(3)[2].error["code"] == "dicom.late_slices", "no version of late ones alone"
        drop(bench, slices)
        whole = bench.until_ended(4)[3]
        assert (whole.state, whole.shape[2], whole.version) == (states.DONE, 24, 4), whole.error


def test_two_series_dropped_together_become_two_jobs(tmp_path, slices, tmp_path_factory) -> None:
    volume = torso(shape=(40, 32, 20), spacing=(9.0, 9.0, 9.0)).volume
    other = write_dicom_series(volume, tmp_path_factory.mktemp("other"), seed=5)
    with Bench(tmp_path / "home") as bench:
        drop(bench, slices)
        drop(bench, other, "other")
        jobs = bench.until_ended(2)
        assert sorted(job.shape[2] for job in jobs) == [20, 24]
        assert len({job.series_key for job in jobs}) == 2


@pytest.fixture
def packed(tmp_path, slices, tmp_path_factory) -> Path:
    """An archive of the first 16 slices of the series and of another series."""
    volume = torso(shape=(40, 32, 20), spacing=(9.0, 9.0, 9.0)).volume
    other = write_dicom_series(volume, tmp_path_factory.mktemp("packed"), seed=5, SeriesNumber=2)
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        for path in slices[:16]:
            archive.write(path, f"a/{path.name}")
        for path in other:
            archive.write(path, f"b/{path.name}")
    return tmp_path / "both.zip"


@pytest.mark.parametrize("first", [16, 0], ids=["some", "all"])
def test_later_slices_of_a_series_from_an_archive_bring_back_nothing_else_of_it(
    tmp_path, slices, packed, first
) -> None:
    with Bench(tmp_path / "home") as bench:
        bench.pipeline.commands.pause()
        packed.rename(bench.home.inbox / packed.name)
        bench.until(lambda: [job.state for job in bench.jobs()] == [states.QUEUED] * 2)
        drop(bench, slices[first:], "later")
        bench.until(
            lambda: len(bench.jobs()) == 3 and bench.jobs()[2].state in (states.QUEUED, states.REFUSED)
        )
        bench.pipeline.commands.resume()
        found = sorted((job.state, job.shape and job.shape[2], job.version) for job in bench.until_ended(3))
        if first:  # half a series is no version of its own
            assert found == [("done", 16, 1), ("done", 20, 1), ("refused", None, 2)]
        else:
            assert found == [("cancelled", 16, 1), ("done", 20, 1), ("done", 24, 2)]


@pytest.fixture
def unnamed(tmp_path, slices) -> list[Path]:
    """The series as an anonymiser leaves it, without UIDs."""
    return without_uids(slices, tmp_path / "unnamed")


def without_uids(slices: list[Path], folder: Path) -> list[Path]:
    folder.mkdir()
    for path in slices:
        (folder / path.name).write_bytes(path.read_bytes())
    made = sorted(folder.iterdir())
    edit_all(made, **dict.fromkeys(UIDS, ""))
    return made


@pytest.mark.parametrize("few", [16, 2], ids=["a version", "too few"])
def test_later_slices_of_a_series_without_uids_join_the_earlier_ones(tmp_path, unnamed, few) -> None:
    with Bench(tmp_path / "home") as bench:
        drop(bench, unnamed[:few])
        (first,) = bench.until_ended(1)
        assert first.state == (states.DONE if few > 8 else states.REFUSED), first.error
        bench.until(lambda: first.state == states.DONE or bench.job(first.id).staged.get("kept_at"))
        drop(bench, unnamed[few:])
        bench.until(lambda: any(job.shape and job.shape[2] == 24 for job in bench.jobs()))
        jobs = bench.until_ended(2)
        assert [job.version for job in jobs] == list(range(1, len(jobs) + 1))
        assert (jobs[-1].state, jobs[-1].shape[2]) == (states.DONE, 24), jobs[-1].error
        assert [one["code"] for one in jobs[-1].warnings] == ["dicom.uids_missing"]


def test_another_scan_without_uids_in_the_same_folder_is_a_case_of_its_own(
    tmp_path, unnamed, tmp_path_factory
) -> None:
    volume = torso(shape=(40, 32, 20), spacing=(9.0, 9.0, 9.0), seed=4).volume
    other = write_dicom_series(volume, tmp_path_factory.mktemp("next"))
    other = without_uids(other, tmp_path / "other")
    with Bench(tmp_path / "home") as bench:
        drop(bench, unnamed)
        (first,) = bench.until_ended(1)
        drop(bench, other)
        first, second = bench.until_ended(2)
        assert (second.state, second.version, second.supersedes) == (states.DONE, 1, None), second.error
        assert (first.shape[2], second.shape[2]) == (24, 20) and first.name != second.name


def test_two_stacks_without_uids_in_one_folder_are_two_jobs(tmp_path, unnamed, slices) -> None:
    lung = without_uids(slices, tmp_path / "lung")
    edit_all(lung, SeriesDescription="Lung")
    lung = [path.rename(path.with_name("L" + path.name)) for path in lung]
    with Bench(tmp_path / "home") as bench:
        drop(bench, [*unnamed, *lung])
        jobs = bench.until_ended(2)
        assert [(job.state, job.shape[2]) for job in jobs] == [(states.DONE, 24)] * 2
        assert len({job.series_key for job in jobs}) == 2


def earlier(**change) -> Job:
    """An axial scan of 10 slices 3 mm apart, the first at z = 5."""
    affine = [[2, 0, 0, -40], [0, 2, 0, -40], [0, 0, 3, 5], [0, 0, 0, 1]]
    staged = {"affine": affine, "facts": {"missing_slices": 2}}
    return Job(id="a", shape=[40, 40, 10], staged=staged, **change)


@pytest.mark.parametrize(
    ("heights", "late"),
    [([35, 38, 41], True), ([2, -1], True), ([8, 20], True), ([29, 32, 35, 38], True), ([5, 8, 11], False),
     ([6.5 + 3 * n for n in range(10)], False), ([32 - 3 * n for n in range(12)], False)],
)  # fmt: skip
def test_slices_are_late_where_the_earlier_scan_has_none(heights, late) -> None:
    assert were_late([[-40, -40, z] for z in heights], earlier()) is late


def test_slices_complete_what_was_refused_as_incomplete_only() -> None:
    for code, late in (("input.too_thin", True), ("dicom.missing_slices", True), ("input.colour", False)):
        assert were_late([[0, 0, 0]], Job(id="a", error={"code": code})) is late
