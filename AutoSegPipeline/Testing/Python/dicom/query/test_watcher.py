"""What a watch and an echo note, and that neither ends the process."""

from __future__ import annotations

import sqlite3
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core.pacs.config import parse_config
from AutoSegPipelineLib.core.pacs.peer_states import PeerStates
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.core.pacs.watched import Watched
from AutoSegPipelineLib.dicom.query import watcher
from support.archive import context
from support.certificate import write_certificate

WORDS = "no number: 'Roe^Jane'"  # as pydicom quotes a header

PEER = {"title": "A", "host": "127.0.0.1", "port": 1}
WATCH = {"name": "all", "peer": "pacs", "match": {"name": "Roe*"}}


def full(*args: Any, **values: Any) -> Any:
    raise sqlite3.OperationalError("database or disk is full")


def test_a_full_disk_ends_no_watch_and_no_echo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ours = context(tmp_path / "home", peers={"pacs": PEER}, watch=[WATCH])
    config = ours.config()
    PacsStore.of(ours.home).close()
    monkeypatch.setattr(PeerStates, "echoed", full)
    monkeypatch.setattr(Watched, "ended", full)
    assert "does not answer" in watcher.ask_peer(ours, "pacs", config.peer("pacs"))
    watcher.look(ours, config.watch[0], config.peer("pacs"))
    assert caplog.text.count("database or disk is full") == 2


def test_the_words_of_an_error_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def odd(*args: Any) -> Any:
        raise ValueError(WORDS)

    ours = context(tmp_path / "home", peers={"pacs": PEER}, watch=[WATCH])
    config = ours.config()
    monkeypatch.setattr(watcher, "echo", odd)
    monkeypatch.setattr(watcher, "find_studies", odd)
    assert watcher.ask_peer(ours, "pacs", config.peer("pacs")).startswith("ValueError in test_watcher.py")
    watcher.look(ours, config.watch[0], config.peer("pacs"))
    store = PacsStore.of(ours.home)
    assert store.watched.rounds()["all"].note.startswith("ValueError in test_watcher.py")
    store.close()
    assert "in odd" in caplog.text and "Roe" not in caplog.text


def test_a_certificate_that_is_not_trusted_is_said_without_the_search(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import http.server

    certificate, key = write_certificate(tmp_path)
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(certificate, key)
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = secure.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"https://127.0.0.1:{server.server_port}/dicom-web"
        values = {"peers": {"pacs": {"use": "web", "web": {"url": url}}}, "watch": [WATCH]}
        ours = context(tmp_path / "home", **values)
        config = parse_config(values)
        watcher.look(ours, config.watch[0], config.peer("pacs"))
        store = PacsStore.of(ours.home)
        note = store.watched.rounds()["all"].note
        store.close()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert "certificate" in note and "Roe" not in note + caplog.text
