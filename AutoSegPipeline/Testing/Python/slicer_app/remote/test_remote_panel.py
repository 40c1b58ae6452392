"""Slicer as the client of another machine: a real pipeline with accounts elsewhere, the panel here."""

from __future__ import annotations

import os
import re
import signal
import stat
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.processing.phantom import torso, write_nifti
from AutoSegPipelineLib.slicer_app.panel.panel import Panel
from AutoSegPipelineLib.slicer_app.remote.servers import Server, Servers
from AutoSegPipelineLib.slicer_app.remote.session import RemoteSession
from AutoSegPipelineLib.web.accounts.accounts import Accounts
from support.headless import Running
from support.panel import Host, text
from support.programs import package
from support.qt import run_until

SETTINGS = ("--engine", "tissue", "--settle-seconds", "0.2", "--formats", "seg")


class Machine:
    """The other machine: `serve` with an account, and a token of it."""

    def __init__(self, home: Path) -> None:
        self.home = Home.at(home)
        self.home.create()
        accounts = Accounts.of(self.home)
        accounts.users.add("anna", "operator", "correct horse battery")
        self.token = accounts.tokens.create("anna", "slicer", "operator", 1.0)[1]
        self.viewer = accounts.tokens.create("anna", "look", "viewer", 1.0)[1]
        accounts.close()
        self.url = ""
        self.start(0)

    def start(self, port: int) -> None:
        """Serve; the port is chosen at the first time."""
        arguments = ("--home", self.home.root, "--web", "--port", port, *SETTINGS)
        self.running = Running("serve", *arguments, env={"AUTOSEG_WEB": "yes"})
        self.running.wait_for("http://127.0.0.1:")
        found = re.search(r"http://127\.0\.0\.1:(\d+)", self.running.text)
        assert found is not None
        self.url, self.port = found.group(), int(found[1])

    def stop(self) -> None:
        self.running.signal(signal.SIGINT)
        assert self.running.end() == 0


class Client:
    """A Slicer whose panel shows the other machine's pipeline."""

    def __init__(self, folder: Path, server: Server) -> None:
        folder.mkdir()
        self.folder = folder
        self.host = Host(folder)
        self.session = RemoteSession(self.host, server, folder / "state")
        self.switched: list[str] = []
        servers = Servers(folder / "state")
        self.panel = Panel(self.session, servers, server.name, self.switched.append)
        self.panel.widget.show()
        self.session.start()

    @property
    def ui(self) -> Any:
        return self.panel.ui

    def rows(self) -> list[tuple[str, str]]:
        jobs = self.panel.feed.jobs
        return [(jobs.at(row).label, jobs.at(row).state) for row in range(len(jobs))]

    def until(self, predicate: Callable[[], object], seconds: float = 60.0) -> None:
        run_until(predicate, seconds)

    def select(self, label: str) -> str:
        job = next(job for job in self.panel.feed.jobs.jobs.values() if job.label == label)
        self.panel.jobs.table.select([job.id])
        return job.id

    def close(self) -> None:
        self.session.close()
        self.panel.close()
        self.panel.widget.close()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "machine")
    yield made
    made.stop()


@pytest.fixture
def client(machine: Machine, tmp_path: Path) -> Iterator[Client]:
    package("PySide6.QtWidgets", "OpenGL's libraries, libEGL")
    made = Client(tmp_path / "client", Server("workstation", machine.url, machine.token).checked())
    yield made
    made.close()


def scan(path: Path) -> Path:
    write_nifti(torso(shape=(61, 50, 40), spacing=(6.0,) * 3).volume, path)
    return path


def test_a_volume_is_sent_followed_loaded_repeated_and_removed(machine: Machine, client: Client) -> None:
    ui, host = client.ui, client.host
    client.until(lambda: client.session.state == "running")
    assert not ui.watchButton.isVisibleTo(client.panel.widget)
    client.session.change(quality="fastest")
    host.volume = scan(client.folder / "liver.nii.gz")
    ui.sendVolumeButton.click()
    label = "Volume.nii.gz"
    client.until(lambda: (label, "done") in client.rows(), 90)
    (there,) = machine.home.results.glob("*.seg.nrrd")
    assert list(client.folder.glob("autoseg-*")) == [], "the volume was saved for the way only"

    job = client.select(label)
    ui.loadButton.click()
    client.until(lambda: ("load", job, False) in host.asked)
    (here,) = client.session.home.results.iterdir()
    assert here.read_bytes() == there.read_bytes()
    assert client.session.autoseg.results(client.session.autoseg.job(job)) == {"seg.nrrd": here}
    assert client.session.autoseg.job(job).options["quality"] == "fastest"
    ui.logButton.click()
    client.until(lambda: client.panel.jobs._log.text is not None)
    assert "segmenting" in client.panel.jobs._log.text.toPlainText()

    ui.badButton.click()
    client.until(lambda: client.session.autoseg.job(job).review.get("mark") == "bad")
    ui.retryButton.click()
    client.until(lambda: client.rows() != [(label, "done")])
    client.until(lambda: client.rows() == [(label, "done")], 90)
    client.select(label)
    ui.removeButton.click()
    client.until(lambda: client.rows() == [])
    assert list(machine.home.results.glob("*.seg.nrrd")) == []
    assert text(ui.noticeLabel) == ""


