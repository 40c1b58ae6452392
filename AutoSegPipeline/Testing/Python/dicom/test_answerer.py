"""Answers to what other processes ask: none waits for what it has nothing to do with."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.pacs import asks
from AutoSegPipelineLib.core.pacs.asks import Ask, Asks
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.dicom import answerer
from AutoSegPipelineLib.dicom.answerer import Answerer
from AutoSegPipelineLib.dicom.context import Context
from support.archive import context

WORDS = "no number: 'Roe^Jane'"  # as pydicom quotes a header

PEERS = {"pacs": {"title": "A", "host": "127.0.0.1", "port": 1}}


class Scene:
    """An answerer whose answers the test gives."""

    def __init__(self, root: Path) -> None:
        self.context = context(root, peers=PEERS)
        self.store = PacsStore.of(self.context.home)
        self.answerer = Answerer(self.context)

    def ask(self, kind: str, seconds: float = 10.0, **args: object) -> dict[str, object]:
        return self.store.asks.wait(self.store.asks.ask(kind, dict(args), "anna"), seconds)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    found = Scene(tmp_path / "home")
    yield found
    found.context.ended.set()
    found.answerer.stop()
    found.store.close()


def test_long_answers_hold_up_no_others(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()

    def slow(context: Context, ask: Ask) -> dict[str, object]:
        done.wait(30)
        return {}

    def quick(context: Context, ask: Ask) -> dict[str, object]:
        return {"kind": ask.kind}

    local = ("fetch", "cancel_fetch", "send")
    answers = {**dict.fromkeys(local, quick), "echo": quick, "stow": slow, "find": slow}
    monkeypatch.setattr(answerer, "ANSWERS", answers)
    scene.answerer.start()
    for _ in range(3):
        scene.store.asks.ask("stow", {}, "anna")
        scene.store.asks.ask("find", {"peer": "pacs"}, "anna")
    try:
        for kind in local:
            assert scene.ask(kind, peer="pacs")["kind"] == kind
            assert scene.ask(kind)["kind"] == kind
        with pytest.raises(PipelineError, match="cannot 'dance'"):
            scene.ask("dance")
        with pytest.raises(PipelineError, match="has not answered"):  # one peer gets two questions at once
            scene.ask("echo", 1.0, peer="pacs")
    finally:
        done.set()


def test_what_nobody_waits_for_is_removed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answerer, "PURGE_SECONDS", 0.5)
    monkeypatch.setattr(answerer, "ANSWERS", {})
    answered = scene.store.asks.ask("find", {"match": {"name": "Roe*"}}, "anna")
    scene.store.asks.answer(answered, {"ok": True, "studies": [{"name": "Roe Jane"}]})
    scene.store.asks.ask("find", {"match": {"name": "Roe*"}}, "anna")  # open: the one who asked was killed
    monkeypatch.setattr(asks, "KEPT_SECONDS", 0.2)
    time.sleep(0.3)
    scene.answerer.start()
    names = "SELECT COUNT(*) AS n FROM asks WHERE args LIKE '%Roe%'"
    reader = sqlite3.connect(str(scene.context.home.state / "dicom.sqlite"))

    def gone() -> None:
        until = time.monotonic() + 60
        while reader.execute(names).fetchone()[0]:
            assert time.monotonic() < until
            time.sleep(0.05)

    try:
        gone()  # at the start
        number = scene.store.asks.ask("find", {"match": {"name": "Roe*"}}, "anna")
        scene.store.asks.answer(number, {"ok": True})
        gone()  # while it runs
    finally:
        reader.close()


def test_a_store_that_cannot_be_used_ends_no_thread(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    monkeypatch.setattr(answerer, "LOCKED_SECONDS", 0.1)
    monkeypatch.setattr(answerer, "ANSWERS", {"echo": lambda context, ask: {}})
    broken = {"open": 2, "answer": 2, "purge": 1}
    for name in broken:
        real = getattr(Asks, name)

        def full(self: Asks, *args: Any, name: str = name, real: Any = real) -> Any:
            if broken[name]:
                broken[name] -= 1
                raise sqlite3.OperationalError("database or disk is full")
            return real(self, *args)

        monkeypatch.setattr(Asks, name, full)
    scene.answerer.start()
    for _ in range(2):
        with pytest.raises(PipelineError, match="has not answered"):
            scene.ask("echo", 2.0)
    assert scene.ask("echo") == {"ok": True}
    assert not any(broken.values()) and not died


def test_an_error_nobody_foresaw_is_answered_without_its_words(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def odd(context: Context, ask: Ask) -> dict[str, object]:
        raise ValueError(WORDS)

    monkeypatch.setattr(answerer, "ANSWERS", {"find": odd})
    scene.answerer.start()
    with pytest.raises(PipelineError) as caught:
        scene.ask("find", peer="pacs")
    assert caught.value.message.startswith("ValueError in test_answerer.py, line ")
    assert "in odd" in caplog.text and "Roe" not in caplog.text
