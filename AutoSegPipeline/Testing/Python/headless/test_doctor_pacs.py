"""``doctor`` on the PACS: nothing unasked, the file, each peer asked now, what waits and what failed."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.pacs.config import FILE
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.headless.doctor_pacs import exchange
from AutoSegPipelineLib.headless.findings import FAIL, OK, WARN, Finding
from AutoSegPipelineLib.headless.session import Session
from support.headless import Running
from support.orthanc import free_port, orthanc


def findings(home: Path, **settings: Any) -> list[Finding]:
    return list(exchange(Session({"home": home}), Settings.defaults(**settings)))


def written(home: Path, config: dict[str, Any]) -> None:
    Home.at(home).create()
    (home / FILE).write_text(json.dumps(config), encoding="utf-8")


def test_where_nobody_set_it_up_nothing_is_said(tmp_path: Path) -> None:
    assert findings(tmp_path) == []


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    written(tmp_path, {"peers": {"pacs": {"titel": "A"}}})
    (found,) = findings(tmp_path)
    assert found.status == FAIL and "did you mean 'title'" in found.text


def test_each_peer_is_asked_and_its_history_is_shown(tmp_path: Path) -> None:
    with orthanc(tmp_path / "orthanc") as server:
        peers = {
            "here": {"title": server.title, "host": "127.0.0.1", "port": server.port},
            "web": {"use": "web", "web": {"url": server.dicom_web}},
            "away": {"title": "GONE", "host": "127.0.0.1", "port": free_port()},
        }
        written(tmp_path / "home", {"peers": peers})
        store = PacsStore.of(Home.at(tmp_path / "home"))
        store.peers.received("here")
        store.sends.want("job", "here", "2026-11-29T12:00:00Z")
        store.close()
        receiver, here, web, away = findings(tmp_path / "home", dicom=True)
    assert receiver.status == OK and "AUTOSEG on 127.0.0.1, port 11112" in receiver.text
    assert here.status == OK and here.text.startswith("here answers; received 20")
    assert "1 waiting, 0 failed" in here.text
    assert web.status == OK and web.text == (
        "web answers; received never, sent never, 0 waiting, 0 failed; 0 to fetch, 0 not fetched"
    )
    assert away.status == WARN and away.text.startswith("away: ")


def test_peers_that_are_away_are_asked_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from AutoSegPipelineLib.dicom.query import find

    all_at_once = threading.Barrier(8)
    monkeypatch.setattr(find, "echo", lambda name, peer: all_at_once.wait(20))
    peers = {f"p{number}": {"title": "P", "host": "127.0.0.1", "port": 1} for number in range(8)}
    written(tmp_path, {"peers": peers})
    assert len(findings(tmp_path)) == 9
    assert not all_at_once.broken


def test_a_receiver_that_cannot_listen_is_a_failure(tmp_path: Path) -> None:
    port = free_port()
    written(tmp_path, {"receiver": {"port": port}})
    with socket.create_server(("127.0.0.1", port)):
        running = Running("serve", "--home", tmp_path, "--dicom", "--no-web")
        try:
            until = time.monotonic() + 60
            while (found := findings(tmp_path, dicom=True)[0]).status != FAIL:
                assert time.monotonic() < until, found
                time.sleep(0.2)
        finally:
            running.signal(signal.SIGINT)
            assert running.end() == 0
    assert str(port) in found.text and "receiver" in found.fix