def test_files_are_sent_and_what_the_server_refuses_is_shown(machine: Machine, client: Client) -> None:
    client.until(lambda: client.session.state == "running")
    bad = client.folder / "bad.nii.gz"
    bad.write_bytes(b"no scan" * 100)
    client.host.files = [str(bad)]
    client.ui.addFilesButton.click()
    client.until(lambda: ("bad.nii.gz", "refused") in client.rows())
    client.select("bad.nii.gz")
    client.until(lambda: "bad.nii.gz" in text(client.ui.jobMessageLabel))
    client.host.files = [str(client.folder)]
    client.ui.addFilesButton.click()
    assert "Pack it into a .zip" in text(client.ui.noticeLabel)
    with pytest.raises(PipelineError, match="folders of its own"):
        client.session.start_watching()


def test_a_server_that_goes_away_is_said_and_comes_back(machine: Machine, client: Client) -> None:
    client.until(lambda: client.session.state == "running")
    client.host.files = [str(scan(client.folder / "chest.nii.gz"))]
    client.ui.addFilesButton.click()
    client.until(lambda: ("chest.nii.gz", "done") in client.rows(), 90)
    machine.stop()
    client.until(lambda: "does not answer" in text(client.ui.noticeLabel), 60)
    assert ("chest.nii.gz", "done") in client.rows(), "what was known stays in view"
    machine.start(machine.port)
    client.until(lambda: text(client.ui.noticeLabel) == "", 60)


@pytest.mark.parametrize("which", ["", "viewer"])
def test_a_token_that_does_not_suffice_is_said(machine: Machine, tmp_path: Path, which: str) -> None:
    package("PySide6.QtWidgets", "OpenGL's libraries, libEGL")
    token = machine.viewer if which else "wrong"
    client = Client(tmp_path / "other", Server("workstation", machine.url, token))
    try:
        if which:
            client.until(lambda: client.session.state == "running")
            client.host.files = [str(scan(client.folder / "chest.nii.gz"))]
            client.ui.addFilesButton.click()
        client.until(lambda: "token with the role operator" in text(client.ui.noticeLabel))
        later = time.monotonic() + 1
        client.until(lambda: time.monotonic() > later)
        shown = text(client.ui.noticeLabel)
        assert "token with the role operator" in shown, "until something else is asked"
        assert shown.startswith("chest.nii.gz was not sent: " if which else "workstation: ")
        if which:
            client.ui.addFilesButton.click()
            assert client.session.fault is None
            client.until(lambda: text(client.ui.noticeLabel) == shown)
    finally:
        client.close()


def test_nothing_of_the_connection_stays_behind(machine: Machine, client: Client) -> None:
    client.until(lambda: client.session.state == "running")
    state = client.session.home.state
    assert (state / "server.json").exists()
    client.session.stop()
    assert client.session.state == "stopped" and not (state / "server.json").exists()
    kept = [
        path for path in state.rglob("*") if path.is_file() and machine.token.encode() in path.read_bytes()
    ]
    assert kept == []


def test_servers_are_added_chosen_and_forgotten_in_the_panel(machine: Machine, client: Client) -> None:
    client.panel.where.refresh()
    client.ui.addServerButton.click()
    dialog = client.panel.where.dialog
    dialog.edits["name"].setText("far away")
    dialog.edits["url"].setText("http://scans.example:8080")
    dialog.edits["token"].setText("secret")
    dialog.button.click()
    assert "without encryption" in text(dialog.label) and client.switched == []
    dialog.edits["url"].setText("https://scans.example:8080/")
    dialog.button.click()
    client.until(lambda: client.switched == ["far away"])
    servers = Servers(client.folder / "state")
    assert servers.find("far away") == Server("far away", "https://scans.example:8080", "secret")
    if os.name != "nt":
        assert stat.S_IMODE((client.folder / "state" / "servers.json").stat().st_mode) == 0o600
    client.panel.where.refresh()
    combo = client.ui.whereCombo
    assert [combo.itemText(row) for row in range(combo.count())] == ["This Slicer", "far away"]
    combo.setCurrentIndex(1)
    combo.activated.emit(1)
    client.until(lambda: client.switched == ["far away", "far away"])
    client.panel.where._chosen = "far away"
    client.panel.where.refresh()
    client.ui.forgetServerButton.click()
    client.until(lambda: client.switched[-1] == "")
    assert servers.list() == []


WRONG = [
    "ftp://a",
    "server.example",
    "http://server.example:8080",
    "https://anna:secret@server.example",
    "https://",
]


@pytest.mark.parametrize("url", WRONG)
def test_addresses_that_are_none_or_not_safe_are_refused(url: str) -> None:
    with pytest.raises(PipelineError) as caught:
        Server("name", url, "token").checked()
    assert caught.value.code == "request.invalid" and caught.value.hint
