"""Large bodies past the HTTP parser: every byte once, and the connection stays what it was."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import time
from pathlib import Path
from typing import Iterator

import pytest
from support.certificate import write_certificate
from support.uploads import PART, Site

SIZE = (9 << 20) + 12_345  # some blocks and a bit


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("pour") / "home").start()
    yield made
    made.stop()


def head(method: str, path: str, size: int, **headers: str) -> bytes:
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\n{named}\r\n".encode()


def answer(line: socket.socket) -> tuple[bytes, bytes]:
    """The head and the body of the next answer on a line that stays open."""
    line.settimeout(30)
    text = b""
    while b"\r\n\r\n" not in text:
        piece = line.recv(1)
        assert piece, text
        text += piece
    fields = dict(one.lower().split(b": ", 1) for one in text.strip().split(b"\r\n")[1:])
    length, body = int(fields.get(b"content-length", b"0")), b""
    while len(body) < length:
        body += line.recv(length - len(body))
    return text, body


def batch_put(data: bytes, **headers: str) -> bytes:
    """A file of a batch that is never finished: it becomes no job."""
    digest = hashlib.sha256(data).hexdigest()
    return head("PUT", f"/api/v1/uploads/{digest[:8]}.bin?batch=pouring1", len(data), **headers)


def test_a_connection_goes_on_after_a_large_body_and_pipelined_requests_are_answered(site: Site) -> None:
    health = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with socket.create_connection(("127.0.0.1", site.port)) as line:
        for _ in range(3):
            data = os.urandom(SIZE)
            line.sendall(batch_put(data) + data + health + health)
            said, body = answer(line)
            assert b" 201 " in said.split(b"\r\n")[0], said
            assert hashlib.sha256(data).hexdigest().encode() in body
            for _ in range(2):
                assert b" 200 " in answer(line)[0].split(b"\r\n")[0]


def test_a_large_body_behind_a_pipelined_small_request_arrives_whole(site: Site) -> None:
    data = os.urandom(SIZE)
    with socket.create_connection(("127.0.0.1", site.port)) as line:
        line.sendall(head("GET", "/healthz", 0) + batch_put(data) + data)
        assert b" 200 " in answer(line)[0]
        assert hashlib.sha256(data).hexdigest().encode() in answer(line)[1]


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(site: Site) -> None:
    data = os.urandom(SIZE)
    with socket.create_connection(("127.0.0.1", site.port)) as line:
        line.sendall(batch_put(data, Expect="100-continue", Connection="close"))
        assert answer(line)[0].startswith(b"HTTP/1.1 100 ")
        line.sendall(data)
        assert hashlib.sha256(data).hexdigest().encode() in answer(line)[1]
        assert line.recv(1) == b"", "the client asked for a close"


def test_many_large_bodies_at_once_do_not_mix(site: Site) -> None:
    bodies = [os.urandom(SIZE) for _ in range(7)]
    lines = [socket.create_connection(("127.0.0.1", site.port)) for _ in bodies]
    try:
        for line, data in zip(lines, bodies):
            line.sendall(batch_put(data))
        for start in range(0, SIZE, 700_001):
            for line, data in zip(lines, bodies):
                line.sendall(data[start : start + 700_001])
        for line, data in zip(lines, bodies):
            assert hashlib.sha256(data).hexdigest().encode() in answer(line)[1]
    finally:
        for line in lines:
            line.close()


def test_what_came_of_a_part_before_the_line_broke_is_kept_to_the_last_byte(site: Site) -> None:
    data = os.urandom(SIZE)
    path = site.place(site.create(SIZE, filename="broken.bin"))
    come = SIZE - 54_321
    with socket.create_connection(("127.0.0.1", site.port)) as line:
        line.sendall(head("PATCH", path, SIZE, **PART, Upload_Offset="0") + data[:come])
        time.sleep(0.2)
    site.until(lambda: site.offset(path) == come, 60)
    (stored,) = (site.uploads / path.rpartition("/")[2]).glob("data*")
    assert stored.read_bytes() == data[:come]


def test_a_large_body_that_may_not_come_in_ends_the_connection(site: Site) -> None:
    for path, status in (("/login", b" 413 "), ("/api/v1/uploads/a.nii?engine=none", b" 4")):
        with socket.create_connection(("127.0.0.1", site.port)) as line:
            method = "POST" if path == "/login" else "PUT"
            line.sendall(head(method, path, SIZE) + bytes(100))
            said, _ = answer(line)
            assert status in said.split(b"\r\n")[0] and b"connection: close" in said.lower()
            smuggled = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            try:
                line.sendall(smuggled)
                assert line.recv(100) == b""
            except ConnectionError:
                pass


def test_a_slow_client_is_not_kept_waiting_for_a_full_block(site: Site) -> None:
    path = site.place(site.create(SIZE, filename="slow.bin"))
    with socket.create_connection(("127.0.0.1", site.port)) as line:
        line.sendall(head("PATCH", path, SIZE, **PART, Upload_Offset="0") + bytes(1000))
        stored = site.uploads / path.rpartition("/")[2]
        site.until(lambda: sum(one.stat().st_size for one in stored.glob("data*")) >= 1000, 60)
    site.until(lambda: site.offset(path) == 1000, 60)


def test_large_bodies_arrive_whole_through_tls(tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path)
    site = Site(tmp_path / "home", tls_cert=str(cert), tls_key=str(key)).start()
    try:
        assert site.url.startswith("https:")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", site.port))
        with context.wrap_socket(plain) as line:
            for _ in range(2):
                data = os.urandom(SIZE)
                line.sendall(batch_put(data) + data + head("GET", "/healthz", 0))
                assert hashlib.sha256(data).hexdigest().encode() in answer(line)[1]
                assert b" 200 " in answer(line)[0]
    finally:
        site.stop()
