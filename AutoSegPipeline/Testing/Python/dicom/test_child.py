"""The dicom child as the pipeline runs it: kept alive, told its file, asked, ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.pacs.config import FILE
from AutoSegPipelineLib.core.pacs.store import PacsStore
from support.headless import Running, autoseg, clean_environment


def status_of(home: Path) -> dict[str, Any]:
    return dict(json.loads(autoseg("dicom", "status", "--json", "--home", home).stdout))


def until_running(home: Path, seconds: float = 40.0) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while True:
        found = status_of(home)
        if found["running"]:
            return found
        assert time.monotonic() < until, found
        time.sleep(0.2)


def test_it_runs_while_the_pipeline_does_and_comes_back_when_it_is_killed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    running = Running("serve", "--home", home, "--dicom", "--no-web")
    try:
        first = until_running(home)["process"]["pid"]
        store = PacsStore.of(Home.at(home))
        number = store.asks.ask("dance", {}, "anna")
        with pytest.raises(PipelineError, match="cannot 'dance'"):
            store.asks.wait(number, 20)
        os.kill(first, signal.SIGKILL)
        until = time.monotonic() + 60
        while True:
            found = status_of(home)
            if found["running"] and found["process"]["pid"] != first:
                break
            assert time.monotonic() < until, found
            time.sleep(0.2)
        number = store.asks.ask("dance", {}, "anna")
        with pytest.raises(PipelineError, match="cannot 'dance'"):
            store.asks.wait(number, 20)
        second = found["process"]["pid"]
        store.close()
    finally:
        running.signal(signal.SIGINT)
        assert running.end() == 0
    assert not psutil.pid_exists(second)


def test_a_wrong_file_is_named_at_the_start_and_not_used_later(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / FILE).write_text('{"peers": {"pacs": {"titel": "A"}}}')
    running = Running("serve", "--home", home, "--dicom", "--no-web")
    try:
        running.wait_for("did you mean 'title'")
        found = status_of(home)
        assert not found["running"] and found["error"]["code"] == "pacs.configuration"
        assert found["process"]["error"]["code"] == "pacs.configuration"
        (home / FILE).write_text('{"receiver": {"port": 0}}')
        until_running(home)
    finally:
        running.signal(signal.SIGINT)
        assert running.end() == 0


def test_a_change_of_the_file_is_seen_and_a_mistake_keeps_the_one_before(tmp_path: Path) -> None:
    from AutoSegPipelineLib.dicom.context import LiveConfig

    home = Home.at(tmp_path)
    path = tmp_path / FILE
    path.write_text(json.dumps({"receiver": {"title": "ONE"}}))
    config = LiveConfig(home)
    assert config().receiver.title == "ONE"
    path.write_text(json.dumps({"receiver": {"title": "SECOND"}}))
    assert config().receiver.title == "SECOND" and config.error is None
    path.write_text("{")
    assert config().receiver.title == "SECOND"
    assert config.error is not None and config.error.code == "pacs.configuration"
    path.unlink()
    assert config().receiver.title == "AUTOSEG" and config.error is None


def test_a_part_whose_thread_dies_ends_the_process() -> None:
    code = (
        "import threading, time; from AutoSegPipelineLib.dicom import child; "
        "threading.excepthook = child._end_with_the_thread; "
        "threading.Thread(target=lambda: 1 / 0).start(); time.sleep(20)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], env=clean_environment(), capture_output=True, text=True, timeout=15
    )
    assert found.returncode and "has died" in found.stderr and "ZeroDivisionError" in found.stderr
