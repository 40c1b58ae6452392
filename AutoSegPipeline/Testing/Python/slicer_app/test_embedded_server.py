"""The embedded web server: the original's clients, uploads of every kind, and clients that mean no good."""

from __future__ import annotations

import json
import os
import socket
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Iterator

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.processing.phantom import torso, write_dicom_series
from AutoSegPipelineLib.slicer_app.server import upload
from AutoSegPipelineLib.slicer_app.server.embedded import EmbeddedServer
from support.pipeline import Bench, write_scan
from support.qt import run_for, run_until
from support.web_server import curl, slicer_web_server, talk

__all__ = ["slicer_web_server"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path / "home") as made:
        yield made


@pytest.fixture
def server(bench: Bench, slicer_web_server: None) -> Iterator[EmbeddedServer]:
    made = EmbeddedServer(_autoseg(bench), 0)
    made.start()
    yield made
    made.stop()


def _autoseg(bench: Bench) -> SimpleNamespace:
    return SimpleNamespace(pipeline=bench.pipeline, home=bench.home, settings=bench.settings)


def _ask(server: EmbeddedServer, text: str, **more: object) -> tuple[int, dict[str, str], bytes]:
    """Status, headers in lower case, and body of the answer to a request with ``Host`` and ``close``."""
    line, _, rest = text.partition("\n")
    fields = (
        f"Host: localhost:{server.port}\nConnection: close\n"
        if "Host:" not in rest
        else "Connection: close\n"
    )
    data = f"{line} HTTP/1.1\n{fields}{rest}".rstrip("\n").replace("\n", "\r\n") + "\r\n\r\n"
    return _parsed(talk(server.port, data.encode() + bytes(more.get("body", b""))))  # type: ignore[arg-type]


