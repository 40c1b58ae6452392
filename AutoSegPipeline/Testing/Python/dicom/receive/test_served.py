"""A serving pipeline receives: by dcmtk, from Orthanc, while its dicom child is killed."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from AutoSegPipelineLib.processing.phantom import torso, write_dicom_series
from support.headless import SERVE, Running, autoseg
from support.orthanc import Orthanc, free_port, needed, orthanc
from support.receiving import dcmsend


def jobs_of(home: Path) -> list[dict[str, Any]]:
    return list(json.loads(autoseg("list", "--json", "--home", home).stdout)["jobs"])


def until_ended(home: Path, count: int, seconds: float = 120.0) -> list[dict[str, Any]]:
    end = time.monotonic() + seconds
    while True:
        found = jobs_of(home)
        if len(found) >= count and all(one["state"] in ("done", "failed", "refused") for one in found):
            return found
        assert time.monotonic() < end, found
        time.sleep(0.5)


def until_listening(home: Path) -> int:
    """The pid of the dicom child once it listens."""
    end = time.monotonic() + 60
    while True:
        found = json.loads(autoseg("dicom", "status", "--json", "--home", home).stdout)
        if found["running"] and found["listening"] and not found["listening"]["error"]:
            return int(found["process"]["pid"])
        assert time.monotonic() < end, found
        time.sleep(0.2)


def write_torso(folder: Path, number: int) -> list[Path]:
    volume = torso(shape=(46, 38, 24), spacing=(8.0, 8.0, 7.5), seed=number).volume
    return write_dicom_series(volume, folder, seed=number, SeriesNumber=number)


def test_series_from_dcmtk_and_orthanc_become_jobs(tmp_path: Path) -> None:
    needed("dcmsend", "Orthanc")
    home, port = tmp_path / "home", free_port()
    home.mkdir()
    file = {
        "receiver": {"port": port},
        "callers": [{"title": title, "address": "127.0.0.1"} for title in ("CT1", "ORTHANC")],
        "entries": [{"title": "AUTOSEG", "quiet_seconds": 1.0, "options": {"quality": "fastest"}}],
    }
    (home / "dicom.json").write_text(json.dumps(file))
    with Running(*SERVE, "--dicom", "--home", home) as running:
        pid = until_listening(home)
        first, second = write_torso(tmp_path / "1", 1), write_torso(tmp_path / "2", 2)
        sender = dcmsend(port, *first, calling="CT1")
        assert sender.wait(60) == 0, sender.communicate()[0]
        os.kill(pid, signal.SIGKILL)  # before the series was quiet for long enough
        assert until_listening(home) != pid
        with orthanc(tmp_path / "orthanc", known={"autoseg": ("AUTOSEG", port)}) as archive:
            store_from(archive, second)
        found = until_ended(home, 2)
        assert [one["state"] for one in found] == ["done", "done"], found
        assert sorted(one["submitted_by"] for one in found) == ["CT1", "ORTHANC"]
        assert all(one["door"] == "dicom" and one["options"]["quality"] == "fastest" for one in found)
        assert sorted(one["shape"][2] for one in found) == sorted((len(first), len(second)))
        shown = autoseg("dicom", "status", "--home", home).stdout
        assert "received" in shown and "done" in shown
        running.signal(signal.SIGINT)
        assert running.end() == 0


def store_from(archive: Orthanc, paths: list[Path]) -> None:
    archive.add(*paths)
    archive.rest("/modalities/autoseg/store", json.dumps(archive.rest("/series")).encode())
