"""A serving pipeline takes studies by STOW-RS: from Orthanc and dicomweb-client, with an account's token.

Rules choose one series of the study; the reason of the other is shown, and nobody without a token gets in.
"""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pydicom
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.processing.phantom import torso, write_dicom_series
from support.headless import SERVE, Running, autoseg
from support.identity import WHO, leaks
from support.orthanc import Orthanc, free_port, needed, orthanc
from support.web import request, token_for

RULES = [{"name": "thin", "when": {"thickness": {"at_most": 8}}, "best": 1}]


def write_study(folder: Path, patient: str) -> list[Path]:
    """Two series of one study, of which only the second is thin."""
    volume = torso(shape=(48, 48, 20), spacing=(8.0, 8.0, 14.0)).volume
    who = {**WHO, "PatientID": patient}
    return [
        path
        for number, thickness in ((1, "14"), (2, "7"))
        for path in write_dicom_series(
            volume, folder / str(number), SeriesNumber=number, SliceThickness=thickness,
            SeriesDescription=f"THX Mustermann {thickness}", **who,
        )
    ]  # fmt: skip


def until_jobs(home: Path, count: int) -> list[dict[str, Any]]:
    end = time.monotonic() + 120
    while True:
        jobs: list[dict[str, Any]] = json.loads(autoseg("list", "--json", "--home", home).stdout)["jobs"]
        if len(jobs) >= count and all(one["state"] in ("done", "refused", "failed") for one in jobs):
            return jobs
        assert time.monotonic() < end, jobs
        time.sleep(0.5)


def by_orthanc(archive: Orthanc, study: list[Path]) -> None:
    archive.add(*study)
    order = json.dumps({"Resources": archive.rest("/studies"), "Synchronous": True}).encode()
    archive.rest("/dicom-web/servers/autoseg/stow", order)


def by_client(url: str, token: str, study: list[Path]) -> pydicom.Dataset:
    from dicomweb_client.api import DICOMwebClient

    client = DICOMwebClient(url, headers={"Authorization": f"Bearer {token}"})
    answer: pydicom.Dataset = client.store_instances([pydicom.dcmread(path) for path in study])
    return answer


def test_studies_by_stow_become_jobs_of_the_series_that_the_rules_choose(tmp_path: Path) -> None:
    needed("Orthanc")
    home, port = tmp_path / "home", free_port()
    Home.at(home).create()
    token = token_for(home, "anna")
    file = {
        "receiver": {"port": free_port()},
        "entries": [{"title": "THIN", "unit": "study", "quiet_seconds": 2.0, "choose": RULES}],
    }
    (home / "dicom.json").write_text(json.dumps(file))
    first, second = write_study(tmp_path / "a", "KIS-4711"), write_study(tmp_path / "b", "KIS-4711-B")
    with Running("--home", home, *SERVE, "--web", "--port", port, "--dicom") as serving:
        serving.wait_for("page     http://")
        url = f"http://127.0.0.1:{port}/dicom-web/THIN"
        until_receiving(home)
        assert request(port, "POST", "/dicom-web/THIN/studies", b"x").status == 401
        server = {"Url": url, "HttpHeaders": {"Authorization": f"Bearer {token}"}}
        more = {"DicomWeb": {"Enable": True, "Root": "/dicom-web/", "Servers": {"autoseg": server}}}
        with orthanc(tmp_path / "orthanc", more=more) as archive:
            by_orthanc(archive, first)
        answer = by_client(url, token, second)
        assert len(answer.ReferencedSOPSequence) == len(second)
        assert "FailedSOPSequence" not in answer
        jobs = until_jobs(home, 2)
        serving.signal(signal.SIGINT)
        assert serving.end() == 0
    assert [(one["state"], one["submitted_by"], one["label"]) for one in jobs] == [
        ("done", "anna", "CT series 2 THX *** 7"),
    ] * 2  # fmt: skip
    shown = json.loads(autoseg("dicom", "explain", "--json", "--home", home).stdout)["left_out"]
    assert [one["series"]["number"] for one in shown] == [1, 1]
    assert all("thickness 14 mm is above 8 mm" in one["reason"] for one in shown)
    # Nothing names her: neither results nor logs, nor what the jobs say, their input among it.
    assert leaks(home, leave_out=("state",)) == []
    assert not leaks_in(jobs)


def leaks_in(jobs: list[dict[str, Any]]) -> list[str]:
    from support.identity import named_in

    return named_in(json.dumps(jobs).encode())


def until_receiving(home: Path) -> None:
    end = time.monotonic() + 60
    while True:
        found = json.loads(autoseg("dicom", "status", "--json", "--home", home).stdout)
        if found["running"] and found.get("listening") and not found["listening"]["error"]:
            return
        assert time.monotonic() < end, found
        time.sleep(0.2)