def _parsed(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, body


def _form(files: list[tuple[str, bytes]], boundary: str = "xyz", **fields: str) -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, data in files:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        parts.append(head.encode() + data + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


def _post(server: EmbeddedServer, body: bytes, more: str = "") -> tuple[int, dict[str, str], bytes]:
    about = f"Content-Type: multipart/form-data; boundary=xyz\nContent-Length: {len(body)}\n{more}"
    return _ask(server, f"POST /upload\n{about}", body=body)


def _nothing_left(bench: Bench) -> bool:
    return not list(bench.home.incoming.glob("*.part"))


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
    body = _form([("a.nii", write_scan(tmp_path / "a.nii").read_bytes())])
    status, headers, _ = _post(server, body, "Accept: text/html,*/*\n")
    assert (status, headers["location"]) == (303, "upload")
    assert bench.until_ended(1)[0].state == "done"


def test_the_page_and_the_status_say_what_happens(bench: Bench, server: EmbeddedServer) -> None:
    status, headers, page = _ask(server, "GET /upload")
    assert status == 200 and b"not a medical device" in page
    nonce = headers["content-security-policy"].split("'nonce-")[1].split("'")[0]
    assert f'nonce="{nonce}"'.encode() in page.lower() and b"http://" not in page and b"https://" not in page
    bench.drop("seen.nii")
    bench.until_ended(1)
    told = json.loads(_ask(server, "GET /status")[2])
    assert told["counts"]["done"] == 1 and told["queued"] == 0 and told["current"] == []
    assert told["jobs"][0]["name"] == "seen"
    status, headers, _ = _ask(server, "GET /")
    assert (status, headers["location"]) == (302, "/upload")


# --- downloads ------------------------------------------------------------------------------------


def test_a_download_resumes_where_it_was_cut(bench: Bench, server: EmbeddedServer) -> None:
    bench.drop("scan.nii")
    bench.until_ended(1)
    whole = (bench.home.results / "scan.gltf").read_bytes()
    status, headers, body = _ask(server, "GET /download/scan.gltf")
    assert (status, body, headers["accept-ranges"]) == (200, whole, "bytes")
    assert headers["content-disposition"].startswith("attachment;")
    tag = headers["etag"]
    status, headers, body = _ask(server, f"GET /download/scan.gltf\nRange: bytes=3-\nIf-Range: {tag}\n")
    assert (status, body) == (206, whole[3:])
    assert headers["content-range"] == f"bytes 3-{len(whole) - 1}/{len(whole)}"
    assert _ask(server, "GET /download/scan.gltf\nRange: bytes=-2\n")[2] == whole[-2:]
    assert _ask(server, 'GET /download/scan.gltf\nRange: bytes=3-\nIf-Range: "old"\n')[2] == whole
    assert _ask(server, "GET /download/scan.gltf\nRange: bytes=999999999-\n")[0] == 416
    assert _ask(server, f"GET /download/scan.gltf\nIf-None-Match: {tag}\n")[0] == 304
    status, headers, body = _ask(server, "HEAD /download/scan.gltf")
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
    status, _, body = _ask(server, f"GET {path}")
    assert status == 404 and b"not a result" not in body


# --- who may ask -----------------------------------------------------------------------------------


def test_only_this_machine_is_listened_to_and_a_busy_port_is_named(
    bench: Bench, server: EmbeddedServer
) -> None:
    with socket.socket() as probe:
        probe.settimeout(2)
        assert probe.connect_ex(("127.0.0.1", server.port)) == 0
    other = EmbeddedServer(_autoseg(bench), server.port)
    with pytest.raises(PipelineError, match=f"port {server.port} is in use"):
        other.start()
    server.stop()
    other.start()  # the port is free the moment the first one stopped
    other.stop()


@pytest.mark.parametrize(
    "host", ["evil.example:{port}", "localhost", "127.0.0.1:1", "localhost:{port}\nHost: a"]
)
def test_another_name_for_this_machine_is_refused(server: EmbeddedServer, host: str) -> None:
    status, _, body = _ask(server, f"GET /files\nHost: {host.format(port=server.port)}\n")
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
    assert _post(server, _form([("a.nii", b"x")]), f"{field}\n")[0] == 403
    assert bench.jobs() == [] and _nothing_left(bench)


def test_a_request_through_a_proxy_is_refused(server: EmbeddedServer) -> None:
    assert _ask(server, "GET /files\nX-Forwarded-For: 10.0.0.1\n")[0] == 403


# --- bad requests ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "data"),
    [
        (400, b"\x00\x01\x02\r\n\r\n"),
        (400, b"GET /files\r\n\r\n"),
        (400, b"GET /files HTTP/1.1\r\nHost localhost\r\n\r\n"),
        (400, b"POST /upload HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
        (400, b"POST /upload HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (400, b"POST /upload HTTP/1.1\r\nContent-Length: -5\r\n\r\n"),
        (501, b"POST /upload HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"),
        (505, b"GET /files HTTP/2.0\r\n\r\n"),
        (431, b"GET /files HTTP/1.1\r\nX: " + b"x" * 40000 + b"\r\n\r\n"),
        (414, b"GET /" + b"x" * 30000),
    ],
)  # fmt: skip
def test_a_request_that_makes_no_sense_is_answered_and_the_connection_closed(
    server: EmbeddedServer, status: int, data: bytes
) -> None:
    if status == 414:
        data, status = data + b"x" * 10000, 431
    found = _parsed(talk(server.port, data))
    assert found[0] == status and found[1]["connection"] == "close"
    assert _ask(server, "GET /files")[0] == 200


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (405, "DELETE /files"), (405, "PUT /upload"), (405, "OPTIONS /upload"), (404, "GET /nothing"),
        (415, "POST /upload"), (415, "POST /upload\nContent-Type: multipart/form-data\n"),
        (413, "GET /files\nContent-Length: 99999999\n"), (413, "GET /files\nTransfer-Encoding: chunked\n"),
        (422, "POST /upload?quality=fats\nContent-Type: multipart/form-data; boundary=x\n"),
        (422, "POST /upload?nothing=1\nContent-Type: multipart/form-data; boundary=x\n"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said(server: EmbeddedServer, status: int, text: str) -> None:
    found, headers, body = _ask(server, text)
    assert found == status and headers["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == status
    if "fats" in text:
        assert "'fast'" in json.loads(body)["detail"]


def test_an_upload_without_its_end_is_no_upload(bench: Bench, server: EmbeddedServer, tmp_path: Path) -> None:
    body = _form([("a.nii", write_scan(tmp_path / "a.nii").read_bytes())])
    assert _post(server, body[:-10])[0] == 400
    assert _post(server, b"no form at all")[0] == 400
    assert _post(server, _form([]))[0] == 422
    assert bench.jobs() == [] and _nothing_left(bench)


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(bench: Bench, server: EmbeddedServer) -> None:
    head = f"POST /upload HTTP/1.1\r\nHost: localhost:{server.port}\r\nContent-Length: 1000000\r\n"
    head += "Content-Type: multipart/form-data; boundary=xyz\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(head.encode() + _form([("a.nii", b"x" * 1000)])[:500])
        run_until(lambda: list(bench.home.incoming.glob("*.part/input/*")))
    run_until(lambda: _nothing_left(bench))
    assert bench.jobs() == []


def test_stopping_the_server_drops_what_was_not_whole_and_frees_the_port(
    bench: Bench, server: EmbeddedServer
) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"GET /files HTTP/1.1\r\n")
        run_for(0.1)
        server.stop()
        client.settimeout(2)
        assert client.recv(10) == b""
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", server.port))


# --- the wire ------------------------------------------------------------------------------------------


def test_a_request_that_comes_byte_by_byte_is_answered(
    bench: Bench, server: EmbeddedServer, tmp_path: Path
) -> None:
    scan = write_scan(tmp_path / "slow.nii", shape=(4, 4, 9)).read_bytes()
    body = _form([("slow.nii", scan)])
    head = f"POST /upload HTTP/1.1\r\nhost: localhost:{server.port}\r\ncontent-length: {len(body)}\r\n"
    data = (
        head + "content-type: multipart/form-data; boundary=xyz\r\nConnection: close\r\n\r\n"
    ).encode() + body
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(data)):
            client.send(data[at : at + 1])
            if at % 50 == 0:
                run_for(0.001)
        run_until(lambda: bench.jobs())
    assert bench.jobs()[0].label == "slow.nii"


def test_chunks_and_several_requests_on_one_connection(
    bench: Bench, server: EmbeddedServer, tmp_path: Path
) -> None:
    body = _form([("c.nii", write_scan(tmp_path / "c.nii").read_bytes())], quality="fast")
    chunks = b"".join(
        f"{len(body[at : at + 999]):x};x=y\r\n".encode() + body[at : at + 999] + b"\r\n"
        for at in range(0, len(body), 999)
    )
    host = f"Host: localhost:{server.port}\r\n"
    data = f"GET /files HTTP/1.1\r\n{host}\r\n".encode()
    data += f"POST /upload HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n".encode()
    data += b"Content-Type: multipart/form-data; boundary=xyz\r\n\r\n" + chunks + b"0\r\nTrailer: x\r\n\r\n"
    data += f"GET /status HTTP/1.0\r\n{host}\r\n".encode()
    answers = talk(server.port, data).split(b"HTTP/1.1 ")[1:]
    assert [int(answer[:3]) for answer in answers] == [200, 201, 200]
    assert bench.jobs()[0].options.get("quality") in ("fast", None)
    bench.until_ended(1)
    assert bench.jobs()[0].options["quality"] == "fast"


def test_a_silent_client_is_let_go_and_holds_nobody_up(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from AutoSegPipelineLib.slicer_app.server import connection

    with socket.create_connection(("127.0.0.1", server.port)) as silent:
        silent.sendall(b"GET /files HTTP/1.1\r\nX-Slow: ")
        assert _ask(server, "GET /files")[0] == 200
        monkeypatch.setattr(connection, "_HEAD_SECONDS", 0.5)
        silent.setblocking(False)

        def closed() -> bool:
            try:
                return silent.recv(1) == b""
            except BlockingIOError:
                return False

        run_until(closed, 8)


def test_too_little_disk_is_said_before_it_is_full(
    bench: Bench, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setattr(upload, "free_bytes", lambda _folder: 1 << 20)
    status, _, body = _post(server, _form([("a.nii", b"x")]))
    assert (status, json.loads(body)["code"]) == (507, "environment.disk_full")
    assert bench.jobs() == [] and _nothing_left(bench)


def test_memory_stays_flat_while_a_large_file_comes(
    bench: Bench, server: EmbeddedServer, tmp_path: Path
) -> None:
    import psutil

    big = tmp_path / "big.nii"
    write_scan(big)
    os.truncate(big, 200 << 20)  # more bytes than its header claims; what counts here is the way in
    before = psutil.Process().memory_info().rss
    peak = [before]
    process = __import__("subprocess").Popen(
        ["curl", "-sS", "-o", os.devnull, "-F", f"file=@{big}", f"{server.url}/upload"]
    )

    def over() -> bool:
        peak[0] = max(peak[0], psutil.Process().memory_info().rss)
        return process.poll() is not None

    run_until(over, 60)
    assert process.returncode == 0 and peak[0] - before < 40 << 20
    assert bench.until_ended(1, 60)[0].label == "big.nii"
