"""The words in which archives are searched, and the queue of fetches."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.pacs import asks, fetches
from AutoSegPipelineLib.core.pacs.config import parse_config
from AutoSegPipelineLib.core.pacs.fetches import Order
from AutoSegPipelineLib.core.pacs.query import FoundStudy, StudyQuery
from AutoSegPipelineLib.core.pacs.store import PacsStore
from support.held_clock import HeldClock

TODAY = datetime.date(2026, 3, 2)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def store(tmp_path: Path, clock: HeldClock):
    home = Home.at(tmp_path)
    home.create()
    found = PacsStore.of(home, clock)
    yield found
    found.close()


@pytest.mark.parametrize(
    ("text", "dicom"),
    [
        ("2026-11-29", "20261129"),
        ("20261129", "20261129"),
        ("2026-11-01..2026-11-29", "20261101-20261129"),
        ("2026-11-01..", "20261101-"),
        ("..2026-11-29", "-20261129"),
        ("today", "20260302"),
        ("Yesterday", "20260301"),
        ("last 1 day", "20260302-20260302"),
        ("last 3 days", "20260228-20260302"),
    ],
)
def test_dates(text: str, dicom: str) -> None:
    assert StudyQuery.of({"date": text}, "x").attributes(TODAY) == {"StudyDate": dicom}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "at least one"),
        ({"name": "*", "description": " ? "}, "not only by wildcards"),
        ({"patiant": "1"}, "did you mean 'patient'"),
        ({"date": "29.11.2026"}, "is no date"),
        ({"date": "2026-02-30"}, "is no date"),
        ({"date": ".."}, "is no date"),
        ({"patient": "1\\2"}, "without a backslash"),
        ({"name": "x" * 65}, "at most 64"),
        ({"study": "1.2.x"}, "is no UID"),
        ({"patient": 7}, "is text"),
    ],
)
def test_what_cannot_be_asked(given: dict[str, object], said: str) -> None:
    with pytest.raises(PipelineError, match=said) as caught:
        StudyQuery.of(given, "search")
    assert caught.value.code == "request.invalid"


def test_a_wrong_watch_is_refused_with_the_file() -> None:
    peers = {"pacs": {"title": "A", "host": "a"}}
    with pytest.raises(PipelineError, match="watch 'w': match: one cannot search by 'modaliti'"):
        parse_config({"peers": peers, "watch": [{"name": "w", "peer": "pacs", "match": {"modaliti": "CT"}}]})


def test_modalities_that_an_archive_did_not_look_at_are_left_out() -> None:
    query = StudyQuery.of({"modality": "ct"}, "x")
    assert query.takes(FoundStudy("1", modalities=("CT", "SR")))
    assert not query.takes(FoundStudy("1", modalities=("MR",)))
    assert query.takes(FoundStudy("1"))  # it does not say


def test_a_label_names_nobody() -> None:
    study = FoundStudy("1.2", "20261129", "1200", "Roe, Jane: THORAX", "A1", "P1", "Roe Jane", ("CT", "SR"))
    assert study.label == "CT 2026-11-29"


def test_an_order_waits_once_and_is_kept_over_a_restart(store: PacsStore) -> None:
    order = Order("pacs", "1.2", ("1.2.4", "1.2.3"), by="anna", door="web")
    number = store.fetches.add(order)
    assert store.fetches.add(Order("pacs", "1.2", ("1.2.3", "1.2.4"), by="anna", door="web")) == number
    assert store.fetches.add(Order("pacs", "1.2", by="bob", door="web")) != number
    store.fetches.set(number, state=fetches.RUNNING)
    assert [one.order.by for one in store.fetches.due()] == ["bob"]
    store.fetches.restart((30.0,))
    assert len(store.fetches.due()) == 2
    store.fetches.set(number, state=fetches.DONE, jobs=["a"])
    store.fetches.set(number, state=fetches.FAILED)
    found = store.fetches.get(number)
    assert found is not None and (found.state, found.jobs) == ("done", ("a",))
    assert store.fetches.add(order) != number
    assert [one.id for one in store.fetches.list(door="web", by="bob")] == [number + 1]


def test_too_many_orders_are_refused(store: PacsStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetches, "MOST_OPEN", 2)
    store.fetches.add(Order("pacs", "1.1"))
    store.fetches.add(Order("pacs", "1.2"))
    with pytest.raises(PipelineError, match="2 fetches are waiting"):
        store.fetches.add(Order("pacs", "1.3"))
    assert store.fetches.add(Order("pacs", "1.3", watch="w"))


def study(number: int, instances: int | None = 5) -> FoundStudy:
    return FoundStudy(f"1.{number}", instances=instances)


def test_a_watch_takes_a_study_once_and_when_it_no_longer_grows(store: PacsStore, clock: HeldClock) -> None:
    def take(*studies: FoundStudy, most: int = 10) -> tuple[int, int]:
        return store.watched.take("w", "pacs", "", studies, most)

    assert take(study(1)) == (0, 1)
    assert take(study(1, 6)) == (0, 1)
    assert take(study(1, 6)) == (1, 0)
    assert take(study(1, 7)) == (0, 0)
    assert take(study(2, None)) == (0, 1)
    assert take(study(2, None)) == (1, 0)
    assert [one.order.study for one in store.fetches.due()] == ["1.1", "1.2"]
    growing = 1
    take(study(3, growing))
    while not take(study(3, growing := growing + 1))[0]:
        clock.at += 600
        assert growing < 20
    assert growing > 9


def test_a_watch_keeps_to_its_limit_and_goes_on(store: PacsStore) -> None:
    studies = [study(number) for number in range(5)]
    taken = [store.watched.take("w", "pacs", "", studies, 2) for _ in range(5)]
    assert taken == [(0, 5), (2, 3), (2, 1), (1, 0), (0, 0)]


def test_answers_that_nobody_fetched_go(store: PacsStore, clock: HeldClock) -> None:
    first = store.asks.ask("find", {}, "anna")
    store.asks.answer(first, {"ok": True, "studies": ["Roe"]})
    left = store.asks.ask("find", {}, "anna")  # and one that nobody answered
    clock.at += asks.KEPT_SECONDS + 1
    second = store.asks.ask("find", {}, "anna")
    store.asks.purge()
    assert not store.asks.is_open(left) and store.asks.is_open(second)
    store.asks.answer(second, {"ok": True})
    assert store.asks.answer_of(first) is None
    assert store.asks.wait(second, 1) == {"ok": True}
    assert store.asks.answer_of(second) is None  # read once, then gone


def test_a_watch_takes_a_study_again_whose_fetch_failed(store: PacsStore, clock: HeldClock) -> None:
    def round_of() -> int:
        return store.watched.take("w", "pacs", "", [study(1)], 5)[0]

    assert [round_of(), round_of()] == [0, 1]
    taken = 0
    for _ in range(20 * 4):
        for one in store.fetches.due():
            store.fetches.set(one.id, state=fetches.FAILED)
        clock.at += 6 * 3600
        taken += round_of()
    assert 9 <= taken <= 14  # about once a day, for two weeks
    clock.at += 30 * 86400
    assert round_of() == 0


def test_a_watch_leaves_what_was_fetched_or_cancelled(store: PacsStore, clock: HeldClock) -> None:
    for number, state in enumerate((fetches.DONE, fetches.CANCELLED)):
        for _ in range(2):
            store.watched.take("w", "pacs", "", [study(number)], 5)
        store.fetches.set(store.fetches.due()[0].id, state=state)
        clock.at += 2 * 86400
        assert store.watched.take("w", "pacs", "", [study(number)], 5) == (0, 0)


def test_several_modalities_are_asked_for_one_by_one() -> None:
    query = StudyQuery.of({"modality": "ct, MR,ct", "patient": "P1"}, "x")
    asked = [one.attributes() for one in query.each_modality()]
    assert asked == [{"ModalitiesInStudy": kind, "PatientID": "P1"} for kind in ("CT", "MR")]
    assert query.takes(FoundStudy("1", modalities=("MR",))) and query.takes(FoundStudy("1"))
    assert not query.takes(FoundStudy("1", modalities=("US",)))
    assert len(StudyQuery.of({"patient": "P1"}, "x").each_modality()) == 1
    with pytest.raises(PipelineError, match="only by wildcards"):
        StudyQuery.of({"modality": "*,*"}, "x")
