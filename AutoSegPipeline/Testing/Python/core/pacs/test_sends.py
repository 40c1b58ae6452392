"""The outbox's table: one row for each job and peer, from being wanted to its end."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.pacs.sends import FAILED, SENDING, SENT, WAITING, SentObject
from AutoSegPipelineLib.core.pacs.store import PacsStore
from support.held_clock import HeldClock

AWAY = PipelineError("pacs.peer_away", "pacs did not answer")
REFUSED = PipelineError("pacs.not_taken", "pacs did not take the seg")
OBJECT = SentObject(
    "seg", "seg-1.dcm", "1.2.840.10008.5.1.4.1.1.66.4", "2.25.1", "2.25.2", "1.2.840.10008.1.2.1"
)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def pacs(tmp_path: Path, clock: HeldClock) -> Iterator[PacsStore]:
    store = PacsStore(tmp_path / "dicom.sqlite", clock)
    yield store
    store.close()


def test_a_job_that_is_done_is_wanted_once_and_again_when_it_is_done_again(pacs: PacsStore) -> None:
    number = pacs.sends.want("j1", "pacs", "monday", "anna")
    assert pacs.sends.want("j1", "pacs", "monday") == number
    send = pacs.sends.take("pacs")
    assert send is not None and (send.id, send.state, send.by) == (number, SENDING, "anna")
    pacs.sends.encode(number, "binary", "")
    pacs.sends.built(send, [OBJECT])
    pacs.sends.sent(send)
    assert pacs.sends.want("j1", "pacs", "monday") == number
    assert pacs.sends.take("pacs") is None
    assert pacs.sends.want("j1", "pacs", "tuesday") == number
    again = pacs.sends.take("pacs")
    assert again is not None and again.objects == [] and again.encoding == "binary"


def test_what_is_sent_again_on_request_has_its_objects_again(pacs: PacsStore, clock: HeldClock) -> None:
    number = pacs.sends.want("j1", "pacs", "monday")
    send = pacs.sends.take("pacs")
    assert send is not None
    pacs.sends.built(send, [OBJECT])
    pacs.sends.fail(send, REFUSED)
    failed = pacs.sends.get(number)
    assert failed is not None and failed.state == FAILED and failed.error == REFUSED.to_dict()
    clock.at += 500
    pacs.sends.want_again("j1", "pacs", "monday", "bert")
    again = pacs.sends.take("pacs")
    assert again is not None
    assert (again.objects, again.since, again.tries, again.error, again.by) == (
        [OBJECT],
        clock.at,
        0,
        None,
        "bert",
    )


def test_a_job_done_again_while_it_is_sent_is_sent_again(pacs: PacsStore) -> None:
    for end in (lambda send: pacs.sends.sent(send), lambda send: pacs.sends.fail(send, REFUSED)):
        number = pacs.sends.want("j1", "pacs", "monday")
        pacs.sends.want_again("j1", "pacs", "monday")
        send = pacs.sends.take("pacs")
        assert send is not None
        pacs.sends.want("j1", "pacs", "tuesday")
        assert pacs.sends.take("pacs") is None
        end(send)
        found = pacs.sends.get(number)
        assert found is not None and found.state == WAITING
        pacs.sends.forget("j1")


def test_a_peer_that_is_away_is_asked_once_for_all_and_all_go_when_it_is_back(
    pacs: PacsStore, clock: HeldClock
) -> None:
    for job in ("j1", "j2", "j3"):
        pacs.sends.want(job, "pacs", "monday")
    pacs.sends.want("j1", "other", "monday")
    first = pacs.sends.take("pacs")
    assert first is not None
    pacs.sends.postpone(first, AWAY, 60)
    pacs.sends.postpone_peer("pacs", 60, AWAY)
    assert pacs.sends.take("pacs") is None and pacs.sends.due_peers() == ["other"]
    clock.at += 61
    assert pacs.sends.due_peers() == ["other", "pacs"]
    second = pacs.sends.take("pacs")
    assert second is not None and (second.job, second.tries) == ("j2", 0), "another one has its turn"
    pacs.sends.postpone_peer("pacs", 60, AWAY)
    pacs.sends.sent(second)
    waiting = pacs.sends.take("pacs")
    assert waiting is not None and waiting.job == "j3"


def test_one_that_was_refused_waits_alone(pacs: PacsStore) -> None:
    pacs.sends.want("j1", "pacs", "monday")
    pacs.sends.want("j2", "pacs", "monday")
    first = pacs.sends.take("pacs")
    assert first is not None
    pacs.sends.postpone(first, REFUSED, 60)
    second = pacs.sends.take("pacs")
    assert second is not None and second.job == "j2"
    pacs.sends.sent(second)
    assert pacs.sends.take("pacs") is None


def test_after_a_crash_what_was_being_sent_waits(pacs: PacsStore) -> None:
    pacs.sends.want("j1", "pacs", "monday")
    assert pacs.sends.take("pacs") is not None and pacs.sends.take("pacs") is None
    pacs.sends.begin_again()
    assert pacs.sends.take("pacs") is not None


def test_counts_and_what_is_ours_outlive_the_job(pacs: PacsStore) -> None:
    for job in ("j1", "j2"):
        pacs.sends.want(job, "pacs", "monday")
    send = pacs.sends.take("pacs")
    assert send is not None
    assert not pacs.sent_uids.holds("2.25.1", "2.25.2")
    pacs.sends.built(send, [OBJECT])
    pacs.sends.sent(send)
    assert pacs.sends.counts() == {"pacs": {WAITING: 1, SENDING: 0, SENT: 1, FAILED: 0}}
    assert [one.job for one in pacs.sends.list()] == ["j2", "j1"]
    assert [one.job for one in pacs.sends.list((SENT,))] == ["j1"]
    assert pacs.sends.forget("j1") == [send.id]
    pacs.sends.sent(send)  # what was under way meanwhile brings nothing back
    assert pacs.sends.counts() == {"pacs": {WAITING: 1, SENDING: 0, SENT: 0, FAILED: 0}}
    assert pacs.sent_uids.holds("2.25.1", "9.9") and pacs.sent_uids.holds("", "2.25.2")
    assert not pacs.sent_uids.holds("9.9") and not pacs.sent_uids.holds("", "")
