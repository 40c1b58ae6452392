"""`serve` and its neighbours against the real pipeline."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.lock import HomeLock
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.headless.app import Host, Serving
from AutoSegPipelineLib.headless.display import Silence
from support.headless import COMMAND, SERVE, Running, autoseg, clean_environment, write_scan

no_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="signals are POSIX; Windows has console events"
)


def jobs_of(home: Path) -> list[dict[str, Any]]:
    return json.loads(autoseg("--home", home, "list", "--json").stdout)["jobs"]


def test_a_dropped_scan_is_told_of_line_by_line_until_stop(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Running("--home", home, *SERVE) as serving:
        serving.wait_for(f"Drop a scan into {home / 'inbox'}")
        write_scan(home / "inbox" / "scan.nii.gz")
        serving.wait_for("new file added: scan.nii.gz")
        second = autoseg("--home", home, "serve")
        assert second.returncode == 1
        assert "environment.locked" in second.stderr and str(serving.process.pid) in second.stderr
        serving.wait_for("processing scan.nii.gz")
        serving.wait_for("done scan.nii.gz")
        assert autoseg("--home", home, "stop").returncode == 0
        assert serving.end() == 0
    assert (home / "results" / "scan.gltf").exists() and not (home / "inbox" / "scan.nii.gz").exists()
    log = [json.loads(line) for line in (home / "logs" / "pipeline.jsonl").read_text().splitlines()]
    assert [line for line in log if line["level"] == "error"] == []
    assert any("is done" in line["message"] for line in log)
    assert sum("begins to serve" in line["message"] for line in log) == 1, "who was turned away wrote nothing"


@no_signals
@pytest.mark.parametrize(
    ("number", "times", "code"), [("SIGTERM", 1, 0), ("SIGHUP", 2, 0), ("SIGINT", 2, 130)]
)
def test_a_signal_in_the_middle_of_a_case_loses_nothing(
    tmp_path: Path, number: str, times: int, code: int
) -> None:
    home = tmp_path / "home"
    scan = write_scan(tmp_path / "scan.nii.gz", spacing=3.5)
    autoseg("--home", home, "submit", scan)
    with Running("--home", home, *SERVE) as serving:
        serving.wait_for("processing scan.nii.gz")
        for time_ in range(times):
            serving.signal(getattr(signal, number))
            if time_ == 0:
                serving.wait_for("stopping")
        assert serving.end() == code
    assert "Traceback" not in serving.text
    assert not HomeLock(home / "state" / "pipeline.lock").is_held()
    (job,) = jobs_of(home)
    assert job["state"] in ("queued", "preparing", "segmenting")
    if number == "SIGINT":
        with Running("--home", home, *SERVE) as again:
            again.wait_for("done scan.nii.gz")
            again.signal(signal.SIGTERM)
            assert again.end() == 0
        assert [job["state"] for job in jobs_of(home)] == ["done"]


def test_what_happens_after_a_full_disk_is_told_too(tmp_path: Path) -> None:
    class AfterTheFall(Serving):
        def begin(self, host: Host) -> None:
            host.later(host.pipeline._suspend)
            host.every(0.05, lambda: self.look(host))

        def look(self, host: Host) -> None:
            if host.pipeline.ready and not host.narrator.counts["added"]:
                host.pipeline.commands.submit(scan)
            elif host.narrator.counts["refused"]:
                host.stop(0)

    (scan := tmp_path / "text.nii").write_text("no scan")
    settings = Settings.defaults(watch=False, disk_min_free_mb=10)
    lines: list[str] = []

    class Kept(Silence):
        def refresh(self) -> None:
            lines.extend(line.text for line in self._narrator.take())

    Host(Home.at(tmp_path / "home"), settings, Kept, "serve").run(AfterTheFall())
    assert "new file added: text.nii" in lines
    assert "refused text.nii" in " ".join(lines)
    log = (tmp_path / "home" / "logs" / "pipeline.jsonl").read_text()
    assert "Traceback" not in log and "an event could not be served" not in log


def test_the_demo_ends_by_itself_and_says_what_to_open(tmp_path: Path) -> None:
    done = autoseg("demo", tmp_path / "demo", "--once", "--formats", "gltf")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"open {tmp_path / 'demo' / 'results' / 'demo_ct.gltf'}" in done.stdout


@no_signals
def test_on_a_terminal_a_picture_is_drawn_that_outlives_its_window(tmp_path: Path) -> None:
    import pty
    import subprocess

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "--home", str(tmp_path / "home"), *SERVE],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.STDOUT,
        env=clean_environment(TERM="xterm", COLUMNS="80"),
        start_new_session=True,
    )
    os.close(theirs)
    said = b""
    until = time.monotonic() + 30
    try:
        while b"waiting for scans" not in said and time.monotonic() < until:
            said += os.read(ours, 65536)
        os.close(ours)  # the window is closed
        time.sleep(1.0)
        assert process.poll() is None
        process.terminate()
        assert process.wait(20) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait(10)
    assert b"added" in said and b"\x1b[" in said
    assert b"Traceback" not in said
