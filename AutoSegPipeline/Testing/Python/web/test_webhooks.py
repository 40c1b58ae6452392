"""Webhooks: signed, ids only, retried, remembered over a restart, never followed elsewhere."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, Iterator

import psutil
import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.web import webhooks
from AutoSegPipelineLib.web.pacs import send_webhook
from AutoSegPipelineLib.web.webhook_post import Post, Target, target_of
from support.web import Served

SECRET = "a long secret"


class Receiver:
    """Takes webhooks; ``answers`` are the next statuses, then 200."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.answers.pop(0) if receiver.answers else 200
                receiver.heard.append({"body": body, "headers": dict(self.headers), "status": status})
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"{receiver.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def told(self) -> list[dict[str, Any]]:
        """What was said in deliveries that were accepted."""
        return [json.loads(one["body"]) for one in list(self.heard) if one["status"] < 300]

    def until(self, predicate: Callable[[], object], seconds: float = 15.0) -> None:
        end = time.monotonic() + seconds
        while not predicate():
            assert time.monotonic() < end, self.heard
            time.sleep(0.02)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def hooked(root: Path, receiver: Receiver, **more: Any) -> Served:
    return Served(root, webhook_url=receiver.url, webhook_secret=SECRET, **more)


def test_an_end_is_told_with_ids_only_and_signed_over_time_and_body(
    tmp_path: Path, receiver: Receiver
) -> None:
    with hooked(tmp_path, receiver) as page:
        jobs = [page.add_job(state, label="Miller.nii") for state in webhooks.TOLD]
        page.add_job(states.CANCELLED)
        receiver.until(lambda: len(receiver.heard) >= 3)
        time.sleep(0.5)
    assert [one["event"] for one in receiver.told()] == ["job.done", "job.failed", "job.refused"]
    assert [one["job"] for one in receiver.told()] == [job.id for job in jobs]
    for one in receiver.heard:
        stamp = one["headers"]["AutoSeg-Timestamp"]
        expected = hmac.new(SECRET.encode(), stamp.encode() + b"." + one["body"], hashlib.sha256)
        assert one["headers"]["AutoSeg-Signature"] == f"v1={expected.hexdigest()}"
        assert abs(int(stamp) - time.time()) < 60
        assert b"Miller" not in one["body"]
        assert set(json.loads(one["body"])) == {"event", "job", "state", "at", "revision", "delivery"}


