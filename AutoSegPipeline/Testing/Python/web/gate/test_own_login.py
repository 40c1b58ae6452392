"""One's own logins, proofs, second factor, and what admins may do with accounts, over HTTP."""

from __future__ import annotations

import csv
import io
import time
from typing import Iterator

import pyotp
import pytest
from AutoSegPipelineLib.web.gate.identify import csrf_of
from AutoSegPipelineLib.web.gate.reauthentication import FRESH_SECONDS
from support.security import PASSWORD, Browser, Served


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("own") / "home") as made:
        yield made


def browser(served: Served, name: str, agent: str = "") -> Browser:
    """A fresh login, without the slow hash."""
    with served.accounts() as book:
        secret = book.sessions.begin(name, "127.0.0.1", 12, agent)
    return Browser(served, f"autoseg-session-{served.port}={secret}", csrf_of(secret))


def make_old(served: Served) -> None:
    """Every login was made a while ago."""
    with served.accounts() as book:
        book._database.execute("UPDATE sessions SET proved = proved - ?", (FRESH_SECONDS + 1,))


def log_in(served: Served, name: str, code: str = "", password: str = PASSWORD) -> tuple[int, str]:
    body = {"username": name, "password": password, "code": code}
    answer = served.json("POST", "/api/v1/session", body)
    return answer.status, answer.code


def next_code(totp: pyotp.TOTP, served: Served, name: str) -> str:
    """A code that counts: as if the last one was taken long ago."""
    with served.accounts() as book:
        book._database.execute("UPDATE second_factors SET last_step = 0 WHERE user = ?", (name,))
    return totp.at(int(time.time()))


def test_ones_own_logins_are_listed_and_ended_one_by_one_or_all_others(served: Served) -> None:
    here, there, third = (browser(served, "vera", f"Browser {n}") for n in range(3))
    other = browser(served, "otto")
    found = here.ask("GET", "/api/v1/account/sessions").json["sessions"]
    assert [(one["agent"], one["current"]) for one in found] == [
        ("Browser 2", False), ("Browser 1", False), ("Browser 0", True),
    ]  # fmt: skip
    assert other.ask("DELETE", f"/api/v1/account/sessions/{found[1]['id']}").status == 404
    assert there.ask("GET", "/api/v1/jobs").status == 200
    assert here.ask("DELETE", f"/api/v1/account/sessions/{found[1]['id']}").status == 204
    assert there.ask("GET", "/api/v1/jobs").status == 401
    assert here.ask("DELETE", "/api/v1/account/sessions").status == 204
    assert [one.ask("GET", "/api/v1/jobs").status for one in (here, third, other)] == [200, 401, 200]


def test_an_old_login_gives_the_password_again_before_it_makes_tokens(served: Served) -> None:
    olga = browser(served, "olga")
    make_old(served)
    wanted = {"label": "x", "role": "viewer", "days": 1}
    answer = olga.json("POST", "/api/v1/account/tokens", wanted)
    assert (answer.status, answer.code) == (403, "account.reauthenticate")
    answer = olga.json("POST", "/api/v1/account/proof", {"password": "not the password"})
    assert (answer.status, answer.code) == (403, "account.wrong")
    assert olga.json("POST", "/api/v1/account/tokens", wanted).status == 403
    assert olga.json("POST", "/api/v1/account/proof", {"password": PASSWORD}).status == 204
    assert olga.json("POST", "/api/v1/account/tokens", wanted).status == 201


def test_with_a_second_factor_the_password_is_not_enough(served: Served) -> None:
    otto, other = browser(served, "otto"), browser(served, "otto")
    made = otto.ask("POST", "/api/v1/account/second-factor")
    assert made.status == 201 and made.json["picture"].startswith("data:image/png;base64,")
    assert made.json["secret"] in made.json["address"]
    totp = pyotp.TOTP(made.json["secret"])
    codes = otto.json("PUT", "/api/v1/account/second-factor", {"code": totp.now()}).json["codes"]
    assert other.ask("GET", "/api/v1/jobs").status == 401, "logins of one factor ended"

    assert log_in(served, "otto") == (401, "account.code_needed")
    assert log_in(served, "otto", "000 000") == (401, "account.code_wrong")
    code = next_code(totp, served, "otto")
    assert log_in(served, "otto", code) == (201, "")
    assert log_in(served, "otto", code) == (401, "account.code_wrong"), "a replay"
    assert log_in(served, "otto", code, "not the password") == (401, "account.wrong")
    assert log_in(served, "otto", codes[0]) == (201, "")
    assert log_in(served, "otto", codes[0]) == (401, "account.code_wrong")

    make_old(served)
    assert otto.ask("DELETE", "/api/v1/account/second-factor").code == "account.reauthenticate"
    proof = {"password": PASSWORD}
    assert otto.json("POST", "/api/v1/account/proof", proof).code == "account.code_needed"
    assert otto.json("POST", "/api/v1/account/proof", {**proof, "code": codes[1]}).status == 204
    assert otto.ask("DELETE", "/api/v1/account/second-factor").status == 204
    assert log_in(served, "otto") == (201, "")


