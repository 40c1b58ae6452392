"""Logging in through an OpenID Connect provider: a real one, on this machine."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import threading
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.web.gate.provider import Provider, ProviderConfig, proved_at
from support.programs import package
from support.security import Answer, Browser, Served

ROLES = {"imaging-admins": "admin", "imaging": "operator", "ward": "viewer"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """A provider that wants a nonce and proofs of PKCE; it knows whoever :func:`known` names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it still uses a part of Authlib that has moved
        oidc_provider_mock = package("oidc_provider_mock")
        from werkzeug.serving import make_server

        app = oidc_provider_mock.app(require_nonce=True)
        app.before_request(WithChallenges().check)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)
        server.server_close()


class WithChallenges:
    """What the provider itself leaves out: a code is given to whoever knows the verifier (RFC 7636)."""

    def __init__(self) -> None:
        self._challenges: set[str] = set()

    def check(self) -> Any:
        import flask

        if flask.request.path == "/oauth2/authorize":
            assert flask.request.args["code_challenge_method"] == "S256"
            self._challenges.add(flask.request.args["code_challenge"])
        if flask.request.path == "/oauth2/token":
            digest = hashlib.sha256(flask.request.form["code_verifier"].encode()).digest()
            if base64.urlsafe_b64encode(digest).decode().rstrip("=") not in self._challenges:
                return {"error": "invalid_grant"}, 400
        return None


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, issuer: str) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("single")
    with Served(root / "home", oidc=str(described(root, issuer))) as made:
        yield made


def described(folder: Path, at: str, **more: Any) -> Path:
    """The file about a provider."""
    path = folder / "provider.json"
    about = {"issuer": at, "client_id": "autoseg", "client_secret": "between us", "roles": ROLES, **more}
    path.write_text(json.dumps(about))
    path.chmod(0o600)
    return path


def known(issuer: str, subject: str, name: str, *groups: str) -> None:
    """Have the provider know somebody."""
    claims = {"preferred_username": name, "groups": list(groups)}
    assert requests.put(f"{issuer}/users/{subject}", json=claims, timeout=20).ok


def agree(address: str, subject: str) -> str:
    """Log in at the provider; the path and query of the way back."""
    answer = requests.post(address, data={"sub": subject}, allow_redirects=False, timeout=20)
    assert answer.status_code in (302, 303), answer.text
    back = urlsplit(answer.headers["location"])
    return f"{back.path}?{back.query}"


@dataclass
class Begun:
    """A browser on its way to the provider."""

    address: str
    cookie: str


def begin(served: Served, onward: str = "/pacs") -> Begun:
    answer = served.ask("GET", f"/login/provider?next={onward}")
    assert answer.status == 303, answer
    return Begun(answer.headers["location"], answer.cookies[0].split(";")[0])


def log_in(served: Served, subject: str) -> Answer:
    begun = begin(served)
    return served.ask("GET", agree(begun.address, subject), headers={"Cookie": begun.cookie})


def session(served: Served, answer: Answer) -> dict[str, Any]:
    cookie = next(one for one in answer.cookies if "session" in one)
    assert "SameSite=Strict" in cookie and "HttpOnly" in cookie
    found: dict[str, Any] = Browser(served, cookie.split(";")[0], "").ask("GET", "/api/v1/session").json
    return found


def test_the_browser_is_sent_with_state_nonce_and_a_challenge(served: Served) -> None:
    sent = parse_qs(urlsplit(begin(served).address).query)
    assert sent["response_type"] == ["code"] and sent["code_challenge_method"] == ["S256"]
    assert len(sent["state"][0]) >= 43 and len(sent["nonce"][0]) >= 43
    assert len(sent["code_challenge"][0]) == 43


