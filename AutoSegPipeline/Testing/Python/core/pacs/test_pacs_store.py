"""``state/dicom.sqlite``: questions and answers, refusals, how the peers are."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.pacs import refusals
from AutoSegPipelineLib.core.pacs.store import PacsStore


def test_a_question_is_answered_by_another_connection(tmp_path: Path) -> None:
    path = tmp_path / "dicom.sqlite"
    ours = PacsStore(path)
    number = ours.asks.ask("echo", {"peer": "pacs"}, "anna")

    def answer() -> None:
        theirs = PacsStore(path)
        (row,) = theirs.asks.open()
        assert (row.kind, row.args, row.by) == ("echo", {"peer": "pacs"}, "anna")
        theirs.asks.answer(row.id, {"ok": True, "found": 3})
        theirs.close()

    thread = threading.Thread(target=answer)
    thread.start()
    assert ours.asks.wait(number, 20)["found"] == 3
    thread.join()
    assert ours.asks.open() == []
    ours.close()


def test_an_answer_may_be_an_error_and_no_answer_takes_the_question_back(tmp_path: Path) -> None:
    store = PacsStore(tmp_path / "dicom.sqlite")
    number = store.asks.ask("echo", {}, "")
    store.asks.answer(number, {"error": PipelineError("pacs.unknown_peer", "no peer").to_dict()})
    with pytest.raises(PipelineError, match="no peer"):
        store.asks.wait(number, 1)
    number = store.asks.ask("echo", {}, "")
    begun = time.monotonic()
    with pytest.raises(PipelineError) as caught:
        store.asks.wait(number, 0.2)
    assert caught.value.code == "pacs.no_answer" and time.monotonic() - begun < 5
    assert store.asks.open() == []
    store.close()


def test_refusals_are_counted_and_bounded_and_say_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "KEPT", 5)
    store = PacsStore(tmp_path / "dicom.sqlite")
    for number in range(20):
        store.refusals.note(f"X{number}", "AUTOSEG", "10.0.0.1", "", "unknown caller")
    for _ in range(3):
        store.refusals.note("CT1", "AUTOSEG", "10.0.0.7", "sha256:ab", "unknown caller")
    found = store.refusals.list()
    assert len(found) == 5 and found[0].title == "CT1" and found[0].count == 3
    assert found[0].line == '{"title": "CT1", "address": "10.0.0.7", "certificate": "sha256:ab"}'
    store.close()


def test_the_states_of_peers_are_kept_and_the_file_is_private(tmp_path: Path) -> None:
    store = PacsStore(tmp_path / "dicom.sqlite")
    store.peers.echoed("pacs", False, "connection refused")
    store.peers.sent("pacs")
    (state,) = store.peers.list()
    assert state.name == "pacs" and not state.echo_ok and state.echo_note == "connection refused"
    assert state.sent is not None and state.received is None
    store.close()
    if os.name != "nt":
        assert stat.S_IMODE((tmp_path / "dicom.sqlite").stat().st_mode) == 0o600
