"""Logging in, cookies, forgery, tokens, links, and what is written down of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.web.accounts.secret import new_secret
from support_security import PASSWORD, Browser, Served

WRONG = "four horses in snow"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("login") / "home") as made:
        yield made


@pytest.fixture
def olga(served: Served) -> Browser:
    """A login of olga, without the slow hash."""
    from AutoSegPipelineLib.web.identify import csrf_of

    with served.accounts() as book:
        secret = book.sessions.begin("olga", "127.0.0.1", 12)
    return Browser(served, f"autoseg-session-{served.port}={secret}", csrf_of(secret))


def forget_failures(served: Served) -> None:
    with served.accounts() as book:
        book._database.execute("DELETE FROM failures")


# --- logging in ---------------------------------------------------------------------------------


def test_a_login_sets_a_cookie_that_no_script_reads_and_no_other_site_sends(served: Served) -> None:
    answer = served.json("POST", "/api/v1/session", {"username": "OLGA", "password": PASSWORD})
    assert answer.status == 201 and answer.json["name"] == "olga"
    assert len(answer.cookies) == 1
    for part in ("; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age=43200"):
        assert part in answer.cookies[0]
    assert len(answer.cookies[0].split("=")[1].split(";")[0]) >= 43, "256 bits"


def test_unknown_wrong_and_disabled_are_answered_alike_and_take_as_long(served: Served) -> None:
    with served.accounts() as book:
        book.users.add("gone", "viewer", PASSWORD)
        book.users.set_disabled("gone", True)
    answers, seconds = [], []
    for name, password in (("vera", WRONG), ("nobody-here", WRONG), ("gone", PASSWORD)):
        begun = time.perf_counter()
        answers.append(served.json("POST", "/api/v1/session", {"username": name, "password": password}))
        seconds.append(time.perf_counter() - begun)
    assert {(one.status, one.body, tuple(one.cookies)) for one in answers} == {(401, answers[0].body, ())}
    # Without the hash an answer takes a millisecond; with it fifty and more.
    assert min(seconds) > 0.02
    forget_failures(served)


def test_a_login_ends_the_one_before_and_keeps_no_secret_that_somebody_planted(
    served: Served, olga: Browser
) -> None:
    planted = f"autoseg-session-{served.port}={new_secret()}"
    body = b'{"username": "olga", "password": "four horses in rain"}'
    for before in (planted, olga.cookie):
        answer = served.ask(
            "POST", "/api/v1/session", body, {"Content-Type": "application/json", "Cookie": before}
        )
        assert answer.status == 201 and before not in answer.cookies[0]
        assert served.ask("GET", "/api/v1/jobs", Cookie=before).status == 401


def test_a_logout_ends_the_session_on_the_server(served: Served, olga: Browser) -> None:
    assert olga.ask("GET", "/api/v1/jobs").status == 200
    answer = olga.ask("DELETE", "/api/v1/session")
    assert answer.status == 204 and "Max-Age=0" in answer.cookies[0]
    assert olga.ask("GET", "/api/v1/jobs").status == 401


def test_the_button_of_the_page_logs_out_with_its_proof_only(served: Served, olga: Browser) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": olga.cookie}
    for body in (b"", b"csrf=wrong", b"csrf="):
        assert served.ask("POST", "/logout", body, form).code == "account.csrf"
    assert olga.ask("GET", "/api/v1/jobs").status == 200
    answer = served.ask("POST", "/logout", f"csrf={olga.csrf}".encode(), form)
    assert (answer.status, answer.headers["location"]) == (303, "/login")
    assert olga.ask("GET", "/api/v1/jobs").status == 401


def test_a_disabled_account_is_out_at_once(served: Served) -> None:
    with served.accounts() as book:
        book.users.add("soon", "operator", PASSWORD)
    browser, token = served.log_in("soon"), served.token("soon")
    assert browser.ask("GET", "/api/v1/jobs").status == 200
    assert served.ask("GET", "/api/v1/jobs", Authorization=token).status == 200
    with served.accounts() as book:
        book.users.set_disabled("soon", True)
    assert browser.ask("GET", "/api/v1/jobs").status == 401
    assert served.ask("GET", "/api/v1/jobs", Authorization=token).status == 401


def test_a_changed_password_ends_every_other_login_and_token(served: Served) -> None:
    with served.accounts() as book:
        book.users.add("carl", "operator", PASSWORD)
    here, there, token = served.log_in("carl"), served.log_in("carl"), served.token("carl")
    wish = {"old": WRONG, "new": "four other horses"}
    assert here.json("PUT", "/api/v1/account/password", wish).code == "account.wrong"
    assert here.json("PUT", "/api/v1/account/password", {"old": PASSWORD, "new": "short"}).status == 422
    answer = here.json("PUT", "/api/v1/account/password", {**wish, "old": PASSWORD})
    assert answer.status == 204
    for browser in (here, there):
        assert browser.ask("GET", "/api/v1/jobs").status == 401
    assert served.ask("GET", "/api/v1/jobs", Authorization=token).status == 401
    fresh = answer.cookies[0].split(";")[0]
    assert served.ask("GET", "/api/v1/jobs", Cookie=fresh).status == 200
    served.log_in("carl", "four other horses")


def test_failures_make_the_next_ones_wait_also_with_the_right_password(served: Served) -> None:
    status = []
    for number in range(8):
        password = PASSWORD if number == 7 else WRONG
        answer = served.json("POST", "/api/v1/session", {"username": "vera", "password": password})
        status.append(answer.status)
    assert status[:5] == [401] * 5 and status[-1] == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 8
    assert served.json("POST", "/api/v1/session", {"username": "otto", "password": PASSWORD}).status == 201
    forget_failures(served)
    assert served.json("POST", "/api/v1/session", {"username": "vera", "password": PASSWORD}).status == 201


@pytest.mark.parametrize(
    "onward",
    ["//evil.example", "https://evil.example/", "/\\evil.example", "/\t/evil.example", "http:evil.example",
     "javascript:alert(1)", "/%0d%0aSet-Cookie:x=1/..//evil.example\r\nX: 1", "evil", "", "/\x00", "/é"],
)  # fmt: skip
def test_a_login_leads_to_this_server_and_nowhere_else(served: Served, onward: str) -> None:
    from urllib.parse import urlencode

    fields = {"username": "olga", "password": PASSWORD, "next": onward}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = served.ask("POST", "/login", urlencode(fields).encode(), form)
    assert answer.status == 303 and answer.headers["location"] == "/"
    page = served.ask("GET", "/login?" + urlencode({"next": onward}), Accept="text/html")
    assert page.status == 200 and b'name="next" value="/"' in page.body


def test_a_login_leads_back_to_where_one_was(served: Served) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = b"username=olga&password=four+horses+in+rain&next=/view/abc%3Fx=1"
    assert served.ask("POST", "/login", body, form).headers["location"] == "/view/abc?x=1"


# --- forgery ------------------------------------------------------------------------------------


def test_a_cookie_alone_changes_nothing(served: Served, olga: Browser) -> None:
    job = served.job("waiting", "olga")
    otto = served.log_in("otto")
    for proof in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "0" * 64}, {"X-CSRF-Token": otto.csrf}):
        headers = {"Cookie": olga.cookie, **proof}
        for method, path in (
            ("POST", f"/api/v1/jobs/{job.id}/cancel"), ("DELETE", f"/api/v1/jobs/{job.id}"),
            ("PATCH", f"/api/v1/jobs/{job.id}"), ("POST", "/upload"), ("PUT", "/api/v1/uploads/a.nii"),
            ("POST", "/api/v1/links"), ("POST", "/api/v1/account/tokens"), ("DELETE", "/api/v1/session"),
            ("PUT", "/api/v1/account/password"), ("POST", "/api/v1/uploads"), ("PUT", "/nowhere"),
        ):  # fmt: skip
            answer = served.ask(method, path, b"{}", headers)
            assert (answer.status, answer.code) == (403, "account.csrf"), (method, path, proof)
    assert olga.ask("POST", f"/api/v1/jobs/{job.id}/cancel").status == 200


FORGED = [
    "",
    "x",
    "null",
    "0",
    "a" * 43,
    "a" * 5000,
    "../../etc/passwd",
    "' OR 1=1 --",
    "%00",
    "é",
    "aseg_" + "a" * 43,
]


@pytest.mark.parametrize("secret", FORGED)
def test_a_made_up_cookie_token_or_link_opens_nothing(served: Served, secret: str) -> None:
    from urllib.parse import quote

    text = secret.encode("utf-8").decode("latin-1")
    cookies = f"autoseg-session-{served.port}={text}; autoseg-share-{served.port}={text}"
    assert served.ask("GET", "/api/v1/jobs", Cookie=cookies).status == 401
    for scheme in ("Bearer ", "bearer ", "Basic ", ""):
        assert served.ask("GET", "/api/v1/jobs", Authorization=scheme + text).status == 401
    if secret:
        assert served.ask("GET", "/share/" + quote(secret, safe="")).status in (400, 404)


def test_the_kept_hash_is_not_the_key(served: Served, olga: Browser) -> None:
    """Whoever reads the file of accounts cannot log in with what stands there."""
    import sqlite3

    token = served.token("olga").split()[1]
    connection = sqlite3.connect(served.home.state / "accounts.sqlite")
    try:
        kept = [str(value) for table in ("sessions", "tokens", "users", "links")
                for row in connection.execute(f"SELECT * FROM {table}") for value in row]  # fmt: skip
    finally:
        connection.close()
    everything = " ".join(kept)
    assert token not in everything and olga.cookie.split("=")[1] not in everything
    assert PASSWORD not in everything and olga.csrf not in everything
    for value in kept:
        assert (
            served.ask("GET", "/api/v1/jobs", Cookie=f"autoseg-session-{served.port}={value}").status == 401
        )
        if value.isprintable() and value.isascii():
            assert served.ask("GET", "/api/v1/jobs", Authorization=f"Bearer {value}").status == 401


def test_a_cookie_that_stands_twice_is_nobodys_word(served: Served, olga: Browser) -> None:
    assert served.ask("GET", "/api/v1/jobs", Cookie=f"{olga.cookie}; {olga.cookie}").status == 401


def test_a_token_that_does_not_hold_is_not_helped_by_a_cookie_that_does(
    served: Served, olga: Browser
) -> None:
    answer = served.ask("GET", "/api/v1/jobs", Cookie=olga.cookie, Authorization="Bearer aseg_wrong")
    assert answer.status == 401 and answer.headers["www-authenticate"] == "Bearer"


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
    made = olga.json("POST", "/api/v1/links", {"job": mine.id, "hours": 1}).json
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
    forget_failures(served)
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