def test_a_first_login_makes_the_account_with_the_highest_role_of_its_groups(
    served: Served, issuer: str
) -> None:
    known(issuer, "17", "anna", "ward", "imaging-admins", "canteen")
    answer = log_in(served, "17")
    assert answer.status == 200 and b'href="/pacs"' in answer.body
    found = session(served, answer)
    assert (found["name"], found["role"], found["via"]) == ("anna", "admin", "session")
    known(issuer, "17", "renamed", "ward")
    found = session(served, log_in(served, "17"))
    assert (found["name"], found["role"]) == ("anna", "viewer"), "today's role, the first name"
    with served.accounts() as book:
        assert book.users.is_of_provider("anna")
        assert [one.via for one in book.audit.list(2, who="anna")] == ["provider", "provider"]


@pytest.mark.parametrize("ago", [7200.0, 0.0])
def test_a_login_is_as_fresh_as_the_provider_says(
    served: Served, issuer: str, monkeypatch: pytest.MonkeyPatch, ago: float
) -> None:
    from oidc_provider_mock._storage import AuthorizationCode

    assert [proved_at(claims) for claims in ({}, {"auth_time": True}, {"auth_time": "now"})] == [0.0] * 3
    monkeypatch.setattr(AuthorizationCode, "get_auth_time", lambda self: int(time.time() - ago))
    known(issuer, "25", "hanna", "imaging")
    cookie = next(one for one in log_in(served, "25").cookies if "session" in one).split(";")[0]
    proof = Browser(served, cookie, "").ask("GET", "/api/v1/session").json["csrf"]
    wanted = {"label": "x", "role": "viewer", "days": 1}
    answer = Browser(served, cookie, proof).json("POST", "/api/v1/account/tokens", wanted)
    assert answer.status == 201 if ago == 0.0 else answer.code == "account.reauthenticate"

    begun = begin(served, "/account&again=true")
    assert parse_qs(urlsplit(begun.address).query)["max_age"] == ["0"]
    answer = served.ask("GET", agree(begun.address, "25"), headers={"Cookie": begun.cookie})
    assert answer.status == 200 if ago == 0.0 else answer.code == "account.provider"


def test_a_provider_that_does_not_answer_is_left_alone_for_some_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def get(address: str, **_: object) -> object:
        asked.append(address)
        raise requests.ConnectionError("nobody there")

    monkeypatch.setattr(requests, "get", get)
    provider = Provider(ProviderConfig.read(described(tmp_path, "https://provider.example")))
    for _ in range(3):
        with pytest.raises(PipelineError, match="could not be used"):
            provider.begin("http://127.0.0.1:1/login/provider/back", "/")
    assert len(asked) == 1


