"""Logging in, cookies, forgery, tokens, links, and what is written down of it."""

from __future__ import annotations

import time
from typing import Iterator

import pytest
from AutoSegPipelineLib.web.accounts import passwords
from AutoSegPipelineLib.web.accounts.secret import new_secret
from support.security import PASSWORD, Browser, Served

WRONG = "four horses in snow"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("login") / "home") as made:
        yield made


@pytest.fixture
def olga(served: Served) -> Browser:
    """A login of olga, without the slow hash."""
    from AutoSegPipelineLib.web.gate.identify import csrf_of

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


def test_an_older_hash_is_made_anew_at_the_next_login(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served.accounts() as book:
        with monkeypatch.context() as patched:
            patched.setitem(passwords.PARAMETERS, "memory_cost", 8192)
            book.users.add("early", "viewer", PASSWORD)
        assert "m=8192" in book.users.kept_password("early")
        served.log_in("early")
        assert "m=65536" in book.users.kept_password("early")
        served.log_in("early")


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
