"""The panel as a view: another program's home, ten thousand jobs, servers, several panels."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.lock import HomeLock
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.slicer_app.panel.panel import Panel
from AutoSegPipelineLib.slicer_app.session import Session
from support.panel import Place, places, text
from support.web_server import slicer_web_server as slicer_web_server


@pytest.fixture
def place(tmp_path: Path, slicer_web_server: None) -> Iterator[Place]:
    yield from places(tmp_path)


def test_a_second_program_on_the_home_says_so_and_only_looks(place: Place) -> None:
    place.session.start()
    place.until(lambda: place.session.state == "running")
    second = Session(place.host, place.session.home.root)
    view = Panel(second)
    try:
        assert "in use by a test" in text(view.ui.noticeLabel) and "view" in text(view.ui.noticeLabel)
        place.host.files = [str(place.scan("chest.nii.gz"))]
        place.ui.addFilesButton.click()
        place.until(lambda: view.feed.jobs.counts["done"] == 1)
        view.jobs.table.select([view.feed.jobs.at(0).id])
        buttons = ("watchButton", "addFilesButton", "addFolderButton", "cancelButton", "retryButton")
        buttons += ("removeButton", "goodButton", "upButton", "installButton", "serverButton", "stopButton")
        assert [name for name in buttons if getattr(view.ui, name).isEnabled()] == []
        assert not view.ui.engineCombo.isEnabled() and not view.ui.stlCheck.isEnabled()
        for name in ("openResultsButton", "logButton"):
            assert getattr(view.ui, name).isEnabled()
        place.session.stop()
        second._locked_until = 0.0  # the look at the lock is kept for a second
        place.until(lambda: view.ui.watchButton.isEnabled(), 60)
        assert text(view.ui.noticeLabel) == ""
    finally:
        view.close()
        second.close()


def test_ten_thousand_jobs_fill_only_the_rows_in_sight(place: Place) -> None:
    home = place.session.home
    home.create()
    other = HomeLock(home.lock)  # another process writes
    other.acquire("another program")
    store = Store(home.store)
    with store.transaction():
        for number in range(10_000):
            store.jobs.add(Job(label=f"scan {number}", state=states.DONE, progress=1.0))
    place.until(lambda: len(place.panel.feed.jobs) == 10_000)
    table = place.ui.jobsTable
    assert table.rowCount() == 10_000
    assert table.item(0, 0).text() == "scan 9999", "the newest first"
    filled = sum(table.item(row, 0) is not None for row in range(10_000))
    assert 0 < filled < 300
    table.scrollToBottom()
    place.until(lambda: table.item(9999, 0) is not None)
    assert table.item(9999, 0).text() == "scan 0"
    place.select("scan 5")
    running = Job(label="new", state=states.QUEUED, priority=50)
    store.jobs.add(running)
    place.until(lambda: table.rowCount() == 10_001)
    assert [job.label for job in place.panel.jobs.table.selected] == ["scan 5"]
    store.jobs.delete(running.id)
    place.until(lambda: table.rowCount() == 10_000)
    store.close()
    other.release()


def test_the_embedded_server_starts_tells_its_address_and_stops(place: Place) -> None:
    ui = place.ui
    ui.serverKindCombo.setCurrentIndex(0)
    ui.portSpin.setValue(0)
    ui.serverButton.click()
    place.until(lambda: "http://" in text(ui.serverUrlLabel))
    url = place.session.server_url
    script = f"import urllib.request; print(urllib.request.urlopen({url!r} + '/files').read().decode())"
    client = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    place.until(lambda: client.poll() is not None, 60)
    assert client.communicate()[0].strip() == "[]"
    assert text(ui.serverButton) == "Stop server" and not ui.portSpin.isEnabled()
    ui.serverButton.click()
    assert text(ui.serverButton) == "Start server" and text(ui.serverUrlLabel) == ""
    again = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert again.returncode != 0


def test_two_panels_show_the_same_session(place: Place) -> None:
    other = Panel(place.session)
    place.ui.watchButton.click()
    place.until(lambda: text(other.ui.watchButton) == "Stop watching")
    other.ui.watchButton.click()
    place.until(lambda: text(place.ui.watchButton) == "Start watching")
    other.close()


def test_a_session_goes_on_after_a_reload_as_it_was(place: Place, tmp_path: Path) -> None:
    session = place.session
    session.start_watching(inbox=tmp_path / "in", quality="fast")
    session.start_server("embedded", 0)
    before = session.resume_later()
    session.close()
    fresh = Session(place.host, None)
    fresh.resume(before)
    try:
        assert fresh.watching and fresh.home == session.home and fresh.settings()["quality"] == "fast"
        assert fresh.server_kind == "embedded" and fresh.server_url
    finally:
        fresh.close()


def test_stopping_is_refused_while_a_guard_has_a_reason(place: Place) -> None:
    from AutoSegPipelineLib.core.errors import PipelineError

    place.session.guards.append(lambda: "Slicer computes a case itself")
    with pytest.raises(PipelineError, match="computes a case"):
        place.session.check_may_stop()
