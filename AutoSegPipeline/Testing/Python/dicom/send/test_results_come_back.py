"""A real pipeline sends what it made of a DICOM series to a real Orthanc, through crashes of either."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from AutoSegPipelineLib.core.pacs.config import FILE
from AutoSegPipelineLib.processing.phantom.build import torso
from AutoSegPipelineLib.processing.phantom.write_dicom import write_dicom_series
from support.dicom_peers import storage
from support.headless import Running, autoseg, until
from support.orthanc import Orthanc, free_port, orthanc

PATIENT = {
    "PatientName": "Doe^Jane", "PatientID": "P-17", "PatientBirthDate": "19600102", "AccessionNumber": "A9"
}  # fmt: skip
SERVE = (
    "--dicom", "--no-web", "--engine", "tissue", "--formats", "gltf,seg,statistics",
    "--settle-seconds", "0.3", "--rescan-seconds", "0.5", "--send-to",
)  # fmt: skip


def sends(home: Path) -> list[dict[str, Any]]:
    return list(json.loads(autoseg("dicom", "sends", "--json", "--home", home).stdout)["sends"])


def states(home: Path) -> list[str]:
    return [one["state"] for one in sends(home)]


def child(home: Path) -> int:
    status = json.loads(autoseg("dicom", "status", "--json", "--home", home).stdout)
    return int(status["process"]["pid"]) if status["running"] else 0


def write_peers(home: Path, **peers: dict[str, Any]) -> None:
    home.mkdir(exist_ok=True)
    (home / FILE).write_text(json.dumps({"receiver": {"port": free_port()}, "peers": peers}))


def dimse(port: int, **more: Any) -> dict[str, Any]:
    return {"title": "PACS", "host": "127.0.0.1", "port": port, **more}


def drop(home: Path, series: Path) -> None:
    (home / "inbox").mkdir(parents=True, exist_ok=True)
    series.rename(home / "inbox" / "scan")


@pytest.fixture
def series(tmp_path: Path) -> Path:
    folder = tmp_path / "series"
    write_dicom_series(torso((73, 61, 40), (5.0, 5.0, 5.0)).volume, folder, **PATIENT)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def serve(home: Path) -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def start(*peers: str) -> Running:
        running.append(Running("serve", "--home", home, *SERVE, ",".join(peers)))
        return running[-1]

    yield start
    for one in running:
        if one.process.poll() is None:
            one.signal(signal.SIGINT)
            assert one.end() == 0


def beside_the_source(server: Orthanc) -> list[tuple[str, str]]:
    """Modality and SOP instance UID of all but the source, which must be of its study and patient."""
    found = server.instances()
    source = next(one for one in found if one["Modality"] == "CT")
    ours = [one for one in found if one["Modality"] != "CT"]
    for one in ours:
        for keyword in ("StudyInstanceUID", *PATIENT):
            assert one[keyword] == source[keyword]
    return sorted((one["Modality"], one["SOPInstanceUID"]) for one in ours)


def test_orthanc_is_away_and_killed_and_has_each_object_once(
    tmp_path: Path, home: Path, series: Path, serve: Callable[..., Running]
) -> None:
    with orthanc(tmp_path / "orthanc") as server:
        server.add(*sorted(series.iterdir()))
        server.kill()
        write_peers(home, pacs=dimse(server.port))
        drop(home, series)
        serve("pacs")
        waiting = until(lambda: [one for one in sends(home) if one["error"]])
        assert waiting[0]["error"]["code"] == "pacs.peer_away" and waiting[0]["state"] == "waiting"
        server.start()
        until(lambda: states(home) == ["sent"])
        found = beside_the_source(server)
        assert {modality for modality, _ in found} == {"SEG", "SR"}
        (send,) = sends(home)
        assert send["encoding"] == "binary", "Orthanc 1.10 negotiates no label maps"
        job = send["job"]
        server.kill()
        server.start()
        again = autoseg("dicom", "send", job, "--home", home)
        assert again.returncode == 0 and f"pacs: has acknowledged {len(found)} objects" in again.stdout
        assert beside_the_source(server) == found
        unknown = autoseg("dicom", "send", job, "--to", "pcas", "--home", home)
        assert unknown.returncode != 0 and "did you mean 'pacs'" in unknown.stderr
        assert not any((home / "state" / "pacs-sends").iterdir()), "files of patients are left"


def test_over_the_web_orthanc_gets_the_label_map(
    tmp_path: Path, home: Path, series: Path, serve: Callable[..., Running]
) -> None:
    with orthanc(tmp_path / "orthanc") as server, storage() as (port, got):
        server.add(*sorted(series.iterdir()))
        anonymous = dimse(port, deidentify=True, objects=["seg"])
        write_peers(home, pacs={"use": "web", "web": {"url": server.dicom_web}}, study=anonymous)
        drop(home, series)
        serve("pacs", "study")
        until(lambda: states(home) == ["sent", "sent"])
        assert {modality for modality, _ in beside_the_source(server)} == {"SEG", "SR"}
        send = next(one for one in sends(home) if one["peer"] == "pacs")
        assert (send["encoding"], send["compression"]) == ("labelmap", "rle")
    assert {str(one.PatientIdentityRemoved) for one in got} == {"YES"}
    assert str(got[0].PatientID).startswith("ANON-")
    assert "Doe" not in str(got[0]) and "P-17" not in str(got[0])


def test_the_sender_and_the_pipeline_are_killed_while_they_send(
    home: Path, series: Path, serve: Callable[..., Running]
) -> None:
    def slow(data: object) -> int:
        time.sleep(4)
        return 0

    port = free_port()
    with storage(slow, port=port) as (_, got):
        write_peers(home, pacs=dimse(port))
        drop(home, series)
        running = serve("pacs")
        until(lambda: len(got) == 1)
        os.kill(child(home), signal.SIGKILL)
        until(lambda: len(got) == 2)
        assert got[0].SOPInstanceUID == got[1].SOPInstanceUID
        assert states(home) == ["sending"]
        running.process.kill()
        running.process.wait(20)
    with storage(port=port) as (_, after):
        serve("pacs")
        until(lambda: states(home) == ["sent"])
    assert after[0] == got[0] and len({one.SOPInstanceUID for one in after}) == len(after)
    assert {str(one.Modality) for one in after} == {"SEG", "SR"}
