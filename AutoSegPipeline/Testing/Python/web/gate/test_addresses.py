"""From where a request may come: addresses to listen on, Host, Origin, proxies, base path, TLS."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.web.config import WebConfig, is_loopback
from AutoSegPipelineLib.web.gate import exposure_rule, hosts
from AutoSegPipelineLib.web.http import sockets
from support.certificate import write_certificate
from support.security import Served

ALONE = ["127.0.0.1", "127.8.9.10", "localhost", "LOCALHOST", "localhost.", "::1", "[::1]"]
OPEN = [
    "0.0.0.0",
    "",
    "::",
    "10.0.0.5",
    "autoseg.example.org",
    "localhost.example.org",
    "127.0.0.1.example.org",
]


def config(root: Path, **settings: Any) -> WebConfig:
    return WebConfig.of(Home.at(root), Settings.defaults(**settings))


# --- addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ALONE)
def test_this_machine_alone_needs_neither_account_nor_tls(tmp_path: Path, host: str) -> None:
    assert is_loopback(host)
    assert exposure_rule.exposed(config(tmp_path, host=host), accounts=False) == []


@pytest.mark.parametrize("host", OPEN)
def test_any_other_address_needs_both(tmp_path: Path, host: str) -> None:
    assert not is_loopback(host)
    wanted = config(tmp_path, host=host)
    secure = config(tmp_path, host=host, tls_cert="c.pem", tls_key="k.pem")
    assert len(exposure_rule.exposed(wanted, accounts=False)) == 2
    assert len(exposure_rule.exposed(wanted, accounts=True)) == 1
    assert len(exposure_rule.exposed(secure, accounts=False)) == 1
    assert exposure_rule.exposed(secure, accounts=True) == []


@pytest.mark.parametrize("accounts", [False, True])
def test_the_server_does_not_start_where_something_is_missing(tmp_path: Path, accounts: bool) -> None:
    with Served(tmp_path / "home", accounts=accounts, host="0.0.0.0") as served:
        assert served.failed is not None and served.failed["code"] == "web.exposed"
        assert "no TLS" in served.failed["message"]
        assert ("no account" in served.failed["message"]) is not accounts
        assert "--insecure" in served.failed["hint"]


def test_insecure_starts_with_a_warning_that_everybody_sees(tmp_path: Path) -> None:
    with Served(tmp_path / "home", accounts=False, host="0.0.0.0", insecure=True) as served:
        assert any("INSECURE" in text for text in served.said)
        told = served.ask("GET", "/api/v1/status").json
        assert told["insecure"].startswith("INSECURE")
        assert b"INSECURE" in served.ask("GET", "/", Accept="text/html").body
        assert served.ask("GET", "/api/v1/session").json["role"] == "operator", "never admin"
        assert served.ask("GET", "/api/v1/audit").status == 403
    with Served(tmp_path / "other", accounts=False) as served:
        assert served.ask("GET", "/api/v1/status").json["insecure"] == ""
        assert b"INSECURE" not in served.ask("GET", "/", Accept="text/html").body


def test_small_answers_are_not_held_back_for_acknowledgements(tmp_path: Path) -> None:
    """asyncio switches Nagle's algorithm off only where a socket names its protocol."""
    found = sockets.listen(config(tmp_path, host="localhost", port=0))
    for one in found:
        one.close()
    assert found and {one.proto for one in found} == {socket.IPPROTO_TCP}


# --- Host and Origin ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """As a person starts it: loopback, no account."""
    with Served(tmp_path_factory.mktemp("doors") / "home", accounts=False) as served:
        served.result("case", "local")
        yield served


STRANGERS = [
    "evil.example", "evil.example:PORT", "127.0.0.1.evil.example:PORT", "localhost.evil.example",
    "10.0.0.5:PORT", "user@127.0.0.1:PORT", "127.0.0.1:PORT:1", "[::1", "127.0.0.1:99999", "127.0.0.1/x",
    "0x7f000001", "0.0.0.0:PORT",
]  # fmt: skip


@pytest.mark.parametrize("host", STRANGERS)
def test_a_name_that_is_not_this_servers_is_refused_also_without_accounts(alone: Served, host: str) -> None:
    for path in ("/", "/api/v1/jobs", "/healthz", "/static/js/api.js", "/nothing"):
        answer = alone.ask("GET", path, Host=host.replace("PORT", str(alone.port)))
        assert (answer.status, answer.code) == (421, "web.wrong_host"), path
        assert b"case" not in answer.body


