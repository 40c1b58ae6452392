"""What becomes of a send that works, one that does not, and of those beside it."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.pacs.config import FILE
from AutoSegPipelineLib.core.pacs.sends import FAILED, SENT, WAITING, Send, Sends
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.dicom.context import Context, LiveConfig
from AutoSegPipelineLib.dicom.send import sender as module
from AutoSegPipelineLib.dicom.send.delivery import NotReady
from AutoSegPipelineLib.dicom.send.outbox import folder_of
from AutoSegPipelineLib.dicom.send.sender import Deliver, Sender

Run = Callable[[Deliver], Sender]
AWAY = PipelineError("pacs.peer_away", "pacs did not answer")


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(module, "FIRST_WAIT", 0.1)
    monkeypatch.setattr(module, "NOT_READY_SECONDS", 0.1)
    home = Home.at(tmp_path)
    home.create()
    return Context(home, Settings({}, {}), LiveConfig(home))


@pytest.fixture
def run(context: Context) -> Iterator[Run]:
    started: list[Sender] = []

    def start(deliver: Deliver) -> Sender:
        started.append(Sender(context, deliver))
        started[-1].start()
        return started[-1]

    yield start
    context.ended.set()
    for one in started:
        one.stop()


def until(what: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def state_of(pacs: PacsStore, number: int) -> str:
    found = pacs.sends.get(number)
    assert found is not None
    return found.state


def test_a_peer_that_is_away_is_tried_until_it_is_back(context: Context, pacs: PacsStore, run: Run) -> None:
    tried: list[str] = []
    back = threading.Event()

    def deliver(context: Context, pacs: PacsStore, send: Send) -> None:
        tried.append(send.job)
        if not back.is_set():
            raise AWAY

    numbers = [pacs.sends.want(f"j{n}", "pacs", "monday") for n in range(20)]
    run(deliver)
    until(lambda: len(tried) >= 3)
    assert len(tried) < 6 and len(set(tried)) == len(tried), "one try for all of them, each time another"
    assert all(one.error is not None for one in pacs.sends.waiting())
    back.set()
    until(lambda: all(state_of(pacs, one) == SENT for one in numbers))
    assert [one.name for one in pacs.peers.list() if one.sent] == ["pacs"]


def test_waits_grow_and_stop_growing(
    context: Context, pacs: PacsStore, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(module, "LONGEST_WAIT", 0.2)
    at: list[float] = []

    def deliver(context: Context, pacs: PacsStore, send: Send) -> None:
        at.append(time.monotonic())
        raise PipelineError("pacs.not_taken", "status A700")

    pacs.sends.want("j1", "pacs", "monday")
    run(deliver)
    until(lambda: len(at) >= 6)
    waits = [later - earlier for earlier, later in zip(at, at[1:])]
    assert all(wait >= least for wait, least in zip(waits, (0.05, 0.1, 0.2, 0.2, 0.2))) and waits[4] < 2


def test_one_slow_peer_and_one_refused_send_hold_up_nothing(
    context: Context, pacs: PacsStore, run: Run
) -> None:
    slow = threading.Event()

    def deliver(context: Context, pacs: PacsStore, send: Send) -> None:
        if send.peer == "slow":
            slow.wait(20)
        if send.job == "bad":
            raise PipelineError("pacs.not_taken", "pacs did not take the seg")

    waits = pacs.sends.want("j1", "slow", "monday")
    bad = pacs.sends.want("bad", "pacs", "monday")
    good = pacs.sends.want("j1", "pacs", "monday")
    run(deliver)
    until(lambda: state_of(pacs, good) == SENT)
    until(lambda: state_of(pacs, waits) == "sending")
    assert state_of(pacs, bad) in (WAITING, "sending")
    slow.set()
    until(lambda: state_of(pacs, waits) == SENT)


@pytest.mark.parametrize("code", ["pacs.patient_mismatch", "pacs.no_source_headers", "dicom.identity_left"])
def test_what_would_never_be_right_stops_at_once_with_an_alarm(
    context: Context, pacs: PacsStore, run: Run, code: str
) -> None:
    tried: list[str] = []

    def deliver(context: Context, pacs: PacsStore, send: Send) -> None:
        tried.append(send.job)
        folder_of(context.home, send.id).mkdir(parents=True)
        raise PipelineError(code, "no")

    number = pacs.sends.want("j1", "pacs", "monday")
    run(deliver)
    until(lambda: state_of(pacs, number) == FAILED)
    time.sleep(0.3)
    assert tried == ["j1"] and not folder_of(context.home, number).exists()
    (alarm,) = pacs.alarms.since(0)
    assert (alarm.code, alarm.job, alarm.peer) == (code, "j1", "pacs")
    assert alarm.message == "the results of j1 were not sent to pacs: no"


def test_it_is_given_up_after_the_time_of_the_peer_and_sent_on_request(
    context: Context, pacs: PacsStore, run: Run
) -> None:
    peer = {"title": "A", "host": "127.0.0.1", "give_up_hours": 0.0001}
    (context.home.root / FILE).write_text(json.dumps({"peers": {"pacs": peer}}))
    right = threading.Event()

    def deliver(context: Context, pacs: PacsStore, send: Send) -> None:
        if not right.is_set():
            raise AWAY

    numbers = [pacs.sends.want(f"j{n}", "pacs", "monday") for n in range(3)]
    run(deliver)
    until(lambda: all(state_of(pacs, one) == FAILED for one in numbers))
    found = pacs.sends.get(numbers[2])
    assert found is not None and found.error is not None
    assert found.error["code"] == "pacs.gave_up" and "pacs did not answer" in found.error["message"]
    assert [one.code for one in pacs.alarms.since(0)] == ["pacs.gave_up"] * 3
    assert len(pacs.alarms.since(1)) == 2
    right.set()
    pacs.sends.want_again("j1", "pacs", "monday")
    until(lambda: state_of(pacs, numbers[1]) == SENT)
    assert state_of(pacs, numbers[0]) == FAILED


def test_a_mistake_of_ours_is_tried_a_few_times(context: Context, pacs: PacsStore, run: Run) -> None:
    tried: list[str] = []

    def deliver(context: Context, pacs: PacsStore, send: Send) -> None:
        tried.append(send.job)
        raise ZeroDivisionError

    number = pacs.sends.want("j1", "pacs", "monday")
    run(deliver)
    until(lambda: state_of(pacs, number) == FAILED)
    assert len(tried) == 5


def test_a_job_that_is_processed_again_is_waited_for(context: Context, pacs: PacsStore, run: Run) -> None:
    ready = threading.Event()

    def deliver(context: Context, pacs: PacsStore, send: Send) -> None:
        if not ready.is_set():
            raise NotReady

    number = pacs.sends.want("j1", "pacs", "monday")
    run(deliver)
    time.sleep(0.3)
    found = pacs.sends.get(number)
    assert found is not None and found.waits and found.error is None
    ready.set()
    until(lambda: state_of(pacs, number) == SENT)


def test_a_start_takes_up_what_was_under_way_and_removes_what_nobody_needs(
    context: Context, pacs: PacsStore, run: Run
) -> None:
    number = pacs.sends.want("j1", "pacs", "monday")
    assert pacs.sends.take("pacs") is not None  # and then the process was killed
    folder_of(context.home, number).mkdir(parents=True)
    folder_of(context.home, number + 1).mkdir(parents=True)
    kept: list[bool] = []
    run(lambda context, pacs, send: kept.append(folder_of(context.home, send.id).exists()))
    until(lambda: state_of(pacs, number) == SENT)
    assert kept == [True] and not folder_of(context.home, number + 1).exists()


@pytest.mark.parametrize("code", ["pacs.peer_failed", "pacs.peer_away"])
def test_an_object_at_which_the_peer_always_fails_starves_nobody(
    context: Context, pacs: PacsStore, run: Run, code: str
) -> None:
    def deliver(context: Context, pacs: PacsStore, send: Send) -> None:
        if send.job == "bad":
            raise PipelineError(code, "pacs broke off")

    bad, *good = [pacs.sends.want(job, "pacs", "monday") for job in ("bad", "j1", "j2")]
    run(deliver)
    until(lambda: all(state_of(pacs, one) == SENT for one in good))
    assert state_of(pacs, bad) in (WAITING, "sending")


@pytest.mark.parametrize("name", ["sent", "postpone", "fail"])
def test_a_store_that_fails_leaves_no_send_behind(
    context: Context, pacs: PacsStore, run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A full disk right after the transfer, and once more when the row is to wait again."""
    broken = {name: 1, "begin_again": 1}

    def breaks(method: str) -> None:
        original = getattr(Sends, method)

        def call(self: Sends, *args: object) -> object:
            if args and broken[method]:  # not at the start, which gives no peer
                broken[method] -= 1
                raise sqlite3.OperationalError("database or disk is full")
            return original(self, *args)

        monkeypatch.setattr(Sends, method, call)

    def deliver(context: Context, pacs: PacsStore, send: Send) -> None:
        if name != "sent" and not tried:
            tried.append(send.job)
            raise PipelineError("pacs.not_taken" if name == "postpone" else "pacs.patient_mismatch", "no")

    tried: list[str] = []
    breaks(name)
    breaks("begin_again")
    number = pacs.sends.want("j1", "pacs", "monday")
    run(deliver)
    until(lambda: state_of(pacs, number) == SENT)
    assert not any(broken.values())


def test_the_log_quotes_no_words_of_an_error(
    context: Context, pacs: PacsStore, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    def deliver(context: Context, pacs: PacsStore, send: Send) -> None:
        raise ValueError("no date: Doe^Jane")

    number = pacs.sends.want("j1", "pacs", "monday")
    run(deliver)
    until(lambda: state_of(pacs, number) == FAILED)
    assert "ValueError in test_sender.py, line" in caplog.text and "Doe" not in caplog.text
