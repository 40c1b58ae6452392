"""Resumable uploads, tus 1.0: what arrived stays, nobody writes twice, batches become one input."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.core import states
from support.intake import field_slices
from support.pipeline import write_scan
from support.uploads import PART, TUS, Site, form, half_sent

UPLOADS = "/api/v1/uploads"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site") / "home", upload_max_mb=8).start()
    yield made.warm()
    made.stop()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_scan(tmp_path_factory.mktemp("scans") / "scan.nii.gz", compress=True).read_bytes()


def sha1(data: bytes) -> str:
    return "sha1 " + base64.b64encode(hashlib.sha1(data).digest()).decode()


# --- the protocol -----------------------------------------------------------------------------


def test_the_server_says_what_it_has_of_tus(site: Site) -> None:
    answer = site.ask("OPTIONS", UPLOADS)
    assert answer.status == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert set(answer.headers["tus-extension"].split(",")) == {
        "creation", "creation-with-upload", "termination", "expiration", "checksum",
    }  # fmt: skip
    assert answer.headers["tus-max-size"] == str(8 << 20)
    assert "sha1" in answer.headers["tus-checksum-algorithm"].split(",")


def test_a_scan_in_three_parts_becomes_one_job(site: Site, data: bytes) -> None:
    created = site.create(len(data), filename="tus.nii.gz", quality="fast")
    path = site.place(created)
    assert created.headers["upload-offset"] == "0" and "upload-expires" in created.headers
    for start, end in ((0, 500), (500, 1500), (1500, len(data))):
        assert site.offset(path) == start
        answer = site.patch(path, start, data[start:end])
        assert (answer.status, answer.headers["upload-offset"]) == (204, str(end))
    (job,) = site.ended(answer.headers["autoseg-jobs"])
    assert (job.state, job.label, job.options["quality"]) == (states.DONE, "tus.nii.gz", "fast")
    shown = site.ask("GET", path).json
    assert (shown["state"], shown["sha256"]) == ("done", hashlib.sha256(data).hexdigest())
    assert shown["jobs"][0]["id"] == job.id
    assert site.offset(path) == len(data)
    assert site.patch(path, len(data), b"").status == 204, "the last part may be asked again"


def test_bytes_may_come_with_the_creation(site: Site, data: bytes) -> None:
    part = site.create(len(data), data[:700], filename="with.nii.gz")
    assert part.headers["upload-offset"] == "700"
    assert site.patch(site.place(part), 700, data[700:]).status == 204
    whole = site.create(len(data), data, filename="whole.nii.gz")
    assert whole.headers["upload-offset"] == str(len(data))
    assert site.ended(whole.headers["autoseg-jobs"])[0].state == states.DONE


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Tus-Resumable": "0.2.2"}, 412, "web.upload_version"),
        ({"Content-Type": "application/json"}, 415, "web.upload_type"),
        ({"Upload-Offset": "7"}, 409, "web.upload_offset"),
        ({"Upload-Offset": "-1"}, 400, "request.invalid"),
        ({"Upload-Offset": "ten"}, 400, "request.invalid"),
        ({"Upload-Checksum": "sha1 bm9wZQ=="}, 400, "request.invalid"),
        ({"Upload-Checksum": "crc9 AAAA"}, 400, "request.invalid"),
    ],
)
def test_a_wrong_part_changes_nothing(site: Site, headers: dict[str, str], status: int, code: str) -> None:
    path = site.place(site.create(100, filename="x.nii"))
    answer = site.patch(path, 0, b"x" * 10, **headers)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert site.offset(path) == 0


def test_a_creation_without_sense_is_refused(site: Site) -> None:
    assert site.ask("POST", UPLOADS, **TUS).status == 400
    assert site.ask("POST", UPLOADS, **TUS, Upload_Defer_Length="1").status == 400
    assert site.ask("POST", UPLOADS, **TUS, Upload_Length="x").status == 400
    assert site.ask("POST", UPLOADS, **TUS, Upload_Length="9", Upload_Metadata="a !").status == 400
    assert site.create((8 << 20) + 1, filename="big.nii").status == 413
    assert site.create(10, filename="x.nii", quality="fastst").status == 422
    assert site.create(10, filename="x.nii", options='{"qualty": "fast"}').status == 422
    assert site.create(10, filename="x.nii", anything="the client's own").status == 201


def test_more_bytes_than_announced_are_refused_and_not_kept(site: Site) -> None:
    path = site.place(site.create(100, filename="x.nii"))
    assert site.patch(path, 0, b"x" * 101).status == 413
    assert site.offset(path) == 0


def test_a_part_with_a_wrong_checksum_is_thrown_away(site: Site, data: bytes) -> None:
    path = site.place(site.create(len(data), filename="c.nii.gz"))
    assert site.patch(path, 0, data[:900], **{"Upload-Checksum": sha1(data[:900])}).status == 204
    wrong = site.patch(path, 900, data[900:], **{"Upload-Checksum": sha1(b"other")})
    assert (wrong.status, wrong.json["code"]) == (460, "web.upload_checksum")
    assert site.offset(path) == 900
    right = site.patch(path, 900, data[900:], **{"Upload-Checksum": sha1(data[900:])})
    assert right.status == 204
    assert site.ended(right.headers["autoseg-jobs"])[0].state == states.DONE


def test_a_promised_checksum_of_the_whole_is_verified(site: Site, data: bytes) -> None:
    before = len(site.jobs())
    answer = site.create(len(data), filename="w.nii.gz", sha256=hashlib.sha256(b"other").hexdigest())
    path = site.place(answer)
    assert site.patch(path, 0, data).status == 460
    assert site.ask("HEAD", path, **TUS).status == 404 and len(site.jobs()) == before
    good = site.create(len(data), filename="w.nii.gz", sha256=hashlib.sha256(data).hexdigest())
    assert site.patch(site.place(good), 0, data).status == 204


def test_an_upload_can_be_taken_back_until_it_is_a_job(site: Site, data: bytes) -> None:
    path = site.place(site.create(len(data), data[:10], filename="t.nii.gz"))
    folder = site.uploads / path.rpartition("/")[2]
    assert folder.exists()
    assert site.ask("DELETE", path, **TUS).status == 204
    assert not folder.exists() and site.ask("HEAD", path, **TUS).status == 404
    done = site.place(site.create(len(data), data, filename="t.nii.gz"))
    assert site.ask("DELETE", done, **TUS).status == 409


def test_a_network_that_lets_only_post_through_is_served_too(site: Site, data: bytes) -> None:
    path = site.place(site.create(len(data), filename="o.nii.gz"))
    headers = {**PART, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert site.ask("POST", path, data[:10], **headers).status == 204
    assert site.offset(path) == 10
    assert site.ask("POST", path, **TUS, X_HTTP_Method_Override="DELETE").status == 204
    assert site.ask("POST", path, **TUS).status == 405


# --- broken and parallel ------------------------------------------------------------------------


def test_a_broken_part_keeps_the_bytes_that_arrived(site: Site, data: bytes) -> None:
    path = site.place(site.create(len(data), filename="broken.nii.gz"))
    with half_sent(site, path, 0, data[:1234], len(data)):
        site.until(lambda: site.patch(path, 0, b"").status == 423)
    site.until(lambda: site.offset(path) == 1234)
    assert (site.uploads / path.rpartition("/")[2] / "data").read_bytes() == data[:1234]
    answer = site.patch(path, 1234, data[1234:])
    assert site.ended(answer.headers["autoseg-jobs"])[0].state == states.DONE


def test_two_parts_at_once_do_not_mix(site: Site, data: bytes) -> None:
    path = site.place(site.create(len(data), filename="twice.nii.gz"))
    with half_sent(site, path, 0, data[:100], len(data)) as first:
        site.until(lambda: site.patch(path, 0, data).status == 423)
        assert site.ask("DELETE", path, **TUS).status == 423
        first.sendall(data[100:])
        assert first.recv(100).startswith(b"HTTP/1.1 204")
    assert site.ask("GET", path).json["sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("batch", ["", "batch-left-1"])
def test_cancelling_waits_for_a_part_that_is_just_breaking_off(site: Site, data: bytes, batch: str) -> None:
    about = {"batch": batch} if batch else {}
    path = site.place(site.create(len(data), filename="unwanted.nii.gz", **about))
    target = f"{UPLOADS}/batches/{batch}" if batch else path
    with ThreadPoolExecutor(1) as another:
        with half_sent(site, path, 0, data[:100], len(data)):
            site.until(lambda: site.patch(path, 0, b"").status == 423)
            answer = another.submit(site.ask, "DELETE", target, **TUS)
            time.sleep(0.3)
        assert answer.result(30).status == 204
    assert site.ask("GET", path).status == 404


def test_many_at_once_all_arrive(site: Site, data: bytes) -> None:
    answers: list[Any] = []

    def send(number: int) -> None:
        path = site.place(site.create(len(data), filename=f"many{number}.nii.gz"))
        for start in range(0, len(data), 600):
            answers.append(site.patch(path, start, data[start : start + 600]))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    jobs = [answer.headers["autoseg-jobs"] for answer in answers if "autoseg-jobs" in answer.headers]
    assert len(jobs) == 8 and {job.state for job in site.ended(*jobs)} == {states.DONE}


def test_an_unknown_upload_is_404_for_every_method(site: Site) -> None:
    for path in (f"{UPLOADS}/{'0' * 32}", f"{UPLOADS}/..%2f..%2fstore", f"{UPLOADS}/x"):
        assert site.ask("HEAD", path, **TUS).status in (404, 405)
        assert site.patch(path, 0, b"x").status in (404, 405)
        assert site.ask("DELETE", path, **TUS).status in (404, 405)


# --- batches --------------------------------------------------------------------------------------


def test_slices_of_one_batch_become_one_job_when_it_is_finished(site: Site, tmp_path: Path) -> None:
    places = [(0.0, 0.0, 3.0 * number) for number in range(10)]
    slices = field_slices(tmp_path / "series", places, [1, 0, 0, 0, 1, 0], size=16, SeriesNumber=7)
    before = len(site.jobs())
    for one in slices[:5]:
        answer = site.create(
            one.stat().st_size,
            one.read_bytes(),
            filename=one.name,
            path=f"series/{one.name}",
            batch="batch-one-1",
        )
        assert "autoseg-jobs" not in answer.headers
    body, kind = form(*[("f", f"series/{one.name}", one.read_bytes()) for one in slices[5:]])
    assert site.ask("POST", f"{UPLOADS}?batch=batch-one-1", body, Content_Type=kind).json["jobs"] == []
    late = site.place(site.create(10, filename="late", path="series/late.txt", batch="batch-one-1"))
    unfinished = site.ask("POST", f"{UPLOADS}/batches/batch-one-1/finish")
    assert (unfinished.status, unfinished.json["code"]) == (409, "web.upload_incomplete")
    assert "series/late.txt" in unfinished.json["detail"] and len(site.jobs()) == before
    assert site.patch(late, 0, b"0123456789").status == 204
    done = site.ask("POST", f"{UPLOADS}/batches/batch-one-1/finish?quality=fast")
    assert done.status == 201
    (job,) = site.ended(done.json["jobs"][0]["id"])
    assert (job.state, job.modality, job.options["quality"]) == (states.DONE, "CT", "fast")
    again = site.ask("POST", f"{UPLOADS}/batches/batch-one-1/finish")
    assert again.json["jobs"][0]["id"] == job.id, "the answer may have got lost"
    assert site.create(1, b"x", filename="x", batch="batch-one-1").status == 409
    assert len(site.jobs()) == before + 1


def test_a_batch_can_be_given_up(site: Site) -> None:
    site.create(3, b"abc", filename="a", path="d/a", batch="batch-two-2")
    assert site.ask("DELETE", f"{UPLOADS}/batches/batch-two-2").status == 204
    assert site.ask("POST", f"{UPLOADS}/batches/batch-two-2/finish").status == 404
    assert site.ask("POST", f"{UPLOADS}/batches/no/finish").status == 422


def test_the_page_finds_what_it_left_unfinished(site: Site) -> None:
    path = site.place(site.create(50, b"0123456789", filename="left.nii"))
    found = {one["href"]: one for one in site.ask("GET", UPLOADS).json["uploads"]}
    assert (found[path]["offset"], found[path]["length"], found[path]["label"]) == (10, 50, "left.nii")


# --- expiry -------------------------------------------------------------------------------------------


def test_an_abandoned_upload_expires_but_not_one_in_use(tmp_path: Path) -> None:
    site = Site(tmp_path / "home", upload_expire_hours=0.01).start()  # 36 s; swept every 9 s
    try:
        paths = [site.place(site.create(100, b"x" * 10, filename="a.nii")) for _ in range(2)]
        waiting = half_sent(site, paths[1], 10, b"y", 50)
        site.until(lambda: site.patch(paths[1], 10, b"").status == 423)
        site.stop()
        waiting.close()
        for path in paths:  # a day later
            about = site.uploads / path.rpartition("/")[2] / "upload.json"
            about.write_text(json.dumps({**json.loads(about.read_text()), "expires": time.time() - 1}))
        kept = json.loads(about.read_text())
        about.write_text(json.dumps({**kept, "expires": time.time() + 3600}))
        (site.uploads / "f00d").mkdir()
        os.utime(site.uploads / "f00d", (0, 0))
        site.start()
        assert site.ask("HEAD", paths[0], **TUS).status == 404
        assert site.offset(paths[1]) == 11, "its bytes outlived the server"
        assert {folder.name for folder in site.uploads.iterdir()} == {paths[1].rpartition("/")[2]}
    finally:
        site.stop()