@pytest.mark.parametrize("host", ["localhost:PORT", "127.0.0.1", "127.5.5.5:1", "[::1]:PORT", "LOCALHOST."])
def test_the_names_of_this_machine_are_known(alone: Served, host: str) -> None:
    assert alone.ask("GET", "/api/v1/jobs", Host=host.replace("PORT", str(alone.port))).status == 200


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "https://127.0.0.1:PORT"},
    {"Origin": "http://127.0.0.1:PORT.evil.example"},
    {"Origin": "http://evil.example/127.0.0.1:PORT"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
]


def filled(served: Served, headers: dict[str, str]) -> dict[str, str]:
    return {name: value.replace("PORT", str(served.port)) for name, value in headers.items()}


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_page_of_another_site_changes_nothing_also_without_accounts(
    alone: Served, headers: dict[str, str]
) -> None:
    job = alone.job("waiting", "local")
    for method, path in (
        ("POST", f"/api/v1/jobs/{job.id}/cancel"),
        ("DELETE", f"/api/v1/jobs/{job.id}"),
        ("POST", "/upload"),
        ("PUT", "/api/v1/uploads/a.nii"),
        ("POST", "/login"),
        ("POST", "/logout"),
        ("PATCH", f"/api/v1/jobs/{job.id}"),
    ):
        answer = alone.ask(method, path, b"", filled(alone, headers))
        assert (answer.status, answer.code) == (403, "web.cross_site"), path
    assert not list(alone.home.incoming.iterdir())


@pytest.mark.parametrize("headers", FOREIGN[:9], ids=str)
@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/events", "/files", "/download/case.gltf", "/"])
def test_a_page_of_another_site_reads_nothing_and_follows_no_events(
    alone: Served, headers: dict[str, str], path: str
) -> None:
    answer = alone.ask("GET", path, None, {"Accept": "text/event-stream", **filled(alone, headers)})
    assert (answer.status, answer.code) == (403, "web.cross_site")
    assert "access-control-allow-origin" not in answer.headers


def test_a_link_on_another_site_may_lead_to_the_page(alone: Served) -> None:
    headers = {**FOREIGN[9], "Sec-Fetch-User": "?1"}
    assert alone.ask("GET", "/", None, headers).status == 200
    assert alone.ask("GET", "/", None, {**headers, "Sec-Fetch-Dest": "iframe"}).status == 403


