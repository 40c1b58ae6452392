"""The self-test takes the ways of all scans, and says which of them is closed."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

from AutoSegPipelineLib.core.pacs.config import FILE
from support.headless import Running, autoseg
from support.orthanc import free_port, orthanc


def status(home: Path) -> dict[str, Any]:
    return dict(json.loads(autoseg("dicom", "status", "--json", "--home", home).stdout))


def test_a_phantom_comes_in_and_its_results_arrive(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with orthanc(tmp_path / "orthanc") as server:
        there = {"title": "ORTHANC", "host": "127.0.0.1", "port": server.port}
        away = {"title": "ORTHANC", "host": "127.0.0.1", "port": free_port()}
        receiver = {"port": free_port()}
        (home / FILE).write_text(json.dumps({"receiver": receiver, "peers": {"pacs": there, "away": away}}))
        running = Running("serve", "--home", home, "--dicom", "--no-web")
        try:
            until = time.monotonic() + 60
            while not status(home)["running"]:
                assert time.monotonic() < until
                time.sleep(0.3)
            done = autoseg("dicom", "test", "pacs", "--json", "--home", home, timeout=200)
            found = json.loads(done.stdout)
            assert done.returncode == 0 and found["passed"], found
            steps = [step["step"] for step in found["steps"]]
            assert steps == ["received", "accepted", "processed", "sent", "found"]
            assert found["steps"][-1]["note"] == "the study holds SEG, SR"
            assert {one["PatientID"] for one in server.instances()} == {"AUTOSEG-SELFTEST"}
            until = time.monotonic() + 60
            while json.loads(autoseg("list", "--json", "--home", home).stdout).get("jobs"):
                assert time.monotonic() < until, "the job of the test stays"
                time.sleep(0.3)
            failed = autoseg("dicom", "test", "away", "--json", "--home", home, timeout=200)
            last = json.loads(failed.stdout)["steps"][-1]
            assert failed.returncode == 1 and (last["step"], last["ok"]) == ("sent", False)
            assert "does not answer" in last["note"]
            assert status(home)["refused"] == []
        finally:
            running.signal(signal.SIGINT)
            assert running.end() == 0
