"""The embedded web server: the original's clients, uploads of every kind, downloads, and who may ask."""

from __future__ import annotations

import json
import socket
import zipfile
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.processing.phantom import torso, write_dicom_series
from AutoSegPipelineLib.slicer_app.server.embedded import EmbeddedServer
from support.embedded_server import ask, autoseg_of, form, nothing_left, post
from support.pipeline import Bench, write_scan
from support.web_server import curl

# --- the original's clients --------------------------------------------------------------------


def test_curl_uploads_several_files_under_any_field_name_and_downloads_their_results(
    bench: Bench, server: EmbeddedServer, tmp_path: Path
) -> None:
    one, two = write_scan(tmp_path / "one.nii"), write_scan(tmp_path / "zwei drei.nii.gz", 2, compress=True)
    told = json.loads(curl("-F", f"scan=@{one}", "-F", f"other=@{two}", f"{server.url}/upload"))
    assert [job["label"] for job in told["jobs"]] == ["one.nii", "zwei drei.nii.gz"]
    assert [job.state for job in bench.until_ended(2)] == ["done", "done"]
    files = json.loads(curl(f"{server.url}/files"))
    assert "one.gltf" in files and set(files) == set(bench.results())
    curl("-o", str(tmp_path / "got.gltf"), f"{server.url}/download/one.gltf")
    assert (tmp_path / "got.gltf").read_bytes() == (bench.home.results / "one.gltf").read_bytes()
    curl("-o", str(tmp_path / "two"), f"{server.url}/download/zwei%20drei.gltf")
    assert (tmp_path / "two").read_bytes() == (bench.home.results / "zwei drei.gltf").read_bytes()


def test_curl_sends_a_large_file_that_waits_for_100_continue(
    bench: Bench, server: EmbeddedServer, tmp_path: Path
) -> None:
    scan = write_scan(tmp_path / "large.nii", shape=(200, 200, 60))
    seen = json.loads(curl("-F", f"file=@{scan}", "-F", "priority=70", f"{server.url}/upload"))
    job = bench.until_ended(1)[0]
    assert (job.id, job.state, job.priority, job.door) == (seen["jobs"][0]["id"], "done", 70, "web")


def test_the_slices_of_a_dicom_series_become_one_job(
    bench: Bench, server: EmbeddedServer, tmp_path: Path
) -> None:
    phantom = torso(shape=(32, 28, 12), spacing=(10.0, 10.0, 20.0))
    slices = write_dicom_series(phantom.volume, tmp_path / "series")
    forms = [item for path in slices for item in ("-F", f"file=@{path}")]
    told = json.loads(curl(*forms, f"{server.url}/upload"))
    assert len(told["jobs"]) == 1
    job = bench.until_ended(1)[0]
    assert (job.state, job.modality, job.shape) == ("done", "CT", [32, 28, 12])


