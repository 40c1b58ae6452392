"""What no browser sends: paths that climb, odd methods and headers, lying lengths, clients that dawdle."""

from __future__ import annotations

import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Iterator
from urllib.parse import quote

import pytest
from AutoSegPipelineLib.web.gate import body_limits
from AutoSegPipelineLib.web.http import timeouts
from support.security import Served, routes

SECRET = b"TOP-SECRET-OF-THE-HOME"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Loopback without accounts, where every route answers; a secret lies around everywhere."""
    with Served(tmp_path_factory.mktemp("wire") / "home", accounts=False) as made:
        made.result("case", "local")
        home = made.home
        for folder in (home.root, home.root.parent, home.state, home.inbox, home.results, home.logs):
            (folder / "secret.txt").write_bytes(SECRET)
        yield made


def status_of(answer: bytes) -> int:
    """The status of a raw answer; 0 when the server just closed."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


# --- paths --------------------------------------------------------------------------------------

CLIMBS = [
    "../secret.txt", "../../secret.txt", "../state/secret.txt", "../state/accounts.sqlite", "..", ".", "../",
    "..%2Fsecret.txt", "..%252Fsecret.txt", "%2e%2e/secret.txt", "%2e%2e%2fstate%2faccounts.sqlite",
    "..%5csecret.txt", "..\\secret.txt", "....//secret.txt", "..;/secret.txt", "%00", "secret.txt%00.gltf",
    "secret.txt", "/etc/passwd", "%2Fetc%2Fpasswd", "//etc/passwd", "file:///etc/passwd",
    "C:%5CWindows%5Cwin.ini",
    "%c0%ae%c0%ae/secret.txt", "%u002e%u002e/secret.txt", "case.gltf/../../secret.txt", "case.gltf%00",
    "~/secret.txt", "CON", "case.gltf:stream", "%0d%0aX-Injected:1", "a" * 5000,
]  # fmt: skip


def filled(path: str, climb: str, job: str) -> str:
    """A route's path with ``climb`` for its last hole and something real for those before."""
    pieces = []
    holes = [piece for piece in path.split("/") if "{" in piece]
    for piece in path.split("/"):
        if "{" in piece and piece == holes[-1]:
            pieces.append(climb + piece.partition("}")[2])
        else:
            pieces.append(job if "{" in piece else piece)
    return "/".join(pieces)


def test_no_path_leads_out_of_where_it_belongs_on_any_route(served: Served) -> None:
    job = served.result("climbed", "local").id
    wrong = []
    with_holes = sorted(key for key in routes() if "{" in key and not key.startswith("DELETE"))
    assert len(with_holes) > 15
    for key in with_holes:
        method, _, path = key.partition(" ")
        for climb in CLIMBS:
            target = filled(path, climb, job).encode("latin-1", "replace")
            request = b"%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            answer = served.raw(request % (method.encode(), target))
            head, _, content = answer.partition(b"\r\n\r\n")
            if SECRET in answer or b"root:" in content or b"SQLite format" in content:
                wrong.append(f"{key} {climb}: told")
            if b"X-Injected" in head or status_of(answer) >= 500:
                wrong.append(f"{key} {climb}: {head[:200]!r}")
    assert wrong == []
    assert not (served.home.root / "a.nii").exists()


def test_an_upload_is_stored_under_a_name_of_ours_whatever_it_is_called(served: Served) -> None:
    before = {path for path in served.home.root.rglob("*") if served.home.state not in path.parents}
    for name in CLIMBS:
        served.ask("PUT", "/api/v1/uploads/" + quote(name, safe=""), b"no scan")
        form = (
            f'--x\r\nContent-Disposition: form-data; name="f"; filename="{name}"\r\n\r\nno scan\r\n--x--\r\n'
        )
        served.ask("POST", "/upload", form.encode(), {"Content-Type": "multipart/form-data; boundary=x"})
    after = {path for path in served.home.root.rglob("*") if served.home.state not in path.parents}
    assert after - before == set()
    assert (served.home.root.parent / "secret.txt").read_bytes() == SECRET


# --- methods and headers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", ["TRACE", "CONNECT", "PROPFIND", "get", "G\tET", "", "A" * 3000, "DEBUG", "QUERY"]
)
def test_a_method_that_a_route_does_not_have_is_refused(served: Served, method: str) -> None:
    for path in ("/", "/files", "/api/v1/jobs", "/download/case.gltf", "/static/js/api.js"):
        answer = served.raw(
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
        )
        assert status_of(answer) in (0, 400, 405), answer[:200]
        assert b"case.gltf" not in answer


