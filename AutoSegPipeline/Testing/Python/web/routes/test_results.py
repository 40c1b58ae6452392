"""Finished cases over HTTP: lists, files with ETag and Range, archives, the original's addresses."""

from __future__ import annotations

import http.client
import io
import os
import random
import time
import zipfile
from pathlib import Path
from typing import Iterator
from urllib.parse import quote

import psutil
import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.job import Job
from support.web import Served, served

BYTES = bytes(range(256)) * 40
TABLE = b"name,volume_ml\nliver,1500\n" * 50
CASE = {".gltf": BYTES, ".manifest.json": b"{}", ".statistics.csv": TABLE, ".glb": os.urandom(5000)}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from served(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def case(page: Served) -> Job:
    return page.add_job(states.DONE, CASE, name="thorax", label="thorax.nii.gz")


def address(case: Job, ending: str = ".gltf") -> str:
    return f"/api/v1/results/{case.id}/files/{case.name}{ending}"


def test_a_result_lists_its_files_with_size_hash_and_address(page: Served, case: Job) -> None:
    told = page.get(f"/api/v1/results/{case.id}").json()
    assert (told["job"], told["name"], told["label"]) == (case.id, "thorax", "thorax.nii.gz")
    assert told["size"] == sum(map(len, CASE.values()))
    for one in told["files"]:
        answer = page.get(one["href"])
        assert (answer.status, len(answer.body)) == (200, one["size"])
        assert one["sha256"] in answer.headers["etag"]


def test_only_finished_cases_are_results(page: Served, case: Job) -> None:
    other = page.add_job(states.SEGMENTING)
    assert [one["job"] for one in page.get("/api/v1/results").json()["results"]] == [case.id]
    answer = page.get(f"/api/v1/results/{other.id}")
    assert (answer.status, answer.json()["code"]) == (404, "request.not_found")


def test_the_name_of_a_case_serves_as_well_as_its_id(page: Served, case: Job) -> None:
    assert page.get("/api/v1/results/thorax").json()["job"] == case.id
    assert page.get("/api/v1/results/thora").status == 404


def test_a_file_comes_as_an_attachment_with_a_strong_etag(page: Served, case: Job) -> None:
    answer = page.get(address(case))
    assert answer.body == BYTES
    assert answer.headers["content-disposition"].startswith('attachment; filename="thorax.gltf"')
    assert answer.headers["content-type"] == "model/gltf+json"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"].startswith('"')


def test_head_tells_the_same_without_the_bytes(page: Served, case: Job) -> None:
    for path in (address(case), f"/download/{case.name}.gltf"):
        got, head = page.get(path), page.request("HEAD", path)
        assert (head.status, head.body) == (200, b"")
        for name in ("content-length", "etag", "content-type", "last-modified"):
            assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=100-", 100, len(BYTES)),
        ("bytes=-7", len(BYTES) - 7, len(BYTES)),
        (f"bytes=5-{len(BYTES) * 10}", 5, len(BYTES)),
        (f"bytes=-{len(BYTES) * 10}", 0, len(BYTES)),
        ("bytes=0-0", 0, 1),
    ],
)
def test_a_range_gives_that_part(page: Served, case: Job, asked: str, begin: int, end: int) -> None:
    answer = page.get(address(case), range=asked)
    assert (answer.status, answer.body) == (206, BYTES[begin:end])
    assert answer.headers["content-range"] == f"bytes {begin}-{end - 1}/{len(BYTES)}"


@pytest.mark.parametrize("asked", [f"bytes={len(BYTES)}-", "bytes=-0", "bytes=999999999999999999999-"])
def test_a_range_outside_is_refused_with_the_size(page: Served, case: Job, asked: str) -> None:
    answer = page.get(address(case), range=asked)
    assert (answer.status, answer.json()["code"]) == (416, "request.range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(BYTES)}"


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5", "bytes=-", ""])
def test_what_is_no_single_range_is_ignored(page: Served, case: Job, asked: str) -> None:
    answer = page.get(address(case), range=asked)
    assert (answer.status, answer.body) == (200, BYTES)


def test_a_broken_download_is_resumed_only_when_the_file_is_the_same(page: Served, case: Job) -> None:
    first = page.get(address(case))
    tag, modified = first.headers["etag"], first.headers["last-modified"]
    for condition in (tag, modified):
        answer = page.get(address(case), range="bytes=10-", if_range=condition)
        assert (answer.status, answer.body) == (206, BYTES[10:])
    for condition in ('"another"', f"W/{tag}", "Mon, 01 Jan 2001 00:00:00 GMT"):
        answer = page.get(address(case), range="bytes=10-", if_range=condition)
        assert (answer.status, answer.body) == (200, BYTES)


def test_a_file_that_is_known_is_not_sent_again(page: Served, case: Job) -> None:
    tag = page.get(address(case)).headers["etag"]
    for condition in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = page.get(address(case), if_none_match=condition)
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)
    assert page.get(address(case), if_none_match='"x"').status == 200


