"""Tokens, share links, and what is written down of everything."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.web.gate.identify import csrf_of
from support.security import PASSWORD, Browser, Served

WRONG = "four horses in snow"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("tokens") / "home") as made:
        yield made


@pytest.fixture
def olga(served: Served) -> Browser:
    """A login of olga, without the slow hash."""
    with served.accounts() as book:
        secret = book.sessions.begin("olga", "127.0.0.1", 12)
    return Browser(served, f"autoseg-session-{served.port}={secret}", csrf_of(secret))


# --- tokens -------------------------------------------------------------------------------------


def test_a_token_does_what_its_role_says_without_proof_and_never_more_than_its_account(
    served: Served,
) -> None:
    job = served.job("waiting", "olga")
    path = f"/api/v1/jobs/{job.id}/cancel"
    assert served.ask("POST", path, b"", Authorization=served.token("olga", "operator")).status == 200
    assert served.ask("POST", path, b"", Authorization=served.token("olga", "viewer")).status == 403
    assert served.ask("POST", path, b"", Authorization=served.token("vera", "admin")).status == 403
    assert served.ask("GET", "/api/v1/audit", Authorization=served.token("olga", "admin")).status == 403


def test_a_token_ends_by_itself_and_when_it_is_revoked(served: Served, olga: Browser) -> None:
    assert served.ask("GET", "/api/v1/jobs", Authorization=served.token("olga", days=1e-9)).status == 401
    made = olga.json("POST", "/api/v1/account/tokens", {"label": "CT", "role": "operator", "days": 1}).json
    header = {"Authorization": f"Bearer {made['secret']}"}
    assert served.ask("GET", "/api/v1/jobs", None, header).status == 200
    listed = olga.ask("GET", "/api/v1/account/tokens")
    assert made["secret"].encode() not in listed.body
    otto = served.log_in("otto")
    assert otto.ask("DELETE", f"/api/v1/account/tokens/{made['id']}").status == 404
    assert olga.ask("DELETE", f"/api/v1/account/tokens/{made['id']}").status == 204
    assert served.ask("GET", "/api/v1/jobs", None, header).status == 401


def test_a_token_makes_no_token_and_changes_no_password(served: Served) -> None:
    token = {"Authorization": served.token("olga"), "Content-Type": "application/json"}
    wish = b'{"label": "more", "role": "operator"}'
    assert served.ask("POST", "/api/v1/account/tokens", wish, token).status == 403
    wish = f'{{"old": "{PASSWORD}", "new": "four other horses"}}'.encode()
    assert served.ask("PUT", "/api/v1/account/password", wish, token).status == 403


# --- links --------------------------------------------------------------------------------------


def opened(served: Served, url: str) -> tuple[int, dict[str, str]]:
    """(status, cookie) of opening a link."""
    answer = served.ask("GET", url[len(served.url) :])
    return answer.status, {"Cookie": answer.cookies[0].split(";")[0]} if answer.cookies else {}


def test_a_link_opens_one_result_until_it_ends_and_never_a_change(served: Served, olga: Browser) -> None:
    mine, other = served.result("shared", "olga"), served.result("private", "olga")
    made = olga.json("POST", "/api/v1/links", {"job": mine.id, "hours": 1, "names": True}).json
    status, cookie = opened(served, made["url"])
    assert status == 303
    assert (
        served.ask("GET", f"/api/v1/results/{mine.id}/files/shared.gltf", None, cookie).body
        == b"gltf of olga"
    )
    assert served.ask("GET", f"/api/v1/results/{mine.id}.zip", None, cookie).status == 200
    for path in (
        f"/api/v1/results/{other.id}/files/private.gltf",
        f"/api/v1/jobs/{other.id}",
        f"/view/{other.id}",
    ):
        assert served.ask("GET", path, None, cookie).status == 404, path
    assert served.ask("GET", "/download/private.gltf", None, cookie).status == 403
    for method, path in (
        ("DELETE", f"/api/v1/jobs/{mine.id}"),
        ("POST", "/upload"),
        ("POST", "/api/v1/links"),
    ):
        assert served.ask(method, path, b"", cookie).status == 403, path
    assert [job["id"] for job in served.ask("GET", "/api/v1/jobs", None, cookie).json["jobs"]] == [mine.id]
    assert made["url"].rsplit("/", 1)[1].encode() not in olga.ask("GET", "/api/v1/links").body
    assert olga.ask("DELETE", f"/api/v1/links/{made['id']}").status == 204
    assert opened(served, made["url"])[0] == 404
    assert served.ask("GET", f"/api/v1/results/{mine.id}.zip", None, cookie).status == 401


def test_a_link_that_has_ended_or_whose_maker_is_disabled_opens_nothing(served: Served) -> None:
    job = served.result("brief", "olga")
    with served.accounts() as book:
        book.users.add("leaving", "operator", PASSWORD)
        _, old = book.links.create(job.id, "olga", 1e-7)
        _, good = book.links.create(job.id, "leaving", 1)
        assert served.ask("GET", f"/share/{good}").status == 303
        book.users.set_disabled("leaving", True)
    assert served.ask("GET", f"/share/{old}").status == 404
    assert served.ask("GET", f"/share/{good}").status == 404


def test_links_are_to_what_one_sees_and_to_finished_results(tmp_path: Path) -> None:
    with Served(tmp_path / "home", visibility="own") as served:
        job, waiting = served.result("hidden", "olga"), served.job("waiting", "otto")
        otto = served.log_in("otto")
        assert otto.json("POST", "/api/v1/links", {"job": job.id}).status == 404
        assert otto.json("POST", "/api/v1/links", {"job": waiting.id}).status == 409
        # Whoever is logged in and was given a link sees that result beside the own ones.
        with served.accounts() as book:
            _, secret = book.links.create(job.id, "olga", 1)
        both = f"{otto.cookie}; autoseg-share-{served.port}={secret}"
        assert served.ask("GET", f"/api/v1/jobs/{job.id}", Cookie=both).status == 200
        delete = served.ask("DELETE", f"/api/v1/jobs/{job.id}", Cookie=both, X_CSRF_Token=otto.csrf)
        assert delete.code == "account.forbidden"


# --- what is written down -----------------------------------------------------------------------


def test_every_view_download_change_and_login_is_written_down_without_secrets(
    served: Served, olga: Browser
) -> None:
    job = served.result("watched", "olga")
    olga.ask("GET", f"/view/{job.id[:8]}")
    olga.ask("GET", "/download/watched.gltf")
    olga.ask("GET", f"/api/v1/results/{job.id}.zip")
    olga.ask("POST", f"/api/v1/jobs/{job.id}/retry")
    olga.ask("PUT", "/api/v1/uploads/scan.nii", b"bytes")
    served.ask("DELETE", f"/api/v1/jobs/{job.id}", b"", Authorization=served.token("vera"))
    served.json("POST", "/api/v1/session", {"username": "vera", "password": WRONG})
    served.json("POST", "/api/v1/session", {"username": PASSWORD, "password": PASSWORD})
    answer = served.ask("GET", "/api/v1/audit?limit=100", Authorization=served.token("ada"))
    about = [
        (one["what"], one["who"], one["via"], one["ok"])
        for one in answer.json["lines"]
        if one["job"] == job.id
    ]
    assert about[::-1] == [
        ("result.view", "olga", "session", True),
        ("result.file", "olga", "session", True),
        ("result.zip", "olga", "session", True),
        ("job.retry", "olga", "session", True),
        ("job.delete", "vera", "token", False),
    ]
    uploads = [one for one in answer.json["lines"] if one["what"] == "upload"]
    assert [(one["who"], one["ok"]) for one in uploads[:1]] == [("olga", True)]
    assert len(uploads[0]["job"]) == 32
    assert b"watched" not in answer.body, "a name may tell of a patient"
    endings = {one["what"]: one["detail"] for one in answer.json["lines"] if one["job"] == job.id}
    assert endings["result.file"] == ".gltf"
    failed = [one["who"] for one in answer.json["lines"] if one["what"] == "login" and not one["ok"]]
    assert failed[:2] == ["", "vera"], "a password in the field of the name is not kept"
    assert all(one["address"] == "127.0.0.1" for one in answer.json["lines"])
    assert PASSWORD.encode() not in answer.body and WRONG.encode() not in answer.body


def test_the_log_is_read_page_by_page(served: Served) -> None:
    header = {"Authorization": served.token("ada")}
    seen, before = [], ""
    while True:
        page = served.ask("GET", f"/api/v1/audit?limit=7{before}", None, header).json
        seen += [one["id"] for one in page["lines"]]
        if page["before"] is None:
            break
        before = f"&before={page['before']}"
    assert seen == sorted(set(seen), reverse=True) and len(seen) > 14


def test_an_event_stream_ends_with_the_login(served: Served, olga: Browser) -> None:
    import http.client

    line = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    try:
        line.request("GET", "/api/v1/events", headers={"Cookie": olga.cookie, "Accept": "text/event-stream"})
        stream = line.getresponse()
        assert stream.status == 200 and stream.readline()
        assert olga.ask("DELETE", "/api/v1/session").status == 204
        time.sleep(5.5)  # a stream asks every five seconds whether it may go on
        served.job("news", "olga")
        begun = time.monotonic()
        while stream.readline():
            assert time.monotonic() - begun < 30
    except (ConnectionError, http.client.IncompleteRead):
        pass  # cut in the middle is an end, too
    finally:
        line.close()


def test_a_download_under_way_ends_with_the_login(served: Served, olga: Browser) -> None:
    import http.client

    job = served.result("large", "olga")
    with open(served.home.results / "large.gltf", "wb") as stream:
        stream.truncate(200 << 20)
    line = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    try:
        line.request("GET", f"/api/v1/results/{job.id}/files/large.gltf", headers={"Cookie": olga.cookie})
        answer = line.getresponse()
        assert answer.status == 200 and answer.read(1000)
        time.sleep(5.5)
        assert olga.ask("DELETE", "/api/v1/session").status == 204
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
    finally:
        line.close()
