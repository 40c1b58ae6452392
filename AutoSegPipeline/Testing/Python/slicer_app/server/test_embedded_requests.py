"""The embedded web server: requests that are wrong, cut, slow or large, and clients that mean no good."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from AutoSegPipelineLib.intake.received import handover
from AutoSegPipelineLib.slicer_app.server.embedded import EmbeddedServer
from support.embedded_server import ask, form, nothing_left, parsed, post, uploads_of
from support.pipeline import Bench, write_scan
from support.qt import run_for, run_until
from support.web_server import talk

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
    found = parsed(talk(server.port, data))
    assert found[0] == status and found[1]["connection"] == "close"
    assert ask(server, "GET /files")[0] == 200


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
    found, headers, body = ask(server, text)
    assert found == status and headers["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == status
    if "fats" in text:
        assert "'fast'" in json.loads(body)["detail"]


def test_an_upload_without_its_end_is_no_upload(bench: Bench, server: EmbeddedServer, tmp_path: Path) -> None:
    body = form([("a.nii", write_scan(tmp_path / "a.nii").read_bytes())])
    assert post(server, body[:-10])[0] == 400
    assert post(server, b"no form at all")[0] == 400
    assert post(server, form([]))[0] == 422
    assert bench.jobs() == [] and nothing_left(bench)


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(bench: Bench, server: EmbeddedServer) -> None:
    head = f"POST /upload HTTP/1.1\r\nHost: localhost:{server.port}\r\nContent-Length: 1000000\r\n"
    head += "Content-Type: multipart/form-data; boundary=xyz\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(head.encode() + form([("a.nii", b"x" * 1000)])[:500])
        run_until(lambda: any((folder / "f000001").exists() for folder in uploads_of(bench)))
    run_until(lambda: nothing_left(bench))
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
    body = form([("slow.nii", scan)])
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
    body = form([("c.nii", write_scan(tmp_path / "c.nii").read_bytes())], quality="fast")
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
        assert ask(server, "GET /files")[0] == 200
        monkeypatch.setattr(connection, "_HEAD_SECONDS", 0.5)
        silent.setblocking(False)

        def closed() -> bool:
            try:
                return silent.recv(1) == b""
            except BlockingIOError:
                return False

        run_until(closed, 60)


def test_too_little_disk_is_said_before_it_is_full(
    bench: Bench, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setattr(handover, "free_bytes", lambda _folder: 1 << 20)
    status, _, body = post(server, form([("a.nii", b"x")]))
    assert (status, json.loads(body)["code"]) == (507, "environment.disk_full")
    assert bench.jobs() == [] and nothing_left(bench)


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
