"""What a DICOM scan says of its patient stays in it: results, logs, lists, links and page name nobody.

Files and folders are called as she is, as archives export them. The input itself is kept apart, and a job's
``input`` is what its owner called it; what comes from a PACS has no such name.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.processing.phantom import torso, write_dicom_series
from support.headless import SERVE, Running, autoseg
from support.identity import WHO, leaks, named_in
from support.pipeline import write_scan
from support.uploads import Site, form

EVERYTHING = "gltf,glb,seg,labels,statistics,picture,report,stl,obj"
# Where the scan itself lies until it is purged, and the store, which knows what the input was called.
PRIVATE = ("state", "archive", "inbox")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of slices as an archive exports it, with a letter beside them."""
    folder = tmp_path_factory.mktemp("exported") / "MUSTERMANN_ERIKA_19580314"
    volume = torso(shape=(48, 48, 20), spacing=(8.0, 8.0, 14.0)).volume
    for path in write_dicom_series(volume, folder, SeriesDescription="THX Mustermann 1.0", **WHO):
        path.rename(folder / f"MUSTERMANN_{path.name}")
    (folder / "Brief an Mustermann.txt").write_text("no scan")
    return folder


def test_the_helper_finds_her_in_names_texts_and_packed_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("an Frau Mustermann")
    (tmp_path / "KIS-4711.json").write_text("{}")
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("c", "born 19580314 " * 20)
    assert len(leaks(tmp_path)) == 3


def test_nothing_that_run_writes_names_her(exported: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = autoseg("run", exported, "-o", out, "--engine", "tissue", "--formats", EVERYTHING, "--json")
    assert done.returncode == 0, done.stderr
    results = [path for path in out.iterdir() if not path.name.startswith(".autoseg-run")]
    assert len(results) == len(EVERYTHING.split(",")) + 2  # statistics are two, and the manifest
    assert leaks(out) == []
    uids = [one.encode() for one in series_uids(exported)]
    assert [path.name for path in out.iterdir() if any(uid in path.read_bytes() for uid in uids)] == []


def series_uids(folder: Path) -> set[str]:
    """UIDs of study, series and instances, which lead to her in the archive."""
    import pydicom

    found: set[str] = set()
    for path in folder.glob("*.dcm"):
        data = pydicom.dcmread(path, stop_before_pixels=True)
        found |= {str(data.StudyInstanceUID), str(data.SeriesInstanceUID), str(data.SOPInstanceUID)}
    return found


def test_nothing_that_a_pipeline_keeps_beside_the_scan_names_her(exported: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Running(*SERVE[:3], "--formats", "gltf,report,statistics,seg", "--inputs", "archive",
                 "--settle-seconds", "0.3", "--rescan-seconds", "0.5", "--home", home) as serve:  # fmt: skip
        serve.wait_for("Drop a scan into")
        done = autoseg("submit", exported, "--home", home)
        assert done.returncode == 0, done.stdout + done.stderr
        serve.wait_for("done CT series 1")
        listed = json.loads(autoseg("list", "--json", "--home", home).stdout)
    assert [job["state"] for job in listed["jobs"]] == ["done"]
    assert leaks(home, leave_out=PRIVATE) == []
    (job,) = listed["jobs"]
    assert named_in(without_input(job)) == []


def without_input(job: dict[str, Any]) -> bytes:
    """The document of a job but for the name that its owner gave to the input."""
    return json.dumps({key: job[key] for key in job if key != "input"}).encode()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path / "home").start()
    try:
        yield found
    finally:
        found.stop()


def test_the_web_application_names_her_nowhere(site: Site, exported: Path, tmp_path: Path) -> None:
    packed = tmp_path / "MUSTERMANN.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in exported.glob("*.dcm"):
            archive.write(path, path.name)
    body, kind = form(("file", packed.name, packed.read_bytes()))
    answer = site.ask("POST", "/upload", body, Content_Type=kind)
    (job,) = site.ended(answer.json["jobs"][0]["id"])
    assert job.state == "done"
    assert named_in(job.name.encode()) == []
    for path in (
        "/",
        "/api/v1/results",
        "/files",
        f"/api/v1/jobs/{job.id}/log",
        f"/view/{job.name}",
        "/metrics",
    ):
        assert named_in(site.ask("GET", path).body) == [], path
    for document in (
        *site.ask("GET", "/api/v1/jobs").json["jobs"],
        site.ask("GET", f"/api/v1/jobs/{job.id}").json,
    ):
        assert named_in(without_input(document)) == []


def test_a_plain_file_keeps_the_name_that_its_owner_gave_it(site: Site, tmp_path: Path) -> None:
    """Only DICOM says who its patient is; the name of a NIfTI file is what its owner finds it by."""
    scan = write_scan(tmp_path / "mustermann.nii")
    answer = site.ask("PUT", "/api/v1/uploads/mustermann.nii", scan.read_bytes())
    (job,) = site.ended(answer.json["jobs"][0]["id"])
    assert job.name == "mustermann"