def test_calls_that_hang_hold_up_nothing_but_logins() -> None:
    from AutoSegPipelineLib.web.routes.single_sign_on import _MOST_WAITING, _Calls

    free = threading.Event()

    async def crowd() -> None:
        calls = _Calls()
        hanging = [asyncio.ensure_future(calls.run(lambda: free.wait(60))) for _ in range(_MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(PipelineError) as raised:
            await calls.run(lambda: None)
        assert raised.value.code == "account.too_many"
        # A download reads its file in the threads of the loop, which are all free.
        await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(None, lambda: None), 60)
        free.set()
        await asyncio.gather(*hanging)
        await calls.run(lambda: None)
        calls.close()

    asyncio.run(crowd())


def test_no_password_logs_in_to_such_an_account(served: Served, issuer: str) -> None:
    known(issuer, "18", "bert", "imaging")
    log_in(served, "18")
    for password in ("", "x", "between us"):
        body = {"username": "bert", "password": password or "?"}
        assert served.json("POST", "/api/v1/session", body).code == "account.wrong"


def test_whoever_has_no_group_gets_no_role_and_loses_what_was_running(served: Served, issuer: str) -> None:
    known(issuer, "19", "carl", "canteen")
    assert log_in(served, "19").code == "account.forbidden"
    known(issuer, "19", "carl", "imaging")
    running = next(one for one in log_in(served, "19").cookies if "session" in one).split(";")[0]
    assert served.ask("GET", "/api/v1/jobs", headers={"Cookie": running}).status == 200
    known(issuer, "19", "carl")
    assert log_in(served, "19").code == "account.forbidden"
    assert served.ask("GET", "/api/v1/jobs", headers={"Cookie": running}).status == 401


@pytest.mark.parametrize("name", ["vera", "VERA", "no name\n", ""])
def test_an_account_that_is_there_is_never_taken_over_and_odd_names_make_none(
    served: Served, issuer: str, name: str
) -> None:
    known(issuer, "20", name, "imaging-admins")
    answer = log_in(served, "20")
    assert answer.code in ("account.exists", "account.invalid") and not answer.cookies
    with served.accounts() as book:
        assert book.users.get("vera").role == "viewer"


def test_an_answer_counts_once_and_only_in_the_browser_that_asked(served: Served, issuer: str) -> None:
    known(issuer, "21", "dora", "imaging")
    begun, other = begin(served), begin(served)
    back = agree(begun.address, "21")
    assert served.ask("GET", back).code == "account.provider", "no cookie"
    assert served.ask("GET", back, headers={"Cookie": other.cookie}).code == "account.provider"
    assert served.ask("GET", back, headers={"Cookie": begun.cookie}).status == 200
    assert served.ask("GET", back, headers={"Cookie": begun.cookie}).code == "account.provider"


def test_an_answer_that_names_another_issuer_or_an_error_is_refused(served: Served, issuer: str) -> None:
    known(issuer, "22", "emil", "imaging")
    for more in ("&iss=https%3A%2F%2Fevil.example", "&error=access_denied"):
        begun = begin(served)
        back = agree(begun.address, "22") + more
        assert served.ask("GET", back, headers={"Cookie": begun.cookie}).code == "account.provider"


@pytest.mark.parametrize("wrong", [{"nonce": "x" * 43}, {"verifier": "x" * 60}])
def test_a_token_of_another_login_and_a_stolen_code_are_refused(
    tmp_path: Path, issuer: str, wrong: dict[str, str]
) -> None:
    provider = Provider(ProviderConfig.read(described(tmp_path, issuer)))
    known(issuer, "23", "fred", "imaging")
    address, begun = provider.begin("http://127.0.0.1:1/login/provider/back", "/")
    answer = {name: value[0] for name, value in parse_qs(urlsplit(agree(address, "23")).query).items()}
    with pytest.raises(PipelineError) as raised:
        provider.finish(replace(begun, **wrong), answer)
    assert raised.value.code == "account.provider"


def test_a_token_for_another_client_or_of_another_issuer_is_refused(tmp_path: Path, issuer: str) -> None:
    provider = Provider(ProviderConfig.read(described(tmp_path, issuer)))
    known(issuer, "24", "gina", "imaging")
    for other in ({"client_id": "somebody-else"}, {"issuer": issuer.replace("127.0.0.1", "localhost")}):
        address, begun = provider.begin("http://127.0.0.1:1/login/provider/back", "/")
        answer = {name: value[0] for name, value in parse_qs(urlsplit(agree(address, "24")).query).items()}
        token = provider._exchanged(begun, answer["code"])["id_token"]
        strict = Provider(replace(provider.config, **other))
        strict._kept.update(provider._kept)
        with pytest.raises(PipelineError, match="could not be used"):
            strict._checked(token, begun.nonce)
        assert provider._checked(token, begun.nonce)["sub"] == "24"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"issuer": "http://provider.example"}, "no https address"),
        ({"roles": {"x": "root"}}, "roles are"),
        ({"roles": {}}, "are needed"),
        ({"secret": "x"}, "no field 'secret'"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, more: dict[str, Any], why: str) -> None:
    with pytest.raises(PipelineError, match=why):
        ProviderConfig.read(described(tmp_path, "https://provider.example", **more))


def test_without_the_setting_there_is_no_single_sign_on(tmp_path: Path) -> None:
    with Served(tmp_path / "home") as served:
        assert served.ask("GET", "/login/provider").status == 404
        assert served.ask("GET", "/login/provider/back?code=x&state=y").status == 404
        assert b"/login/provider" not in served.ask("GET", "/login").body
