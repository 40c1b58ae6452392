"""The scan behind a result: found while its copy is there, never anything else."""

from __future__ import annotations

import shutil
import time
import urllib.request
from pathlib import Path
from typing import Callable

import pytest
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.processing.phantom import torso, write_dicom_series
from AutoSegPipelineLib.runtime.ending.input_disposal import _keep_volume_only
from AutoSegPipelineLib.web.scans import find_scan, why_not
from support.web_page import Site


def staged(tmp_path: Path, relative: str, place: str = "spent", **about: str) -> tuple[Home, Job]:
    home = Home.at(tmp_path)
    job = Job(staged={"path": relative, "kind": "scan", **about})
    path = home.state / place / job.id / relative
    path.parent.mkdir(parents=True)
    path.write_bytes(b"voxels")
    return home, job


@pytest.mark.parametrize("place", ["incoming", "spent"])
@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.nrrd", "scan.mha"])
def test_the_staged_volume_is_found_before_and_after_the_case(tmp_path: Path, name: str, place: str) -> None:
    home, job = staged(tmp_path, f"work/case-0001/{name}", place)
    found = find_scan(home, job)
    assert found is not None and found.path.read_bytes() == b"voxels" and found.name == name


def test_a_volume_of_two_files_is_not_shown_and_the_reason_says_so(tmp_path: Path) -> None:
    home, job = staged(tmp_path, "work/case-0001/scan.mhd")
    assert find_scan(home, job) is None
    assert "second file" in why_not(home, job, 24)


def test_a_scan_that_is_gone_is_told_with_the_setting_that_removes_it(tmp_path: Path) -> None:
    home, job = staged(tmp_path, "work/case-0001/scan.nii")
    shutil.rmtree(home.spent)
    assert find_scan(home, job) is None
    assert "24 hours" in why_not(home, job, 24) and "grace_hours" in why_not(home, job, 24)


def test_a_segmentation_that_was_exported_has_no_scan(tmp_path: Path) -> None:
    home, job = staged(tmp_path, "work/case-0001/scan.nii.gz", kind="segmentation")
    assert find_scan(home, job) is None
    assert "no scan" in why_not(home, job, 24)


def test_a_path_out_of_the_jobs_own_folder_leads_nowhere(tmp_path: Path) -> None:
    home, job = staged(tmp_path, "work/case-0001/scan.nii")
    (home.spent / "secret.nii").write_bytes(b"another patient")
    job.staged["path"] = "../secret.nii"
    assert find_scan(home, job) is None


def test_of_the_work_only_the_volume_stays_beside_a_result(tmp_path: Path) -> None:
    for name in ("case-0001/scan.nii.gz", "case-0002/scan.nii.gz", "archive-0001/slice.dcm"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"1")
    _keep_volume_only(tmp_path, "work/case-0002/scan.nii.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["case-0002"]
    _keep_volume_only(tmp_path, "input/scan.nii.gz")
    assert not tmp_path.exists()


@pytest.mark.slow
def test_a_finished_dicom_series_can_still_be_seen_and_run_again(tmp_path: Path) -> None:
    write_dicom_series(torso((46, 38, 23), (8.0,) * 3, seed=5).volume, tmp_path / "study")
    archive = Path(shutil.make_archive(str(tmp_path / "study"), "zip", tmp_path / "study"))
    with Site(tmp_path / "home", libraries=False) as site:
        job = site.until_ended(site.put(archive)["id"])
        assert job["state"] == "done"
        _until((site.home / "state" / "spent" / job["id"] / "spent.json").exists)
        with urllib.request.urlopen(f"{site.url}/api/v1/results/{job['id']}/scan", timeout=20) as answer:
            assert len(answer.read()) > 10000
        again = urllib.request.Request(f"{site.url}/api/v1/jobs/{job['id']}/retry", b"", method="POST")
        urllib.request.urlopen(again, timeout=20).close()
        _until(lambda: site.get(f"/api/v1/jobs/{job['id']}")["times"]["done"] != job["times"]["done"])
        assert site.until_ended(job["id"])["state"] == "done"


def _until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)