ODD = [
    b"Host: 127.0.0.1\r\nHost: evil.example", b"Host:", b"Host: 127.0.0.1\r\nHost: 127.0.0.1", b"X: y",
    b"Host: 127.0.0.1\r\nContent-Length: -1", b"Host: 127.0.0.1\r\nContent-Length: 1e3",
    b"Host: 127.0.0.1\r\nContent-Length: 99999999999999999999999", b"Host: 127.0.0.1\r\nContent-Length: +5",
    b"Host: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6", b"Host: 127.0.0.1\r\n folded: x",
    b"Host: 127.0.0.1\r\nTransfer-Encoding: gzip", b"Host: 127.0.0.1\r\nTransfer-Encoding: chunked, chunked",
    b"Host: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", b"Host: 127.0.0.1\r\nA B: c",
    b"Host: 127.0.0.1\r\nTransfer-Encoding : chunked", b"Host: 127.0.0.1\r\n: x",
    b"Host: 127.0.0.1\r\nX: \x00",
    b"Host: 127.0.0.1\r\nTransfer-Encoding: xchunked",
]  # fmt: skip


@pytest.mark.parametrize("headers", ODD)
def test_headers_that_two_readers_could_read_in_two_ways_are_refused(served: Served, headers: bytes) -> None:
    smuggled = b"GET /files HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    request = b"POST /login HTTP/1.1\r\n%s\r\n\r\n0\r\n\r\n%s" % (headers, smuggled)
    answer = served.raw(request)
    assert status_of(answer) in (0, 400, 413, 421, 501), answer[:300]
    assert b"case.gltf" not in answer, "the smuggled request was answered"


def test_random_bytes_and_headers_never_end_it_nor_make_it_fail(served: Served) -> None:
    random.seed(5)
    names = [
        "Range", "If-None-Match", "If-Range", "Accept", "Cookie", "Authorization", "Content-Type", "Origin",
        "Upload-Offset", "Upload-Metadata", "Tus-Resumable", "Last-Event-ID", "If-Modified-Since", "Expect",
        "X-HTTP-Method-Override", "Repr-Digest", "Accept-Encoding", "Sec-Fetch-Site", "Upgrade",
    ]  # fmt: skip
    targets = sorted(key.partition(" ")[2] for key in routes())
    for _ in range(150):
        noise = bytes(random.choice(b"\x01\x7f\xff\x80=,;\"'%{}-bytes0123456789\\/ ") for _ in range(30))
        header = random.choice(names).encode() + b": " + noise.replace(b"\r", b"").replace(b"\n", b"")
        path = random.choice(targets).replace("{", "%7B").replace("}", "%7D")
        method = random.choice([b"GET", b"POST", b"HEAD", b"PATCH", b"OPTIONS"])
        start = method + b" " + path.encode() + b"?q=%ff&limit=-1&since=x&state=%00"
        answer = served.raw(
            start + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + header + b"\r\n\r\n"
        )
        assert status_of(answer) < 500 or b"web.unavailable" in answer, (start, header, answer[:300])
    for _ in range(30):
        served.raw(bytes(random.randrange(256) for _ in range(200)) + b"\r\n\r\n")
    assert served.ask("GET", "/healthz").status == 200


def test_headers_without_end_are_cut_off(served: Served) -> None:
    answer = served.raw(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 200_000)
    assert status_of(answer) in (0, 400, 431)
    many = b"".join(b"X-%d: y\r\n" % number for number in range(20_000))
    assert status_of(served.raw(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + many + b"\r\n")) in (0, 400, 431)