def test_a_zip_archive_with_two_scans_becomes_two_jobs(
    bench: Bench, server: EmbeddedServer, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        archive.write(write_scan(tmp_path / "a.nii", 1), "a.nii")
        archive.write(write_scan(tmp_path / "b.nii", 2), "b.nii")
    curl("-F", f"file=@{tmp_path / 'both.zip'}", f"{server.url}/upload")
    assert {job.state for job in bench.until_ended(2)} == {"done"}


def test_what_is_no_scan_becomes_a_job_that_says_why(
    bench: Bench, server: EmbeddedServer, tmp_path: Path
) -> None:
    (tmp_path / "letter.nii").write_bytes(b"Dear colleague, ...")
    curl("-F", f"file=@{tmp_path / 'letter.nii'}", f"{server.url}/upload")
    job = bench.until_ended(1)[0]
    assert job.state == "refused" and job.error is not None


def test_a_browser_form_without_script_comes_back_to_the_page(
    bench: Bench, server: EmbeddedServer, tmp_path: Path
) -> None:
    body = form([("a.nii", write_scan(tmp_path / "a.nii").read_bytes())])
    status, headers, _ = post(server, body, "Accept: text/html,*/*\n")
    assert (status, headers["location"]) == (303, "upload")
    assert bench.until_ended(1)[0].state == "done"


def test_the_page_and_the_status_say_what_happens(bench: Bench, server: EmbeddedServer) -> None:
    status, headers, page = ask(server, "GET /upload")
    assert status == 200 and b"not a medical device" in page
    nonce = headers["content-security-policy"].split("'nonce-")[1].split("'")[0]
    assert f'nonce="{nonce}"'.encode() in page.lower() and b"http://" not in page and b"https://" not in page
    bench.drop("seen.nii")
    bench.until_ended(1)
    told = json.loads(ask(server, "GET /status")[2])
    assert told["counts"]["done"] == 1 and told["queued"] == 0 and told["current"] == []
    assert told["jobs"][0]["name"] == "seen"
    status, headers, _ = ask(server, "GET /")
    assert (status, headers["location"]) == (302, "/upload")


# --- downloads ------------------------------------------------------------------------------------


def test_a_download_resumes_where_it_was_cut(bench: Bench, server: EmbeddedServer) -> None:
    bench.drop("scan.nii")
    bench.until_ended(1)
    whole = (bench.home.results / "scan.gltf").read_bytes()
    status, headers, body = ask(server, "GET /download/scan.gltf")
    assert (status, body, headers["accept-ranges"]) == (200, whole, "bytes")
    assert headers["content-disposition"].startswith("attachment;")
    tag = headers["etag"]
    status, headers, body = ask(server, f"GET /download/scan.gltf\nRange: bytes=3-\nIf-Range: {tag}\n")
    assert (status, body) == (206, whole[3:])
    assert headers["content-range"] == f"bytes 3-{len(whole) - 1}/{len(whole)}"
    assert ask(server, "GET /download/scan.gltf\nRange: bytes=-2\n")[2] == whole[-2:]
    assert ask(server, 'GET /download/scan.gltf\nRange: bytes=3-\nIf-Range: "old"\n')[2] == whole
    assert ask(server, "GET /download/scan.gltf\nRange: bytes=999999999-\n")[0] == 416
    assert ask(server, f"GET /download/scan.gltf\nIf-None-Match: {tag}\n")[0] == 304
    status, headers, body = ask(server, "HEAD /download/scan.gltf")
    assert (status, int(headers["content-length"]), body) == (200, len(whole), b"")


@pytest.mark.parametrize(
    "path",
    [
        "/download/../state/store.sqlite", "/download/%2e%2e/state/store.sqlite",
        "/download/..%2fsettings.json",
        "/download//etc/hostname", "/download/%2fetc%2fhostname", "/download/..%5csettings.json",
        "/../../../etc/hostname", "//etc/hostname", "/download/", "/download/%00", "/download/.gltf",
        "/download/scan.gltf%00.txt", "/download/private.txt", "/files/../state", "/upload/x",
    ],
)  # fmt: skip
def test_no_file_outside_the_results_can_be_had(bench: Bench, server: EmbeddedServer, path: str) -> None:
    bench.drop("scan.nii")
    bench.until_ended(1)
    (bench.home.results / "private.txt").write_text("not a result", encoding="utf-8")
    status, _, body = ask(server, f"GET {path}")
    assert status == 404 and b"not a result" not in body


# --- who may ask -----------------------------------------------------------------------------------


def test_only_this_machine_is_listened_to_and_a_busy_port_is_named(
    bench: Bench, server: EmbeddedServer
) -> None:
    with socket.socket() as probe:
        probe.settimeout(2)
        assert probe.connect_ex(("127.0.0.1", server.port)) == 0
    other = EmbeddedServer(autoseg_of(bench), server.port)
    with pytest.raises(PipelineError, match=f"port {server.port} is in use"):
        other.start()
    server.stop()
    other.start()  # the port is free the moment the first one stopped
    other.stop()


@pytest.mark.parametrize(
    "host", ["evil.example:{port}", "localhost", "127.0.0.1:1", "localhost:{port}\nHost: a"]
)
def test_another_name_for_this_machine_is_refused(server: EmbeddedServer, host: str) -> None:
    status, _, body = ask(server, f"GET /files\nHost: {host.format(port=server.port)}\n")
    assert status == 421 and b"localhost only" in body


@pytest.mark.parametrize(
    "field",
    [
        "Origin: http://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ],
)
def test_another_sites_page_cannot_upload(bench: Bench, server: EmbeddedServer, field: str) -> None:
    assert post(server, form([("a.nii", b"x")]), f"{field}\n")[0] == 403
    assert bench.jobs() == [] and nothing_left(bench)


def test_a_request_through_a_proxy_is_refused(server: EmbeddedServer) -> None:
    assert ask(server, "GET /files\nX-Forwarded-For: 10.0.0.1\n")[0] == 403
