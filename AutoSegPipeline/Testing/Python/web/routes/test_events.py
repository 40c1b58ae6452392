"""Events: by revision, never lost, cheap for many listeners; polling as the fall-back."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Iterator

import psutil
import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.web import events
from support.web import Served, WebBench, served
from support.web_events import Listener


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from served(tmp_path_factory.mktemp("events"))


def test_a_listener_hears_of_each_change_with_its_revision(page: Served) -> None:
    with Listener(page.port) as listener:
        listener.until(lambda: listener.of("hello"))
        job = page.add_job(states.QUEUED, label="x.nii")
        listener.until(lambda: [one for one in listener.of("job") if one["data"]["state"] == "queued"])
        last = listener.of("job")[-1]
        assert last["data"]["id"] == job.id
        assert int(last["id"]) == page.store.jobs.get(job.id).revision
        assert last["data"]["links"]["self"].endswith(job.id)
    assert listener.answer.headers["cache-control"] == "no-store"
    assert listener.answer.headers["content-type"].startswith("text/event-stream")


def test_progress_is_heard_with_stage_percentage_and_time_left(page: Served) -> None:
    job = page.add_job(states.SEGMENTING)
    with Listener(page.port) as listener:
        listener.until(lambda: listener.of("hello"))
        job.progress, job.eta_s, job.message = 0.4, 12.5, "block 3 of 8"
        page.store.jobs.save(job, durable=False)
        listener.until(lambda: listener.of("job"))
        told = listener.of("job")[-1]["data"]
        assert (told["state"], told["progress"], told["eta_s"]) == ("segmenting", 0.4, 12.5)
        assert told["message"] == "block 3 of 8"


def test_a_deletion_is_heard(page: Served) -> None:
    job = page.add_job(states.DONE)
    with Listener(page.port) as listener:
        listener.until(lambda: listener.of("hello"))
        page.store.jobs.delete(job.id)
        listener.until(lambda: listener.of("deleted"))
        assert listener.of("deleted")[-1]["data"] == {"id": job.id}


def test_the_state_of_the_whole_is_told_at_once_and_when_it_changes(page: Served) -> None:
    with Listener(page.port) as listener:
        listener.until(lambda: listener.of("status"))
        before = listener.of("status")[-1]["data"]
        page.add_job(states.QUEUED)
        listener.until(lambda: listener.of("status")[-1]["data"]["waiting"] == before["waiting"] + 1)
        page.store.meta.set("paused", {"code": "request", "reason": "coffee"})
        listener.until(lambda: (listener.of("status")[-1]["data"]["paused"] or {}).get("reason") == "coffee")
        page.store.meta.set("paused", None)
        error = {"code": "environment.share_unreachable", "message": "it is away"}
        page.store.meta.set("cluster", {"pid": 1, "error": error})
        held = {"code": "environment.share_unreachable", "reason": "it is away"}
        listener.until(lambda: listener.of("status")[-1]["data"]["cluster"] == held)
        assert page.get("/api/v1/status").json()["cluster"] == held
        page.store.meta.set("cluster", {"pid": 1, "error": None})
        listener.until(lambda: listener.of("status")[-1]["data"]["cluster"] is None)
        assert "id" not in listener.of("status")[-1], "it must not move the revision that is resumed at"


def test_who_comes_back_with_the_last_id_misses_nothing(page: Served) -> None:
    with Listener(page.port) as listener:
        listener.until(lambda: listener.of("hello"))
        page.add_job(states.QUEUED)
        listener.until(lambda: [one for one in listener.of("job") if one["data"]["state"] == "queued"])
        last = listener.of("job")[-1]["id"]
    missed = [page.add_job(states.QUEUED).id for _ in range(3)]
    page.store.jobs.delete(missed[0])
    # The header wins over the address, which a browser repeats as it was at first.
    with Listener(page.port, "/api/v1/events?since=0", last_event_id=last) as listener:
        listener.until(lambda: listener.of("deleted"))
        assert [one["data"]["id"] for one in listener.of("job")] == missed[1:]
        numbers = [int(one["id"]) for one in listener.events if one.get("event") in ("job", "deleted")]
        assert numbers == sorted(numbers) and len(set(numbers)) == len(numbers)


def test_a_killed_child_loses_no_event(tmp_path: Path) -> None:
    with Served(tmp_path) as page:
        with Listener(page.port) as listener:
            listener.until(lambda: listener.of("hello"))  # what is older than that is no event
            page.add_job(states.QUEUED)
            listener.until(lambda: listener.of("job"))
            last = listener.of("job")[-1]["id"]
            page.kill()
        meanwhile = page.add_job(states.DONE)
        gone = page.add_job(states.DONE)
        page.store.jobs.delete(gone.id)
        page.start()
        with Listener(page.port, last_event_id=last) as listener:
            listener.until(lambda: listener.of("deleted"))
            assert [one["data"]["id"] for one in listener.of("job")] == [meanwhile.id]


def test_more_changes_than_one_piece_all_arrive_in_order(tmp_path: Path) -> None:
    with Served(tmp_path) as page, Listener(page.port) as listener:
        listener.until(lambda: listener.of("hello"))
        with page.store.transaction(durable=False):
            jobs = [page.add_job(states.RECEIVING).id for _ in range(1200)]
        listener.until(lambda: len(listener.of("job")) >= 1200, 60)
        assert [one["data"]["id"] for one in listener.of("job")] == jobs
        with Listener(page.port, "/api/v1/events?since=0") as late:
            late.until(lambda: len(late.of("job")) >= 1200, 60)
            assert [one["data"]["id"] for one in late.of("job")] == jobs


def test_a_revision_of_another_store_begins_anew(page: Served) -> None:
    with Listener(page.port, last_event_id="999999999") as listener:
        listener.until(lambda: listener.of("reset"))
        assert int(listener.of("reset")[0]["id"]) <= page.store.revision()
    answer = page.get("/api/v1/events?since=999999999").json()
    assert answer["reset"] is True and answer["revision"] <= page.store.revision()


def test_polling_gives_the_same_by_revision(tmp_path: Path) -> None:
    with Served(tmp_path) as page:
        first, second = page.add_job(states.QUEUED), page.add_job(states.QUEUED)
        answer = page.get("/api/v1/events?since=0").json()
        assert [job["id"] for job in answer["jobs"]] == [first.id, second.id]
        since = answer["revision"]
        assert page.get(f"/api/v1/events?since={since}").json() == {
            "revision": since, "more": False, "reset": False, "jobs": [], "deleted": [],
        }  # fmt: skip
        page.store.jobs.delete(first.id)
        answer = page.get(f"/api/v1/events?since={since}").json()
        assert (answer["jobs"], answer["deleted"]) == ([], [first.id])
        assert answer["revision"] > since


def test_polling_may_wait_for_news(page: Served) -> None:
    since = page.store.revision()
    begin = time.monotonic()
    found: list[float] = []

    def poll() -> None:
        answer = page.get(f"/api/v1/events?since={since}&wait=10").json()
        found.append(time.monotonic() - begin)
        assert answer["jobs"]

    thread = threading.Thread(target=poll)
    thread.start()
    time.sleep(0.5)
    page.add_job(states.QUEUED)
    thread.join(15)
    assert 0.5 <= found[0] < 5


def test_many_listeners_cost_one_look_at_the_store(page: Served) -> None:
    assert page.process is not None
    process = psutil.Process(page.process.pid)
    listeners = [Listener(page.port) for _ in range(40)]
    try:
        for one in listeners:
            one.until(lambda one=one: one.of("hello"))
        before = sum(process.cpu_times()[:2])
        time.sleep(2)
        idle = sum(process.cpu_times()[:2]) - before
        job = page.add_job(states.QUEUED)
        for one in listeners:
            one.until(lambda one=one: any(e["data"]["id"] == job.id for e in one.of("job")))
        assert idle < 0.5, f"{idle} s of processor in 2 s without news"
    finally:
        for one in listeners:
            one.close()


def test_a_listener_that_has_gone_is_forgotten(page: Served) -> None:
    def streams() -> float:
        text = page.get("/metrics").body.decode()
        return float(text.split("\nautoseg_event_streams ")[1].split("\n")[0])

    with Listener(page.port) as listener:
        listener.until(lambda: listener.of("hello"))
        assert streams() >= 1
    until = time.monotonic() + 60
    while streams() > 0:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_quiet_stream_shows_that_it_lives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import asyncio

    from AutoSegPipelineLib.web.config import WebConfig
    from AutoSegPipelineLib.web.context import WebContext
    from AutoSegPipelineLib.web.gate.principal import Principal
    from AutoSegPipelineLib.web.gate.visible_jobs import VisibleJobs
    from support.pipeline import Bench

    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)
    bench = Bench(tmp_path)
    bench.home.create()

    async def listen(still: bool) -> list[bytes]:
        context = WebContext.of(WebConfig.of(bench.home, bench.settings))
        found = []
        async with events.lifespan(context):
            who = VisibleJobs(context, Principal("ann", "viewer", "open"))
            async for text in events.stream(context, who, None, lambda: still):
                found.append(text)
                if len(found) > 5:
                    break
        context.close()
        return found

    assert b": still here\n\n" in asyncio.run(listen(True))
    assert len(asyncio.run(listen(False))) <= 4, "one whose account is gone is hung up on"


def test_a_case_is_followed_from_the_inbox_to_its_end(tmp_path: Path) -> None:
    with WebBench(tmp_path, do="slow2500") as bench, Listener(bench.port) as listener:
        bench.drop("heart.nii", 3)
        bench.until_ended(1)
        bench.until(lambda: listener.of("job") and listener.of("job")[-1]["data"]["state"] == "done")
        told = [one["data"] for one in listener.of("job")]
        assert {"segmenting", "done"} <= {one["state"] for one in told}
        fractions = [one["progress"] for one in told if one["state"] == "segmenting"]
        assert any(0 < fraction < 1 for fraction in fractions), fractions