def test_equal_bytes_of_two_cases_have_tags_of_their_own(page: Served) -> None:
    one, two = (page.add_job(states.DONE, {".gltf": b"same"}) for _ in range(2))
    assert page.get(address(one)).headers["etag"] != page.get(address(two)).headers["etag"]


def test_the_archive_holds_every_file(page: Served, case: Job) -> None:
    answer = page.get(f"/api/v1/results/{case.id}.zip")
    assert answer.headers["content-disposition"].startswith('attachment; filename="thorax.zip"')
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"thorax{ending}": data for ending, data in CASE.items()
        }
        kinds = {one.filename: one.compress_type for one in archive.infolist()}
    assert kinds["thorax.statistics.csv"] == zipfile.ZIP_DEFLATED
    assert kinds["thorax.glb"] == zipfile.ZIP_STORED
    assert page.get("/api/v1/results/thorax.zip").status == 200
    assert page.get(f"/api/v1/results/{case.id}.zip", if_none_match=answer.headers["etag"]).status == 304


def test_an_archive_of_large_files_is_sent_with_flat_memory(page: Served) -> None:
    big = random.Random(1).randbytes(1 << 20) * 96
    case = page.add_job(states.DONE, {".gltf": big, ".glb": big})
    del big
    assert page.process is not None
    process = psutil.Process(page.process.pid)
    page.get("/api/v1/status")
    before, most, got = process.memory_info().rss, 0, 0
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=30)
    connection.request("GET", f"/api/v1/results/{case.id}.zip")
    answer = connection.getresponse()
    while piece := answer.read(1 << 20):
        got += len(piece)
        most = max(most, process.memory_info().rss)
    connection.close()
    assert got > 180 << 20
    assert most - before < 24 << 20


@pytest.mark.skipif(not hasattr(psutil.Process(), "io_counters"), reason="this system counts no reads")
def test_a_download_that_nobody_reads_any_more_ends(page: Served) -> None:
    case = page.add_job(states.DONE, {".gltf": b"x"})
    os.truncate(page.home.results / f"{case.name}.gltf", 1 << 30)
    assert page.process is not None
    process = psutil.Process(page.process.pid)
    before = process.io_counters().read_chars
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=30)
    connection.request("GET", address(case))
    answer = connection.getresponse()
    answer.read(1000)
    assert any(one.path.endswith(f"{case.name}.gltf") for one in process.open_files())
    answer.close()
    connection.close()
    until = time.monotonic() + 60
    while any(one.path.endswith(f"{case.name}.gltf") for one in process.open_files()):
        assert time.monotonic() < until, "the file stays open"
        time.sleep(0.05)
    assert process.io_counters().read_chars - before < 100 << 20


def test_the_originals_list_is_a_plain_list_of_names(page: Served, case: Job) -> None:
    names = page.get("/files").json()
    assert isinstance(names, list) and all(isinstance(name, str) for name in names)
    assert {f"thorax{ending}" for ending in CASE} <= set(names)


def test_the_originals_download_gives_the_file_by_its_name(page: Served, case: Job) -> None:
    answer = page.get("/download/thorax.gltf")
    assert answer.body == BYTES
    assert answer.headers["content-disposition"].startswith("attachment;")
    part = page.get("/download/thorax.gltf", range="bytes=3-5", if_range=answer.headers["etag"])
    assert (part.status, part.body) == (206, BYTES[3:6])
    missing = page.get("/download/nobody.gltf")
    assert (missing.status, missing.json()["code"]) == (404, "request.not_found")


def test_a_name_with_accents_and_spaces_survives_the_header(page: Served) -> None:
    case = page.add_job(states.DONE, {".gltf": b"x"}, name='sca\u0142 "a" 1')
    answer = page.get(f"/download/{quote(case.name)}.gltf")
    told = answer.headers["content-disposition"]
    assert answer.body == b"x"
    assert told.isascii() and quote(case.name + ".gltf", safe="") in told


def test_a_result_file_that_was_removed_by_hand_is_not_there(page: Served) -> None:
    case = page.add_job(states.DONE)
    (page.home.results / f"{case.name}.gltf").unlink()
    assert page.get(address(case)).status == 404


def test_a_link_in_the_results_folder_leads_nowhere(page: Served, tmp_path: Path) -> None:
    case = page.add_job(states.DONE)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    path = page.home.results / f"{case.name}.gltf"
    path.unlink()
    path.symlink_to(secret)
    assert page.get(address(case)).status == 404
    assert page.get(f"/download/{case.name}.gltf").status == 404