def test_the_password_is_changed_with_the_second_factor_and_a_refusal_does_not_end_the_login(
    served: Served,
) -> None:
    with served.accounts() as book:
        book.users.add("paula", "viewer", PASSWORD)
        totp = pyotp.TOTP(book.second_factors.begin("paula"))
        book.second_factors.confirm("paula", totp.now())
    paula, path = browser(served, "paula"), "/api/v1/account/password"
    wanted = {"old": PASSWORD, "new": "six cows in the snow"}
    for more, code in (
        ({"old": "not the password"}, "account.wrong"),
        ({}, "account.code_needed"),
        ({"code": "000000"}, "account.code_wrong"),
    ):
        answer = paula.json("PUT", path, {**wanted, **more})
        assert (answer.status, answer.code) == (403, code), "a 401 sends the page to the login"
    assert log_in(served, "paula", next_code(totp, served, "paula")) == (201, "")
    assert paula.json("PUT", path, {**wanted, "code": next_code(totp, served, "paula")}).status == 204


def test_a_token_ends_no_login_of_its_owner(served: Served) -> None:
    here = browser(served, "vera")
    (number,) = (one["id"] for one in here.ask("GET", "/api/v1/account/sessions").json["sessions"][:1])
    token = served.token("vera", "viewer")
    answer = served.ask("DELETE", f"/api/v1/account/sessions/{number}", Authorization=token)
    assert (answer.status, answer.code) == (403, "account.forbidden")
    assert here.ask("DELETE", f"/api/v1/account/sessions/{number}").status == 204


def test_whoever_has_the_password_cannot_try_codes_for_ever(served: Served) -> None:
    with served.accounts() as book:
        book.users.add("tried", "viewer", PASSWORD)
        totp = pyotp.TOTP(book.second_factors.begin("tried"))
        book.second_factors.confirm("tried", totp.now())
    found = [log_in(served, "tried", f"{number:06d}")[1] for number in range(8)]
    assert found[:5] == ["account.code_wrong"] * 5 and "account.too_many" in found


def test_a_first_code_cannot_be_tried_for_ever_either_and_the_refusal_says_how_long(served: Served) -> None:
    with served.accounts() as book:
        book.users.add("begins", "viewer", PASSWORD)
    begins, path = browser(served, "begins"), "/api/v1/account/second-factor"
    assert begins.ask("POST", path).status == 201
    found = [begins.json("PUT", path, {"code": f"{number:06d}"}) for number in range(8)]
    assert [(one.status, one.code) for one in found[:5]] == [(403, "account.code_wrong")] * 5
    last = next(one for one in found if one.code == "account.too_many")
    assert int(last.headers["retry-after"]) > 0


def test_admins_make_change_and_disable_accounts_and_the_log_has_it(served: Served) -> None:
    ada = browser(served, "ada")
    wanted = {"name": "new.person", "role": "viewer", "password": "rain on blue horses"}
    assert ada.json("POST", "/api/v1/users", wanted).status == 201
    assert ada.json("POST", "/api/v1/users", wanted).code == "account.exists"
    assert (
        ada.json("POST", "/api/v1/users", {**wanted, "name": "b", "password": "password1234"}).status == 422
    )
    assert log_in(served, "new.person", "", wanted["password"]) == (201, "")
    there = browser(served, "new.person")
    path = "/api/v1/users/new.person"
    assert ada.json("PATCH", path, {"role": "operator"}).json["role"] == "operator"
    assert ada.json("PATCH", path, {"password": "wind on green horses"}).status == 200
    assert there.ask("GET", "/api/v1/jobs").status == 401
    assert ada.json("PATCH", path, {"disabled": True}).json["disabled"] is True
    assert log_in(served, "new.person", "", "wind on green horses") == (401, "account.wrong")
    lines = ada.ask("GET", "/api/v1/audit?what=user.&who=ada").json["lines"]
    assert [(one["what"], one["detail"]) for one in lines[:4]] == [
        ("user.disable", "new.person"), ("user.password", "new.person"),
        ("user.role", "new.person operator"), ("user.add", "new.person viewer"),
    ]  # fmt: skip
    assert not any("horses" in str(line) for line in lines)


def test_the_last_admin_stays_one(served: Served) -> None:
    ada = browser(served, "ada")
    for change in ({"role": "viewer"}, {"disabled": True}):
        assert ada.json("PATCH", "/api/v1/users/ada", change).code == "request.conflict"
    make_old(served)
    assert ada.json("PATCH", "/api/v1/users/vera", {"role": "admin"}).code == "account.reauthenticate"


def test_the_audit_log_is_filtered_and_exported(served: Served) -> None:
    with served.accounts() as book:
        book.audit.note("job.delete", "=cmd()", ok=False)
        book._database.execute("UPDATE audit SET at = 1000000 WHERE who = '=cmd()'")
    ada = browser(served, "ada")
    old = ada.ask("GET", "/api/v1/audit?until=1970-01-12").json["lines"]
    assert [one["who"] for one in old] == ["=cmd()"]
    assert ada.ask("GET", "/api/v1/audit?since=1970-01-12&until=1970-01-12&ok=true").json["lines"] == []
    assert ada.ask("GET", "/api/v1/audit?since=yesterday").status == 422
    table = ada.ask("GET", "/api/v1/audit.csv?ok=false")
    rows = list(csv.DictReader(io.StringIO(table.body.decode())))
    assert table.headers["content-type"].startswith("text/csv") and len(rows) >= 2
    assert {row["ok"] for row in rows} == {"False"} and "'=cmd()" in {row["who"] for row in rows}
    everything = ada.ask("GET", "/api/v1/audit.csv").body.count(b"\r\n")
    assert everything > len(rows) + 5
