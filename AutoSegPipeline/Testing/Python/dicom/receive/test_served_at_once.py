"""A serving pipeline with four senders at once, two by C-STORE and two by STOW-RS, whose results go back to a
real Orthanc; and one that is killed, all of it, while it receives.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Callable

import pydicom
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.processing.phantom import torso, write_dicom_series
from support.headless import SERVE, Running, autoseg, until
from support.orthanc import Orthanc, free_port, needed, orthanc
from support.receiving import associate, dcmsend
from support.web import token_for

OPTIONS = {"quality": "fastest", "formats": "seg,statistics"}
PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "AccessionNumber")


def write_study(folder: Path, number: int) -> list[Path]:
    """One series of a patient of its own, in a study of its own."""
    volume = torso(shape=(46, 38, 24), spacing=(8.0, 8.0, 7.5), seed=number).volume
    return write_dicom_series(
        volume, folder, seed=number, StudyInstanceUID=f"1.2.826.78.{number}",
        SeriesInstanceUID=f"1.2.826.78.{number}.1", PatientName=f"Doe^{'ABCDE'[number]}",
        PatientID=f"P-{number}", PatientBirthDate=f"196{number}0102", AccessionNumber=f"A{number}",
    )  # fmt: skip


def said(home: Path, *command: str) -> Any:
    return json.loads(autoseg(*command, "--json", "--home", home).stdout)


def receiver_pid(home: Path) -> int:
    """That of the dicom process once it listens, else 0."""
    found = said(home, "dicom", "status")
    listens = found["running"] and found["listening"] and not found["listening"]["error"]
    return int(found["process"]["pid"]) if listens else 0


def all_done(home: Path, count: int) -> list[dict[str, Any]]:
    """The jobs once each of ``count`` has ended."""
    jobs: list[dict[str, Any]] = said(home, "list")["jobs"]
    ended = all(one["state"] in ("done", "refused", "failed") for one in jobs)
    return jobs if len(jobs) >= count and ended else []


def stow(url: str, token: str, study: list[Path]) -> None:
    from dicomweb_client.api import DICOMwebClient

    client = DICOMwebClient(url, headers={"Authorization": f"Bearer {token}"})
    answer = client.store_instances([pydicom.dcmread(path) for path in study])
    assert len(answer.ReferencedSOPSequence) == len(study) and "FailedSOPSequence" not in answer


def c_store(port: int, calling: str, study: list[Path]) -> None:
    sender = dcmsend(port, *study, calling=calling)
    assert sender.wait(90) == 0, sender.communicate()[0]


def at_once(*calls: Callable[[], None]) -> None:
    """Run all of ``calls`` side by side, from one moment on; raise what the first of them raised."""
    barrier, failed = threading.Barrier(len(calls)), []

    def run(call: Callable[[], None]) -> None:
        try:
            barrier.wait(30)
            call()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for one in threads:
        one.start()
    for one in threads:
        one.join(120)
        assert not one.is_alive()
    if failed:
        raise failed[0]


def check_beside(found: list[dict[str, Any]], study: list[Path]) -> None:
    """Orthanc has the source, its SEG and its SR in its study, of its patient; they name its series.

    There is a SEG for each layer, because structures that overlap do not lie in one.
    """
    source = pydicom.dcmread(study[0])
    here = [one for one in found if one["StudyInstanceUID"] == source.StudyInstanceUID]
    counts = Counter(one["Modality"] for one in here)
    assert counts == {"CT": len(study), "SEG": 2, "SR": 1}
    assert len({one["SOPInstanceUID"] for one in here}) == sum(counts.values())
    for one in here:
        assert [one[keyword] for keyword in PATIENT] == [str(source[keyword].value) for keyword in PATIENT]
        if one["Modality"] != "CT":
            assert source.SeriesInstanceUID in json.dumps(one), one["Modality"]


def test_four_senders_at_once_get_segmentation_and_report_beside_each_source(tmp_path: Path) -> None:
    needed("dcmsend", "Orthanc")
    home, web, port = tmp_path / "home", free_port(), free_port()
    Home.at(home).create()
    tokens = [token_for(home, name) for name in ("anna", "bert")]
    studies = [write_study(tmp_path / str(number), number) for number in range(4)]
    with orthanc(tmp_path / "orthanc") as archive:
        for study in studies:
            archive.add(*study)
        configure(home, port, archive)
        with Running("--home", home, *SERVE, "--web", "--port", web, "--dicom") as serving:
            serving.wait_for("page     http://")
            until(lambda: receiver_pid(home))
            url = f"http://127.0.0.1:{web}/dicom-web"
            at_once(
                lambda: c_store(port, "CT1", studies[0]),
                lambda: c_store(port, "CT2", studies[1]),
                lambda: stow(url, tokens[0], studies[2]),
                lambda: stow(url, tokens[1], studies[3]),
            )
            jobs = until(lambda: all_done(home, 4))
            assert [one["state"] for one in jobs] == ["done"] * 4, jobs
            assert sorted(one["submitted_by"] for one in jobs) == ["CT1", "CT2", "anna", "bert"]
            until(lambda: [one["state"] for one in said(home, "dicom", "sends")["sends"]] == ["sent"] * 4)
            found = archive.instances()
            serving.signal(signal.SIGINT)
            assert serving.end() == 0
    for study in studies:
        check_beside(found, study)


def configure(home: Path, port: int, archive: Orthanc | None = None) -> None:
    peers = {"pacs": {"title": archive.title, "host": "127.0.0.1", "port": archive.port}} if archive else {}
    entry = {"title": "AUTOSEG", "quiet_seconds": 2.0, "options": OPTIONS, "send_to": list(peers)}
    callers = [{"title": title, "address": "127.0.0.1"} for title in ("CT1", "CT2")]
    file = {"receiver": {"port": port}, "callers": callers, "entries": [entry], "peers": peers}
    (home / "dicom.json").write_text(json.dumps(file))


def test_the_complete_pipeline_is_killed_while_it_receives(tmp_path: Path) -> None:
    """The sender sends again only what was not answered with success; one job holds all slices."""
    home, port = tmp_path / "home", free_port()
    Home.at(home).create()
    configure(home, port)
    paths = write_study(tmp_path / "in", 1)
    answered: list[Path] = []

    def send(wanted: list[Path]) -> None:
        association = associate(port, calling="CT1", paths=paths)
        for path in wanted:
            if not association.is_established:
                return
            if association.send_c_store(path).get("Status") == 0:
                answered.append(path)
            time.sleep(0.05)
        association.release()

    with Running("--home", home, *SERVE, "--dicom") as serving:
        pid = until(lambda: receiver_pid(home))
        sender = threading.Thread(target=send, args=(paths,))
        sender.start()
        until(lambda: len(answered) >= 8, 60)
        serving.process.kill()
        os.kill(pid, signal.SIGKILL)
        sender.join(60)
    assert 8 <= len(answered) < len(paths)
    with Running("--home", home, *SERVE, "--dicom") as serving:
        until(lambda: receiver_pid(home) not in (0, pid))  # what the killed one said stands there at first
        send([path for path in paths if path not in answered])
        assert sorted(answered) == sorted(paths)
        (job,) = until(lambda: all_done(home, 1))
        assert (job["state"], job["version"], job["shape"][2]) == ("done", 1, len(paths)), job
        serving.signal(signal.SIGINT)
        assert serving.end() == 0
