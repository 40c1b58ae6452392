"""The web child is killed at every durable step: no finished upload is lost, none becomes two jobs."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import socket
import urllib.error
from pathlib import Path
from typing import Any, Iterator

import psutil
import pytest
from AutoSegPipelineLib.core import states
from support.pipeline import write_scan
from support.uploads import Site, form, half_sent

UPLOADS = "/api/v1/uploads"
# The other steps are crashed in intake/received/test_handover.py, for every door.
STEPS = ("received files durable", "handover planned", "input handed over")
CUT_OFF = (urllib.error.URLError, http.client.HTTPException, ConnectionError)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "home").start()
    yield made
    made.stop()


@pytest.fixture
def scans(tmp_path: Path) -> list[bytes]:
    return [write_scan(tmp_path / f"{n}.nii.gz", seed=n, compress=True).read_bytes() for n in range(3)]


def kill_at(site: Site, step: str, number: int = 1) -> None:
    (site.home.root / "kill-at").write_text(json.dumps([step, number]))


def settled(site: Site) -> list[Any]:
    """All jobs, once every one has ended and no request's folder is left."""
    site.until(
        lambda: (
            not any((folder / "plan.json").exists() for folder in site.uploads.iterdir())
            and site.jobs()
            and all(job.ended for job in site.jobs())
        )
    )
    return site.jobs()


@pytest.mark.parametrize(("step", "number"), [(step, 1) for step in STEPS] + [("input handed over", 2)])
def test_a_form_is_lost_before_its_plan_and_whole_afterwards(
    site: Site, scans: list[bytes], step: str, number: int
) -> None:
    before = site.web_pid
    kill_at(site, step, number)
    body, kind = form(*[("f", f"{n}.nii.gz", data) for n, data in enumerate(scans)])
    with pytest.raises(CUT_OFF):
        site.ask("POST", "/upload", body, Content_Type=kind)
    site.back(before)
    if step == "received files durable":
        # The client heard nothing, and nothing counts: it sends it again.
        assert site.jobs() == [] and list(site.uploads.iterdir()) == []
        site.ask("POST", "/upload", body, Content_Type=kind)
    jobs = settled(site)
    assert sorted(job.label for job in jobs) == ["0.nii.gz", "1.nii.gz", "2.nii.gz"]
    assert {job.state for job in jobs} == {states.DONE}
    site.until(lambda: not any(site.uploads.iterdir()) and not any(site.home.incoming.iterdir()))


@pytest.mark.parametrize("step", STEPS)
def test_a_resumable_upload_becomes_exactly_one_job(site: Site, scans: list[bytes], step: str) -> None:
    path = site.place(site.create(len(scans[0]), filename="r.nii.gz"))
    before = site.web_pid
    kill_at(site, step)
    with pytest.raises(CUT_OFF):
        site.patch(path, 0, scans[0])
    site.back(before)
    site.until(lambda: site.ask("GET", path).json["state"] == "done")
    (job,) = settled(site)
    shown = site.ask("GET", path).json
    assert [one["id"] for one in shown["jobs"]] == [job.id] and job.state == states.DONE
    assert site.offset(path) == len(scans[0]), "the client asks, and sees that all arrived"


@pytest.mark.parametrize("step", STEPS[1:])
def test_a_batch_can_be_finished_again_and_becomes_one_job(site: Site, scans: list[bytes], step: str) -> None:
    for number, data in enumerate(scans):
        site.create(len(data), data, filename="x", path=f"folder/{number}.nii.gz", batch="batch-of-3")
    before = site.web_pid
    kill_at(site, step)
    with pytest.raises(CUT_OFF):
        site.ask("POST", f"{UPLOADS}/batches/batch-of-3/finish")
    site.back(before)
    answer = site.ask("POST", f"{UPLOADS}/batches/batch-of-3/finish")
    assert answer.status == 201, answer
    site.until(lambda: len(site.jobs()) == 3)
    assert {job.state for job in settled(site)} == {states.DONE}
    assert len(site.jobs()) == 3


def test_half_an_upload_outlives_its_server_and_goes_on(site: Site, scans: list[bytes]) -> None:
    data = write_scan(site.home.root.parent / "big.nii", shape=(120, 120, 100)).read_bytes()  # 2.9 MB
    path = site.place(site.create(len(data), filename="big.nii", sha256=hashlib.sha256(data).hexdigest()))
    before = site.web_pid
    with half_sent(site, path, 0, data[: 5 << 19], len(data)):
        file = site.uploads / path.rpartition("/")[2] / "data"
        site.until(lambda: file.exists() and file.stat().st_size >= 1 << 20)
        psutil.Process(before).kill()
        site.back(before)
    offset = site.offset(path)
    assert offset >= 1 << 20
    answer = site.patch(path, offset, data[offset:])
    assert answer.status == 204, answer
    assert site.ended(answer.headers["autoseg-jobs"])[0].state == states.DONE


def test_half_a_form_is_swept_when_its_server_died(site: Site, scans: list[bytes]) -> None:
    body, kind = form(("f", "a.nii.gz", scans[0]))
    head = f"POST /upload HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nContent-Type: {kind}\r\n"
    with socket.create_connection(("127.0.0.1", site.port)) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:600])
        site.until(lambda: any(site.uploads.iterdir()))
        before = site.web_pid
        psutil.Process(before).kill()
        site.back(before)
    assert list(site.uploads.iterdir()) == [] and site.jobs() == []


def test_what_is_uploaded_while_the_pipeline_pauses_waits_for_it(site: Site, scans: list[bytes]) -> None:
    with site.store() as store:
        store.requests.add("pause", by="test")
        site.until(lambda: store.meta.get("paused"))
    answer = site.ask("PUT", f"{UPLOADS}/a.nii.gz", scans[0])
    assert answer.status == 201
    with site.store() as store:
        store.requests.add("resume", by="test")
    assert site.ended(answer.json["jobs"][0]["id"])[0].state == states.DONE


def test_what_arrives_while_the_pipeline_is_gone_is_taken_at_its_next_start(
    tmp_path: Path, scans: list[bytes]
) -> None:
    from AutoSegPipelineLib.core.settings import Settings
    from AutoSegPipelineLib.intake.received.client_input import CaseRequest
    from AutoSegPipelineLib.web.config import WebConfig
    from AutoSegPipelineLib.web.context import WebContext
    from AutoSegPipelineLib.web.uploads.incoming_request import IncomingRequest
    from AutoSegPipelineLib.web.uploads.recovery import running
    from AutoSegPipelineLib.web.uploads.service import Uploads

    site = Site(tmp_path / "home")
    site.home.create()

    async def arrive() -> Any:
        context = WebContext.of(WebConfig.of(site.home, Settings.defaults()))
        uploads = Uploads(context)
        try:
            async with running(uploads), IncomingRequest(uploads, "anna", None) as incoming:
                await incoming.begin("late.nii.gz")
                await incoming.write(scans[0])
                await incoming.end()
                return await incoming.finish(CaseRequest())
        finally:
            context.close()

    outcome = asyncio.run(arrive())
    assert not outcome.taken
    (job_shown,) = outcome.jobs
    assert (job_shown["state"], job_shown["submitted_by"]) == (states.RECEIVING, "anna")
    assert job_shown["label"] == "late.nii.gz"
    site.start()
    try:
        (job,) = settled(site)
        assert (job.id, job.state, job.submitted_by) == (job_shown["id"], states.DONE, "anna")
        site.until(lambda: not any(site.uploads.iterdir()))
    finally:
        site.stop()
