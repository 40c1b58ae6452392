"""Searching and fetching over the web: who may, what is written down, what is kept."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any, Iterator

import pydicom
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.pacs.received import ReceivedSeries
from AutoSegPipelineLib.core.pacs.series_facts import SeriesFacts
from AutoSegPipelineLib.core.pacs.series_rules import Verdict
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.dicom.answerer import Answerer
from AutoSegPipelineLib.web.gate.identify import csrf_of
from prometheus_client.parser import text_string_to_metric_families
from support.archive import Archive, archive, context
from support.security import Answer, Served

SOME = ("olga", "otto", "ada")


class Scene:
    """A server with accounts, an archive, and what answers for the dicom process."""

    def __init__(self, served: Served, held: Archive) -> None:
        self.served, self.archive = served, held
        self.study = str(pydicom.dcmread(held.files[0][0]).StudyInstanceUID)
        self.headers: dict[str, dict[str, str]] = {}
        with served.accounts() as book:
            for name in ("vera", "olga", "otto", "ada"):
                secret = book.sessions.begin(name, "127.0.0.1", 12)
                cookie = f"autoseg-session-{served.port}={secret}"
                self.headers[name] = {"Cookie": cookie, "X-CSRF-Token": csrf_of(secret)}
        self.store = PacsStore.of(served.home)

    def ask(self, who: str, method: str, path: str, body: Any = None) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        headers = {**self.headers[who], **({"Content-Type": "application/json"} if data else {})}
        return self.served.ask(method, f"/api/v1/pacs{path}", data, headers)

    def find(self, who: str, peer: str = "pacs", **match: str) -> Answer:
        return self.ask(who, "POST", "/find", {"peer": peer, "match": match})

    def audit(self, what: str) -> list[Any]:
        with self.served.accounts() as book:
            return book.audit.list(50, None, "", what, "")


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with archive(tmp_path_factory.mktemp("archive")) as found:
        yield found


@pytest.fixture(scope="module", params=["all", "own"])
def scene(
    request: pytest.FixtureRequest, held: Archive, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    root = tmp_path_factory.mktemp("pacs") / request.param
    peers = {
        "pacs": held.peer(), "web": held.web_peer(visible_to=["otto"]),
        "away": {"title": "A", "host": "127.0.0.1", "port": 1},
    }  # fmt: skip
    watch = [{"name": "w", "peer": "pacs", "match": {"patient": "P9"}}]
    with Served(root, visibility=request.param) as served:
        entries = [{"title": "THIN", "visible_to": ["otto"]}]
        child = context(root, peers=peers, watch=watch, entries=entries)
        child.pacs_store().close()
        store = Store(served.home.store)
        store.meta.set("dicom", {"pid": 1})
        store.close()
        answerer = Answerer(child)
        answerer.start()
        found = Scene(served, held)
        found.visibility = request.param  # type: ignore[attr-defined]
        found.store.refusals.note("CT2", "AUTOSEG", "10.0.0.7", "", "not in callers")
        try:
            yield found
        finally:
            child.ended.set()
            answerer.stop()
            found.store.close()


def test_a_search_answers_who_asked_and_is_kept_nowhere(scene: Scene) -> None:
    answer = scene.find("ada", patient="P1")
    assert answer.status == 200, answer
    [study] = answer.json["studies"]
    assert (study["name"], study["label"]) == ("Müller Änne", "CT 2026-11-01")
    series = scene.ask("ada", "POST", "/series", {"peer": "pacs", "study": study["uid"]}).json["series"]
    assert [(one["number"], one["is_scan"]) for one in series] == [(3, True)]
    assert scene.store.asks.answer_of(1) is None and scene.store.asks.open() == []
    line = scene.audit("pacs.find")[0]
    assert (line.who, line.detail, line.ok) == ("ada", "pacs by patient", True)
    scene.store.close()
    for path in scene.served.home.state.glob("*.sqlite*"):
        assert "Müller".encode() not in path.read_bytes(), path
    scene.store = PacsStore.of(scene.served.home)
    assert not any("ller" in text for text in scene.served.said)


def test_only_who_may_know_of_everything_searches_everything(scene: Scene) -> None:
    own = scene.visibility == "own"  # type: ignore[attr-defined]
    status = {who: scene.find(who, patient="P1").status for who in ("vera", "olga", "otto", "ada")}
    others = 404 if own else 200
    assert status == {"vera": 403, "olga": others, "otto": others, "ada": 200}
    named = {who: scene.find(who, "web", patient="P1").status for who in SOME}
    assert named == {"olga": 404, "otto": 200, "ada": 200}
    peers = {who: [one["name"] for one in scene.ask(who, "GET", "").json["peers"]] for who in SOME}
    every = ["pacs", "web", "away"]
    expected = [["web"], []] if own else [every, ["pacs", "away"]]
    assert [peers["otto"], peers["olga"]] == expected and peers["ada"] == every
    assert scene.ask("olga", "POST", "/peers/web/echo").status == 404
    assert scene.ask("olga", "POST", "/series", {"peer": "web", "study": "1.2"}).status == 404
    assert scene.ask("olga", "POST", "/fetches", {"peer": "web", "study": "1.2"}).status == 404


def test_a_fetch_belongs_to_who_asked(scene: Scene) -> None:
    order = {"peer": "web", "study": scene.study, "label": "CT 2026-11-01", "options": {"quality": "fast"}}
    answer = scene.ask("otto", "POST", "/fetches", order)
    assert (answer.status, answer.json["state"], answer.json["by"]) == (202, "waiting", "otto")
    number = answer.json["id"]
    made = scene.store.fetches.get(number)
    assert made is not None and (made.order.door, made.order.by) == ("web", "otto")
    assert dict(made.order.options) == {"quality": "fast"}
    shown = {who: [one["id"] for one in scene.ask(who, "GET", "").json["fetches"]] for who in SOME}
    assert number not in shown["olga"] and number in shown["otto"] and number in shown["ada"]
    assert scene.ask("olga", "DELETE", f"/fetches/{number}").status == 404
    assert scene.ask("otto", "DELETE", f"/fetches/{number}").status == 204
    ended = scene.store.fetches.add(made.order)
    scene.store.fetches.set(ended, state="done")
    assert scene.ask("otto", "DELETE", f"/fetches/{ended}").status == 409
    lines = [scene.audit(what)[0].detail for what in ("pacs.fetch", "pacs.cancel")]
    assert lines == [f"web, fetch {number}"] * 2


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"label": "Roe Jane 2026-11-01"}, 422),
        ({"study": "1.2/../3"}, 422),
        ({"series": ["1.2", "x"]}, 422),
        ({"options": {"qualiti": "fast"}}, 422),
        ({"door": "submit"}, 422),
        ({"entry": "NOBODY"}, 502),
    ],
)
def test_what_makes_no_sense_is_refused(scene: Scene, change: dict[str, Any], status: int) -> None:
    answer = scene.ask("ada", "POST", "/fetches", {"peer": "pacs", "study": "1.2", **change})
    assert answer.status == status, answer


def test_errors_of_the_archive_are_told_in_words(scene: Scene) -> None:
    answer = scene.find("ada", "away", patient="P1")
    assert (answer.status, answer.code) == (502, "pacs.peer_away")
    assert scene.find("ada").code == "request.invalid"
    echo = scene.ask("ada", "POST", "/peers/away/echo")
    assert echo.status == 200 and not echo.json["answers"] and "does not answer" in echo.json["note"]


def test_operation_is_for_admins(scene: Scene) -> None:
    seen = scene.ask("ada", "GET", "").json
    assert seen["refused"][0]["line"] == '{"title": "CT2", "address": "10.0.0.7"}'
    assert seen["watches"][0]["name"] == "w" and seen["receiver"].startswith("AUTOSEG on 127.0.0.1")
    hidden = scene.ask("otto", "GET", "").json
    assert (hidden["refused"], hidden["watches"], hidden["receiver"]) == ([], [], "")
    names = ("k", "AUTOSEG", "CT1", "10.0.0.7", "1.2", "1.3")
    scene.store.received.note(ReceivedSeries(*names, "left out", 1, 5, 99, (), "too thick", 1, 2))
    row = {"calling": "CT1", "called": "AUTOSEG", "state": "left out", "version": 1, "instances": 5}
    assert scene.ask("ada", "GET", "").json["received"] == [{**row, "note": "too thick", "last": 2.0}]
    assert scene.ask("otto", "GET", "").json["received"] == []


def test_series_that_rules_left_out_are_seen_as_the_jobs_of_their_entry(scene: Scene) -> None:
    for number, entry in enumerate(("THIN", "OTHER")):
        facts = SeriesFacts(f"1.2.{number}", "1.2", "CT", "THORAX", number=number)
        scene.store.verdicts.note(entry, [Verdict(facts, "no_rule", "thickness 5 mm is above 1.5 mm")])
    seen = {who: scene.ask(who, "GET", "").json["left_out"] for who in SOME}
    assert seen["ada"][0]["reason"] == "thickness 5 mm is above 1.5 mm"
    entries = {who: sorted(one["entry"] for one in rows) for who, rows in seen.items()}
    both = ["OTHER", "THIN"]
    own = scene.visibility == "own"  # type: ignore[attr-defined]
    assert entries == {"olga": [] if own else both, "otto": ["THIN"] if own else both, "ada": both}


def test_what_was_not_sent_is_shown_to_who_sees_the_job_and_sent_again(scene: Scene) -> None:
    job = scene.served.result(f"sent-{scene.visibility}", "otto")  # type: ignore[attr-defined]
    number = scene.store.sends.want(job.id, "web", job.times["done"], "otto")
    scene.store.sends.take("web")
    send = scene.store.sends.get(number)
    assert send is not None
    scene.store.sends.fail(send, PipelineError("pacs.not_taken", "web did not take the seg"))
    shown = {who: [one["id"] for one in scene.ask(who, "GET", "").json["sends"]] for who in SOME}
    own = scene.visibility == "own"  # type: ignore[attr-defined]
    assert shown == {"olga": [] if own else [number], "otto": [number], "ada": [number]}
    [row] = scene.ask("otto", "GET", "").json["sends"]
    assert (row["state"], row["note"]) == ("failed", "web did not take the seg")
    assert scene.ask("olga", "POST", f"/sends/{number}/again").status == (404 if own else 403)
    assert scene.ask("otto", "POST", f"/sends/{number}/again").status == 204
    send = scene.store.sends.get(number)
    assert send is not None and send.state == "waiting"
    assert scene.audit("pacs.send")[0].job == job.id


def test_a_slow_archive_holds_up_no_other(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from AutoSegPipelineLib.dicom.query import query_asks

    real, free = query_asks.find_studies, threading.Event()

    def slow(name: str, *args: Any) -> Any:
        if name == "away":
            free.wait(20)
        return real(name, *args)

    monkeypatch.setattr(query_asks, "find_studies", slow)
    threads = [
        threading.Thread(target=scene.find, args=("ada", "away"), kwargs={"patient": "P1"}) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    began = time.monotonic()
    assert scene.find("ada", patient="P1").status == 200
    assert time.monotonic() - began < 5
    free.set()
    for thread in threads:
        thread.join(30)


def test_figures(scene: Scene) -> None:
    scene.store.peers.echoed("pacs", True)
    scene.store.peers.received("pacs")
    scene.store.watched.ended("w", True, "", 3, 2)
    found = {}
    for family in text_string_to_metric_families(scene.served.ask("GET", "/metrics").body.decode()):
        for sample in family.samples:
            found[(sample.name, *sample.labels.values())] = sample.value
    assert found[("autoseg_pacs_up",)] == 1
    assert found[("autoseg_pacs_peer_up", "pacs")] == 1
    assert found[("autoseg_pacs_watch_waiting", "w")] == 2
    assert found[("autoseg_pacs_refused_associations",)] == 1
    assert time.time() - found[("autoseg_pacs_last_received_seconds", "pacs")] < 60
    assert ("autoseg_pacs_last_sent_seconds", "pacs") not in found


def test_without_a_dicom_process_it_says_so(tmp_path: Path) -> None:
    with Served(tmp_path / "home", accounts=False) as served:
        answer = served.ask("GET", "/api/v1/pacs")
        assert answer.status == 200 and not answer.json["running"]
        assert "--dicom" in answer.json["note"]
        assert not (served.home.state / "dicom.sqlite").exists()
        assert b"/pacs" not in served.ask("GET", "/", Accept="text/html").body
        (served.home.root / "dicom.json").write_text('{"peers": {"p": {"title": "A", "host": "h"}}}')
        body = json.dumps({"peer": "p", "match": {"patient": "1"}}).encode()
        answer = served.ask("POST", "/api/v1/pacs/find", body, {"Content-Type": "application/json"})
        assert (answer.status, answer.code) == (503, "request.no_pipeline")
        assert b'href="/pacs"' in served.ask("GET", "/", Accept="text/html").body
        (served.home.root / "dicom.json").write_text("{")
        assert "is not valid JSON" in served.ask("GET", "/api/v1/pacs").json["note"]