def test_what_was_not_heard_is_told_again_under_the_same_number(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answers = [500, 429]
    with hooked(tmp_path, receiver) as page:
        job = page.add_job(states.DONE)
        receiver.until(lambda: receiver.told())
    assert [one["status"] for one in receiver.heard] == [500, 429, 200]
    assert len({one["headers"]["AutoSeg-Delivery"] for one in receiver.heard}) == 1
    assert receiver.told()[0]["job"] == job.id


@pytest.mark.parametrize("status", [302, 307, 404, 410])
def test_a_redirect_or_refusal_is_neither_followed_nor_repeated(
    tmp_path: Path, receiver: Receiver, status: int
) -> None:
    receiver.answers = [status]
    with hooked(tmp_path, receiver) as page:
        page.add_job(states.DONE)
        receiver.until(lambda: receiver.heard)
        second = page.add_job(states.DONE)
        receiver.until(lambda: receiver.told())
    assert len(receiver.heard) == 2
    assert receiver.told()[0]["job"] == second.id


def test_a_restart_neither_loses_nor_repeats(tmp_path: Path, receiver: Receiver) -> None:
    with hooked(tmp_path, receiver) as page:
        first = page.add_job(states.DONE)
        receiver.until(lambda: receiver.told())
        time.sleep(0.5)
        page.kill()
        missed = [page.add_job(states.DONE).id for _ in range(3)]
        page.store.jobs.save(first)  # its row changes, but it does not end anew
        page.start()
        receiver.until(lambda: len(receiver.told()) >= 4)
        time.sleep(0.7)
    assert [one["job"] for one in receiver.told()] == [first.id, *missed]


def test_ends_of_before_the_first_start_are_not_told(tmp_path: Path, receiver: Receiver) -> None:
    page = hooked(tmp_path, receiver)
    page.add_job(states.DONE)
    with page:
        new = page.add_job(states.DONE)
        receiver.until(lambda: receiver.told())
    assert [one["job"] for one in receiver.told()] == [new.id]


def test_a_job_that_ends_again_after_a_retry_is_told_again(tmp_path: Path, receiver: Receiver) -> None:
    with hooked(tmp_path, receiver) as page:
        job = page.add_job(states.FAILED)
        receiver.until(lambda: receiver.told())
        for step in (states.INSPECTING, states.QUEUED, states.PREPARING, states.FAILED):
            page.store.jobs.enter(job, step)
        receiver.until(lambda: len(receiver.told()) == 2)
    one, two = receiver.told()
    assert one["job"] == two["job"] and one["delivery"] != two["delivery"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"webhook_url": "http://127.0.0.1:1/x"}, "webhook_secret"),
        ({"webhook_url": "file:///etc/passwd", "webhook_secret": SECRET}, "webhook_url"),
    ],
)
def test_a_webhook_that_cannot_be_is_said_loudly_and_the_page_goes_on(
    tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    with Served(tmp_path, **settings) as page:
        assert page.get("/healthz").status == 200
        said = [one for one in page.told if one["type"] == "log" and one["level"] == "error"]
        assert len(said) == 1 and words in said[0]["text"]


def test_a_receiver_that_never_answers_holds_up_neither_the_page_nor_its_end(tmp_path: Path) -> None:
    import socket

    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        page = Served(tmp_path, webhook_url=url, webhook_secret=SECRET)
        with page:
            page.add_job(states.DONE)
            deaf.settimeout(10)
            taken, _ = deaf.accept()
            assert page.get("/healthz").status == 200
            begin = time.monotonic()
            assert page.stop() == 0
            assert time.monotonic() - begin < 5
            taken.close()


def test_no_thread_is_left_behind_by_many_deliveries(tmp_path: Path, receiver: Receiver) -> None:
    with hooked(tmp_path, receiver) as page:
        assert page.process is not None
        page.add_job(states.DONE)
        receiver.until(lambda: len(receiver.told()) == 1)
        before = psutil.Process(page.process.pid).num_threads()
        for _ in range(15):
            page.add_job(states.DONE)
        receiver.until(lambda: len(receiver.told()) == 16, 40)
        assert psutil.Process(page.process.pid).num_threads() <= before


def test_the_cursor_survives_and_a_torn_file_begins_at_now(tmp_path: Path) -> None:
    path = tmp_path / "webhook.json"
    cursor = webhooks.Cursor(path, 7)
    cursor.delivered("d1", 9)
    again = webhooks.Cursor(path, 20)
    assert again.revision == 9 and again.knows("d1") and not again.knows("d2")
    assert webhooks.Cursor(path, 3).revision == 3, "of another store"
    path.write_text(json.dumps({"revision": 8, "told": ["d2"]}), encoding="utf-8")
    assert webhooks.Cursor(path, 20).knows("d2"), "written by an earlier version"
    path.write_text("{")
    assert webhooks.Cursor(path, 20).revision == 20


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://a.example/x?y=1", Target(True, "a.example", 443, "/x?y=1")),
        ("http://a.example:81", Target(False, "a.example", 81, "/")),
        ("http://[::1]:9/", Target(False, "::1", 9, "/")),
        ("ftp://a.example/", None),
        ("http://user:pw@a.example/", None),
        ("http://a.example/a b", None),
        ("http://a.example/\u00e9", None),
        ("http://a.example:99999/", None),
        ("nonsense", None),
    ],
)
def test_only_plain_addresses_of_http_are_told(url: str, target: Target | None) -> None:
    assert target_of(url) == target


def test_one_that_is_cut_before_it_begins_sends_nothing(receiver: Receiver) -> None:
    target = target_of(receiver.url)
    assert target is not None
    post = Post(target, {}, b"{}")
    post.cut()
    assert post.send() == (None, "ended")
    assert receiver.heard == []


def test_results_that_were_not_sent_are_reported_once_over_a_restart(
    tmp_path: Path, receiver: Receiver
) -> None:
    page = hooked(tmp_path, receiver)
    pacs = PacsStore.of(page.home)
    pacs.alarms.add("pacs.gave_up", "before", "pacs", "of before the first start")
    with page:
        receiver.until(lambda: (page.home.state / send_webhook.FILE).exists(), 60)
        receiver.answers = [503]
        pacs.alarms.add("pacs.gave_up", "j1", "pacs", "the results of j1 were not sent: it said Miller")
        receiver.until(lambda: receiver.told(), 60)
        page.stop()
        pacs.alarms.add("pacs.patient_mismatch", "j2", "pacs", "no")
        page.start()
        receiver.until(lambda: len(receiver.told()) == 2, 60)
    pacs.close()
    first, second = receiver.told()
    assert {**first, "at": "", "delivery": ""} == {
        "event": "send.failed", "job": "j1", "peer": "pacs", "code": "pacs.gave_up", "at": "", "delivery": "",
    }  # fmt: skip
    assert (second["job"], second["code"]) == ("j2", "pacs.patient_mismatch")
    assert first["delivery"] != second["delivery"] and receiver.heard[0]["status"] == 503
    assert not any(b"Miller" in one["body"] for one in receiver.heard)
