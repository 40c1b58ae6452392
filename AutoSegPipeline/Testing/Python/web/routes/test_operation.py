"""Health, metrics, the options' schemas, the watermark of the disk."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.core import specs, states
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.web import disk, metrics
from AutoSegPipelineLib.web.config import WebConfig
from AutoSegPipelineLib.web.context import WebContext
from AutoSegPipelineLib.web.gate.machine_view import may_see_machine
from AutoSegPipelineLib.web.gate.principal import KEY, Principal
from AutoSegPipelineLib.web.pages.problems import STATUS, status_of
from AutoSegPipelineLib.web.routes.engines import schema_of
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request
from support.web import Served, served


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from served(tmp_path_factory.mktemp("operation"))


def figures(page: Served) -> dict[tuple[str, str], float]:
    """(name, label value) -> value."""
    answer = page.get("/metrics")
    assert (answer.status, answer.headers["content-type"].split(";")[0]) == (200, "text/plain")
    found = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            found[(sample.name, ",".join(sample.labels.values()))] = sample.value
    return found


def test_it_says_that_it_lives_and_whether_it_is_ready(page: Served) -> None:
    told = page.get("/healthz").json()
    assert (told["live"], told["ready"], told["status"]) == (True, True, "ok")
    assert told["details"]["pipeline"] is True
    assert page.get("/healthz/ready").status == 200


def test_without_a_pipeline_it_lives_but_is_not_ready(tmp_path: Path) -> None:
    with Served(tmp_path) as page:
        page._lock.release()
        assert page.get("/healthz").status == 200
        answer = page.get("/healthz/ready")
        assert (answer.status, answer.json()["ready"]) == (503, False)


def test_trouble_of_the_surroundings_makes_it_unready_a_persons_pause_does_not(page: Served) -> None:
    page.store.meta.set("paused", {"code": "environment.disk_full", "reason": "full"})
    assert page.get("/healthz/ready").status == 503
    page.store.meta.set("paused", {"code": "request", "reason": "coffee"})
    assert page.get("/healthz/ready").status == 200
    page.store.meta.set("paused", None)


@pytest.mark.parametrize(
    ("address", "principal", "may"),
    [
        ("127.0.0.1", None, True),
        ("::1", None, True),
        ("10.0.0.7", None, False),
        ("10.0.0.7", Principal("prometheus", "viewer", "token"), True),
        ("10.0.0.7", Principal("ann", "viewer", "session"), True),
        ("10.0.0.7", Principal("local", "operator", "open"), False),
        ("10.0.0.7", Principal("link 1", "viewer", "share"), False),
    ],
)
def test_details_are_for_this_machine_or_for_who_is_known(
    address: str, principal: Principal | None, may: bool
) -> None:
    request = Request({"type": "http", "client": (address, 1), "headers": [], KEY: principal})
    assert may_see_machine(request) is may


def test_the_figures_tell_the_queue_the_failures_by_code_and_the_disk(page: Served) -> None:
    before = figures(page)
    page.add_job(states.QUEUED)
    error = {"code": "engine.no_body", "message": "m", "hint": "h"}
    page.add_job(states.FAILED, error=error)
    after = figures(page)
    assert after[("autoseg_queue_waiting", "")] == before[("autoseg_queue_waiting", "")] + 1
    assert after[("autoseg_jobs", "failed")] == before[("autoseg_jobs", "failed")] + 1
    assert after[("autoseg_jobs_failed", "engine.no_body")] >= 1
    assert after[("autoseg_disk_free_bytes", "results")] > 0
    assert after[("autoseg_disk_watermark_bytes", "")] == 10 << 20
    assert after[("autoseg_up", "")] == 1


def test_the_stages_of_a_case_are_measured_once_when_it_ends(tmp_path: Path) -> None:
    with Served(tmp_path) as page:
        page.add_job(states.DONE)
        job = page.add_job(states.DONE)
        until = time.monotonic() + 60
        name = ("autoseg_stage_seconds_count", "segmenting")
        while figures(page).get(name, 0) < 2:
            assert time.monotonic() < until
            time.sleep(0.05)
        page.store.jobs.save(job)  # a change after the end is no second end
        time.sleep(0.6)
        assert figures(page)[name] == 2
        assert figures(page)[("autoseg_case_seconds_count", "done")] == 2


def test_durations_are_between_the_times_of_two_states() -> None:
    job = states_of({"queued": "00", "preparing": "10", "segmenting": "11", "done": "41"})
    assert list(metrics.durations(job)) == [("queued", 10.0), ("preparing", 1.0), ("segmenting", 30.0)]


def test_states_of_one_millisecond_keep_their_order() -> None:
    job = states_of({"queued": "00", "preparing": "10", "segmenting": "10", "exporting": "10", "done": "10"})
    found = list(metrics.durations(job))
    assert found == [("queued", 10.0), ("preparing", 0.0), ("segmenting", 0.0), ("exporting", 0.0)]


def states_of(times: dict[str, str]):
    from AutoSegPipelineLib.core.job import Job

    return Job(times={state: f"2026-01-01T00:00:{second}.000Z" for state, second in times.items()})


def test_the_status_tells_what_goes_on(page: Served) -> None:
    job = page.add_job(states.SEGMENTING)
    told = page.get("/api/v1/status").json()
    assert told["running"] is True and told["uploads_open"] is True
    assert job.id in [one["id"] for one in told["current"]]
    assert set(told["counts"]) == set(states.ALL)


def test_engines_are_what_a_worker_told(tmp_path: Path) -> None:
    with Served(tmp_path, quality="fast") as page:
        assert page.get("/api/v1/engines").json()["known"] is False
        engine = {"name": "tissue", "title": "T", "ok": True, "missing": [], "note": "", "tasks": ["body"]}
        page.store.meta.set("describe", {"engines": [engine]})
        told = page.get("/api/v1/engines").json()
        assert (told["known"], told["engines"]) == (True, [{**engine, "auto": True, "alone": False}])
        assert told["options"]["quality"]["default"] == "fast", "the pipeline's own default"
        assert set(told["options"]) == set(specs.OPTION_NAMES)


@pytest.mark.parametrize("name", specs.OPTION_NAMES)
def test_the_schema_of_an_option_says_what_the_program_takes(name: str) -> None:
    spec = specs.BY_NAME[name]
    schema = json.loads(json.dumps(schema_of(spec)))
    assert spec.parse(schema["default"], "schema") == spec.parse(spec.default, "default")
    for value in schema.get("enum", []):
        assert spec.parse(value, "schema") == value
    if "maximum" in schema:
        assert spec.parse(schema["maximum"], "schema") == schema["maximum"]
        with pytest.raises(PipelineError):
            spec.parse(schema["maximum"] * 10, "schema")


@pytest.fixture
def context(tmp_path: Path) -> Iterator[WebContext]:
    home = Home.at(tmp_path)
    home.create()
    made = WebContext.of(WebConfig.of(home, Settings.defaults(disk_min_free_mb=100)))
    yield made
    made.close()


def test_the_room_ends_at_the_watermark(context: WebContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "free_bytes", lambda folder: 500 << 20)
    assert disk.room(context) == 400 << 20
    monkeypatch.setattr(disk, "free_bytes", lambda folder: 90 << 20)
    assert disk.room(context) == -10 << 20
    assert status_of("environment.disk_full") == 507


def test_below_the_watermark_it_is_not_ready_and_no_door_is_open(tmp_path: Path) -> None:
    with Served(tmp_path, disk_min_free_mb=10**7) as page:
        assert page.get("/healthz/ready").status == 503
        assert page.get("/api/v1/status").json()["uploads_open"] is False
        answer = page.request("PUT", "/api/v1/uploads/scan.nii", b"x" * 100)
        assert (answer.status, answer.json()["code"]) == (507, "environment.disk_full")


def test_a_status_belongs_to_every_code() -> None:
    from AutoSegPipelineLib.core.errors import CODES

    assert set(STATUS) <= set(CODES)
    assert all(400 <= status_of(code) < 600 for code in CODES)