def test_the_page_itself_and_programs_go_on(alone: Served) -> None:
    job = alone.job("waiting", "local")
    own = f"http://127.0.0.1:{alone.port}"
    for headers in (
        {},
        {"Origin": own},
        {"Origin": own, "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ):
        assert alone.ask("POST", f"/api/v1/jobs/{job.id}/cancel", b"", headers).status == 200, headers


# --- proxies ------------------------------------------------------------------------------------

FORWARDED = ["Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Anything",
             "X-Real-IP", "X-Client-IP", "True-Client-IP"]  # fmt: skip


@pytest.mark.parametrize("name", FORWARDED)
def test_any_forwarded_header_is_refused_without_accounts(alone: Served, name: str) -> None:
    for path in ("/", "/healthz", "/api/v1/jobs"):
        answer = alone.ask("GET", path, None, {name: "10.0.0.9"})
        assert (answer.status, answer.code) == (400, "web.forwarded")


def test_without_accounts_a_proxy_is_not_believed_even_where_it_is_named(tmp_path: Path) -> None:
    with Served(tmp_path / "home", accounts=False, trusted_proxy=["127.0.0.1"]) as served:
        assert served.ask("GET", "/", X_Forwarded_For="10.0.0.9").code == "web.forwarded"


def test_a_proxy_that_nobody_named_is_refused_with_accounts_too(tmp_path: Path) -> None:
    with Served(tmp_path / "home", trusted_proxy=["10.9.9.9"]) as served:
        answer = served.ask("GET", "/healthz", X_Forwarded_For="127.0.0.1")
        assert (answer.status, answer.code) == (400, "web.forwarded")


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Behind a reverse proxy on this machine, below a path, for a name."""
    with Served(
        tmp_path_factory.mktemp("proxy") / "home",
        trusted_proxy=["127.0.0.1"],
        server_names=["scans.example.org"],
        base_path="/autoseg/",
    ) as served:
        yield served


PROXIED = {"Host": "scans.example.org", "X-Forwarded-Proto": "https", "X-Forwarded-For": "6.6.6.6, 10.0.0.9"}


def test_behind_a_trusted_proxy_the_client_is_who_the_proxy_saw(behind: Served) -> None:
    body = b'{"username": "vera", "password": "four horses in rain"}'
    headers = {**PROXIED, "Content-Type": "application/json", "Origin": "https://scans.example.org"}
    answer = behind.ask("POST", "/autoseg/api/v1/session", body, headers)
    assert answer.status == 201
    cookie = answer.cookies[0]
    assert (
        cookie.startswith("__Secure-autoseg-session") and "; Secure" in cookie and "Path=/autoseg" in cookie
    )
    with behind.accounts() as book:
        assert book.audit.list(what="login")[0].address == "10.0.0.9", "not what the client claimed itself"


def test_behind_a_proxy_figures_are_for_who_is_known_only(behind: Served) -> None:
    assert behind.ask("GET", "/autoseg/metrics", None, PROXIED).status == 401
    assert "details" not in behind.ask("GET", "/autoseg/healthz", None, PROXIED).json
    assert behind.ask("GET", "/autoseg/metrics").status == 200, "this machine itself"


@pytest.mark.parametrize("prefix", ["/autoseg", ""])
def test_links_redirects_and_pages_keep_the_base_path_whether_or_not_the_proxy_takes_it_off(
    behind: Served, prefix: str
) -> None:
    answer = behind.ask("GET", f"{prefix}/view/x", None, {**PROXIED, "Accept": "text/html"})
    assert (answer.status, answer.headers["location"]) == (303, "/autoseg/login?next=/autoseg/view/x")
    page = behind.ask("GET", f"{prefix}/login", None, {**PROXIED, "Accept": "text/html"})
    assert page.status == 200 and b'"/autoseg/static/' in page.body
    assert behind.ask("GET", f"{prefix}/static/js/api.js", None, PROXIED).status == 200
    assert behind.ask("GET", f"{prefix}/api/v1/jobs", None, PROXIED).status == 401


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("10.0.0.9", "10.0.0.9"),
        ("6.6.6.6, 10.0.0.9", "10.0.0.9"),
        ("10.0.0.9, 127.0.0.1", "10.0.0.9"),
        ("10.0.0.9:4711", "10.0.0.9"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("::ffff:10.0.0.9", "10.0.0.9"),
        ("6.6.6.6, rubbish", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_the_last_address_that_is_no_proxy_of_ours_is_the_client(
    tmp_path: Path, forwarded: str, client: str
) -> None:
    site = hosts.Site(config(tmp_path, trusted_proxy=["127.0.0.0/8"]))
    assert site.peer("127.0.0.1", "http", {"x-forwarded-for": forwarded}).address == client
    assert site.peer("10.1.1.1", "http", {"x-forwarded-for": forwarded}).address == "10.1.1.1"


def test_a_trusted_proxy_that_is_no_address_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"proxy\.example") as told:
        hosts.networks(["proxy.example"])
    assert told.value.code == "options.invalid"


# --- TLS ----------------------------------------------------------------------------------------


def test_under_tls_cookies_belong_to_this_host_and_to_encrypted_pages_alone(tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path)
    with Served(tmp_path / "home", tls_cert=str(cert), tls_key=str(key), host="127.0.0.1") as served:
        assert served.url.startswith("https://")
        answer = served.json(
            "POST", "/api/v1/session", {"username": "vera", "password": "four horses in rain"}
        )
        cookie = answer.cookies[0]
        assert cookie.startswith("__Host-autoseg-session-")
        for part in ("; Path=/;", "; HttpOnly", "; SameSite=Strict", "; Secure"):
            assert part in cookie + ";", part
        assert served.ask("GET", "/api/v1/jobs", Cookie=cookie.split(";")[0]).status == 200
        client = ssl.create_default_context(cafile=str(cert))
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        here = ("127.0.0.1", served.port)
        with (
            socket.create_connection(here, timeout=10) as line,
            client.wrap_socket(line, server_hostname="localhost") as secure,
        ):
            assert secure.version() == "TLSv1.2" and "GCM" in secure.cipher()[0]
        client.set_ciphers("AES128-SHA:ECDHE-RSA-AES128-SHA:@SECLEVEL=0")
        with (
            socket.create_connection(here, timeout=10) as line,
            pytest.raises((ssl.SSLError, ConnectionError)),
        ):
            client.wrap_socket(line, server_hostname="localhost")
