"""The queue of fetches: from the archive to input that counts, once, whatever happens between."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path
from typing import Any, Callable

import pydicom
import pytest
from AutoSegPipelineLib.core import crash_points
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.pacs.fetches import Fetches, Order
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.dicom.context import Context
from AutoSegPipelineLib.dicom.query import fetcher, retrieve
from AutoSegPipelineLib.dicom.query.fetched_cases import FOLDER
from AutoSegPipelineLib.dicom.query.fetcher import Fetcher
from support.archive import Archive, context, until_ended

WORDS = "no number: 'Roe^Jane'"  # as pydicom quotes a header

THIN = {"name": "thin", "when": {"thickness": {"at_most": 1}}}


class Bench:
    """A fetcher on a home of its own, started again as a new process would."""

    def __init__(self, root: Path, **config: Any) -> None:
        self.root, self.config = root, config
        self.context: Context | None = None
        self.open()

    def open(self) -> None:
        self.context = context(self.root, **self.config)
        self.store = PacsStore.of(self.context.home)
        self.fetcher = Fetcher(self.context)

    def start(self) -> None:
        self.fetcher.start()

    def stop(self) -> None:
        assert self.context is not None
        self.context.ended.set()
        self.fetcher.stop()
        self.store.close()

    @property
    def jobs(self) -> list[str]:
        """What was handed over."""
        assert self.context is not None
        return sorted(path.name for path in self.context.home.incoming.iterdir())

    def left(self, seconds: float = 10.0) -> list[str]:
        """What lies there when the fetcher has had time to remove it."""
        assert self.context is not None
        folder, until = self.context.home.state / FOLDER, time.monotonic() + seconds
        while found := sorted(path.name for path in folder.iterdir()) if folder.exists() else []:
            if time.monotonic() > until:
                break
            time.sleep(0.05)
        return found


@pytest.fixture
def bench(tmp_path: Path, shared_archive: Archive):
    peers = {"pacs": shared_archive.peer(), "web": shared_archive.web_peer()}
    entries = [
        {
            "title": "THIN",
            "options": {"quality": "fast"},
            "choose": [{"name": "thin", "when": {"thickness": {"at_most": 1}}}],
        },
        {"title": "ALL", "options": {"quality": "fast"}, "send_to": ["pacs"]},
    ]
    found = Bench(tmp_path / "home", peers=peers, entries=entries)
    yield found
    found.stop()


def study_of(archive: Archive, number: int = 0) -> str:
    return str(pydicom.dcmread(archive.files[number][0]).StudyInstanceUID)


@pytest.mark.parametrize("peer", ["pacs", "web"])
def test_a_study_becomes_input(bench: Bench, shared_archive: Archive, peer: str) -> None:
    order = Order(peer, study_of(shared_archive), label="CT 2026-11-01", entry="ALL", by="anna", door="web")
    number = bench.store.fetches.add(order)
    bench.start()
    found = until_ended(bench.store, number)
    assert (found.state, found.done, found.total, found.note) == ("done", 12, 12, "")
    assert bench.jobs == list(found.jobs) and len(bench.jobs) == 1
    assert bench.left() == []
    assert bench.context is not None
    folder = bench.context.home.incoming / found.jobs[0]
    assert len(list((folder / "input").rglob("*.dcm"))) == 12
    from AutoSegPipelineLib.core.files import read_json

    intent = read_json(folder / "intent.json")
    assert (intent["door"], intent["by"], intent["container"]) == ("web", "anna", True)
    assert intent["options"] == {"quality": "fast", "send_to": ["pacs"]}
    assert "P1" not in str(intent) and "nne" not in str(intent)
    assert bench.store.peers.list()[0].received is not None


def test_rules_of_the_entry_choose_and_say_why_not(bench: Bench, shared_archive: Archive) -> None:
    number = bench.store.fetches.add(Order("web", study_of(shared_archive), entry="THIN"))
    bench.start()
    found = until_ended(bench.store, number)
    assert found.state == "done" and not found.jobs and bench.jobs == []
    assert "no series was taken" in found.note and "thickness 20 mm is above 1 mm" in found.note
    series = str(pydicom.dcmread(shared_archive.files[0][0]).SeriesInstanceUID)
    named = bench.store.fetches.add(Order("web", study_of(shared_archive), (series,), entry="THIN"))
    assert until_ended(bench.store, named).jobs  # somebody wants this one


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (Order("gone", "1.2"), "there is no peer 'gone'"),
        (Order("web", "1.2.3"), "no CT or MR in the study, but no series"),
        (Order("web", "STUDY", ("1.2.3",)), "has no series 1.2.3"),
        (Order("web", "STUDY", entry="NOBODY"), "has no entry 'NOBODY'"),
    ],
)
def test_what_cannot_be_fetched_fails_at_once(
    bench: Bench, shared_archive: Archive, order: Order, said: str
) -> None:
    study = study_of(shared_archive) if order.study == "STUDY" else order.study
    number = bench.store.fetches.add(Order(order.peer, study, order.series, entry=order.entry))
    bench.start()
    found = until_ended(bench.store, number)
    assert found.state == "failed" and said in found.note and found.tries == 1
    assert bench.left() == []


def test_a_peer_that_is_away_is_asked_again_and_delays_no_other(
    bench: Bench, shared_archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    real = fetcher.find_series

    def find(name: str, *args: Any) -> Any:
        if name == "pacs":
            begun.set()
            time.sleep(3)
            raise PipelineError("pacs.peer_away", "it is away")
        return real(name, *args)

    monkeypatch.setattr(fetcher, "find_series", find)
    monkeypatch.setattr(fetcher, "WAITS", (0.1,))
    slow = bench.store.fetches.add(Order("pacs", study_of(shared_archive)))
    bench.start()
    assert begun.wait(10)
    began = time.monotonic()
    quick = bench.store.fetches.add(Order("web", study_of(shared_archive)))
    assert until_ended(bench.store, quick).state == "done"
    assert time.monotonic() - began < 2.9
    found = until_ended(bench.store, slow)
    assert (found.state, found.tries, found.note) == ("failed", 2, "it is away")


def test_one_association_to_a_peer_at_a_time(
    bench: Bench, shared_archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most = [0], [0]
    real = fetcher.fetch_into

    def fetch(*args: Any) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.2)
        real(*args)
        running[0] -= 1

    monkeypatch.setattr(fetcher, "fetch_into", fetch)
    numbers = [bench.store.fetches.add(Order("web", study_of(shared_archive, n))) for n in (0, 1)]
    bench.start()
    assert [until_ended(bench.store, number).state for number in numbers] == ["done", "done"]
    assert most[0] == 1


def test_a_cancelled_fetch_leaves_nothing(
    bench: Bench, shared_archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, begun = retrieve.SeriesFiles._keep, threading.Event()

    def keep(self: Any, uid: object, write: Callable[[Path], object]) -> int:
        begun.set()
        time.sleep(0.2)
        return real(self, uid, write)

    monkeypatch.setattr(retrieve.SeriesFiles, "_keep", keep)
    number = bench.store.fetches.add(Order("web", study_of(shared_archive)))
    bench.start()
    assert begun.wait(10)
    bench.store.fetches.set(number, state="cancelled")
    assert bench.left() == [] and bench.jobs == []


def test_a_full_disk_waits(bench: Bench, shared_archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetcher, "WAITS", (3.0,))
    with monkeypatch.context() as broken:
        broken.setattr(retrieve.os, "replace", full)
        number = bench.store.fetches.add(Order("web", study_of(shared_archive)))
        bench.start()
        until = time.monotonic() + 60
        while not (found := bench.store.fetches.get(number)).note:  # type: ignore[union-attr]
            assert time.monotonic() < until
            time.sleep(0.05)
        assert found is not None and found.state == "waiting" and "No space left" in found.note
    assert until_ended(bench.store, number).state == "done"


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("point", [*crash_points.FETCHING, *crash_points.HANDOVER])
def test_killed_anywhere_it_becomes_one_input(
    bench: Bench, shared_archive: Archive, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    number = bench.store.fetches.add(Order("web", study_of(shared_archive)))
    hit = threading.Event()

    def die(step: str) -> None:
        if step == point:
            hit.set()
            raise Killed

    monkeypatch.setattr(crash_points, "listener", die)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    bench.start()
    assert hit.wait(20)
    time.sleep(0.2)
    bench.stop()
    monkeypatch.setattr(crash_points, "listener", None)
    if point not in ("series fetched", "received files durable"):  # from here on nobody asks the archive
        away = {"use": "web", "web": {"url": "http://127.0.0.1:1/dicom-web"}}
        bench.config["peers"] = {**bench.config["peers"], "web": away}
    bench.open()
    bench.start()
    assert until_ended(bench.store, number).state == "done"
    time.sleep(0.5)
    assert len(bench.jobs) == 1, bench.jobs
    assert bench.left() == []


def test_a_study_that_ends_the_process_is_given_up(
    bench: Bench, shared_archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetcher, "WAITS", (0.5,))
    tries: list[int] = []

    def dies(*args: Any) -> None:
        tries.append(1)
        raise Killed

    monkeypatch.setattr(fetcher, "find_series", dies)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    number = bench.store.fetches.add(Order("web", study_of(shared_archive)))
    for count in (1, 2):
        bench.start()
        until = time.monotonic() + 60
        while len(tries) < count:
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(0.2)
        bench.stop()
        bench.open()
    bench.start()
    assert bench.store.fetches.due() == []  # the second time it waits
    found = until_ended(bench.store, number, 20)
    assert found.state == "failed" and "ended while it fetched" in found.note and len(tries) == 2


@pytest.mark.parametrize("column", ["running", "done"])
def test_a_store_that_cannot_be_written_ends_no_fetch(
    bench: Bench, shared_archive: Archive, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    died: list[object] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    monkeypatch.setattr(fetcher, "LOCKED_SECONDS", 0.5)
    real, broken = Fetches.set, [3]

    def full(self: Fetches, number: int, durable: bool = True, **values: object) -> None:
        if broken[0] and values.get("state") in (column, "waiting"):
            broken[0] -= 1
            raise sqlite3.OperationalError("database or disk is full")
        real(self, number, durable, **values)

    monkeypatch.setattr(Fetches, "set", full)
    number = bench.store.fetches.add(Order("web", study_of(shared_archive)))
    bench.start()
    assert until_ended(bench.store, number).state == "done"
    assert bench.left() == []
    assert len(bench.jobs) == 1 and not broken[0] and not died


def test_an_error_nobody_foresaw_is_noted_without_its_words(
    bench: Bench, shared_archive: Archive, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def odd(*args: Any) -> None:
        raise ValueError(WORDS)

    monkeypatch.setattr(fetcher, "find_series", odd)
    monkeypatch.setattr(fetcher, "WAITS", ())
    number = bench.store.fetches.add(Order("web", study_of(shared_archive)))
    bench.start()
    found = until_ended(bench.store, number)
    assert found.note.startswith("ValueError in test_fetcher.py, line ")
    assert "in odd" in caplog.text and "Roe" not in caplog.text