# --- bodies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/api/v1/session", "/login", "/api/v1/links", "/api/v1/account/tokens", "/logout"]
)
def test_a_body_that_is_no_upload_has_a_limit_however_it_is_sent(served: Served, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n".encode()
    declared = served.raw(head + b"Content-Length: 100000000\r\n\r\n{")
    assert status_of(declared) == 413 and b"connection: close" in declared.lower()
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    chunked = served.raw(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 40 + b"0\r\n\r\n")
    # What is not read of a request may reset the line before the answer is out.
    assert status_of(chunked) in (0, 303, 403, 409, 413)


def test_a_length_that_promises_less_than_comes_is_not_taken_for_a_second_request(served: Served) -> None:
    job = served.job("waiting", "local")
    hidden = f"POST /api/v1/jobs/{job.id}/cancel HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n"
    request = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    answer = served.raw(request + hidden.encode())
    assert answer.count(b"HTTP/1.1") == 1


def test_an_answer_before_the_end_of_a_body_closes_the_line(served: Served) -> None:
    head = b"POST /api/v1/jobs/x/cancel HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 500\r\n\r\nab"
    answer = served.raw(head)
    assert status_of(answer) == 421 and b"connection: close" in answer.lower()


# --- slow clients -------------------------------------------------------------------------------


def until_cut(line: socket.socket, piece: bytes, every: float, seconds: float) -> float:
    """Seconds until the server closed, while ``piece`` is sent again and again."""
    begun = time.monotonic()
    line.settimeout(every)
    while time.monotonic() - begun < seconds:
        try:
            line.sendall(piece)
            if not line.recv(65536):
                break
        except socket.timeout:
            continue
        except OSError:
            break
    return time.monotonic() - begun


def dribbled(served: Served, begin: bytes, piece: bytes, most: float) -> float:
    """How long a client that sends ``piece`` once a second is borne."""
    with socket.create_connection(("127.0.0.1", served.port)) as line:
        line.sendall(begin)
        return until_cut(line, piece, 1.0, most)


@pytest.mark.slow
def test_clients_that_dawdle_are_cut_off(served: Served) -> None:
    get, header = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"X-a: b\r\n"
    post = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n\r\n"
    put = b"PUT /api/v1/uploads/timeouts.nii HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n\r\n"
    cases = {
        "says nothing": (b"", b"", timeouts.HEADER_SECONDS),
        "one letter": (b"G", b"", timeouts.HEADER_SECONDS),
        "headers without end": (get, header, timeouts.HEADER_SECONDS),
        "after a good request": (get + b"\r\n" + get, header, timeouts.HEADER_SECONDS),
        "a body that stops": (post, b"", body_limits.IDLE_SECONDS),
        "an upload that stops": (put, b"", body_limits.IDLE_SECONDS),
        "a body that dribbles": (post, b" ", body_limits.TOTAL_SECONDS),
        "an upload that dribbles": (put, b"a", body_limits.WINDOW_SECONDS),
    }
    before = set(served.home.incoming.iterdir())
    with ThreadPoolExecutor(len(cases)) as pool:
        running = {
            name: pool.submit(dribbled, served, begin, piece, limit + 20)
            for name, (begin, piece, limit) in cases.items()
        }
        took = {name: one.result() for name, one in running.items()}
    assert {name: took[name] < cases[name][2] + 8 for name in cases} == dict.fromkeys(cases, True), took
    assert set(served.home.incoming.iterdir()) == before, "an upload that was cut off became no job"


def test_many_idle_lines_do_not_keep_others_out(served: Served) -> None:
    lines = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(200)]
    try:
        for line in lines:
            line.sendall(b"GET / HTTP/1.1\r\n")
        begun = time.monotonic()
        assert served.ask("GET", "/healthz").status == 200
        assert time.monotonic() - begun < 5
    finally:
        for line in lines:
            line.close()


# --- what goes out ------------------------------------------------------------------------------


def test_every_answer_carries_the_security_headers(served: Served) -> None:
    job = served.result("headers", "local")
    for path in ("/", "/login", "/files", "/api/v1/jobs", "/nothing", "/static/js/api.js", f"/view/{job.id}",
                 "/download/headers.gltf", f"/api/v1/results/{job.id}.zip", "/healthz"):  # fmt: skip
        found = served.ask("GET", path).headers
        assert found["x-content-type-options"] == "nosniff", path
        assert found["x-frame-options"] in ("DENY", "SAMEORIGIN"), path
        policy = found["content-security-policy"]
        assert "default-src 'none'" in policy and "'unsafe-eval'" not in policy, path
        assert "script-src 'self' 'unsafe-inline'" not in policy, path
        assert found["referrer-policy"] == "same-origin" and "server" not in found, path
    assert "'wasm-unsafe-eval'" in served.ask("GET", f"/view/{job.id}").headers["content-security-policy"]
    assert "'wasm-unsafe-eval'" not in served.ask("GET", "/").headers["content-security-policy"]


def test_a_result_file_cannot_act_as_a_page_of_this_server(served: Served) -> None:
    job = served.result("evil", "local")
    for path in (f"/api/v1/results/{job.id}/files/evil.report.html", "/download/evil.report.html"):
        found = served.ask("GET", path).headers
        assert found["content-security-policy"].startswith("sandbox;"), path
        assert "script-src" not in found["content-security-policy"]
    assert (
        served.ask("GET", "/download/evil.report.html")
        .headers["content-disposition"]
        .startswith("attachment")
    )
