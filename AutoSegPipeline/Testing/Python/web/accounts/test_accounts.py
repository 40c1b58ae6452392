"""The book of accounts itself: hashes, times, limits, the file."""

from __future__ import annotations

import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.web.accounts import audit, backoff, passwords
from AutoSegPipelineLib.web.accounts.accounts import FILE, Accounts, accounts_exist
from AutoSegPipelineLib.web.accounts.sessions import _MOST
from support.headless import clean_environment
from support.held_clock import HeldClock

PASSWORD = "four horses in rain"


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock(1_800_000_000.0)


@pytest.fixture
def book(tmp_path: Path, clock: HeldClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Accounts]:
    quick = {**passwords.PARAMETERS, "time_cost": 1, "memory_cost": 64, "parallelism": 1}
    monkeypatch.setattr(passwords, "PARAMETERS", quick)
    accounts = Accounts(tmp_path / FILE, clock)
    accounts.users.add("anna", "operator", PASSWORD)
    yield accounts
    accounts.close()


# --- passwords ----------------------------------------------------------------------------------


def test_a_password_is_kept_as_argon2id_hard_on_memory() -> None:
    kept = passwords.hash_password(PASSWORD, "anna")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.verify(kept, PASSWORD) and not passwords.verify(kept, PASSWORD + " ")
    assert kept != passwords.hash_password(PASSWORD, "anna"), "salted"


def test_the_hash_of_nobody_costs_what_a_real_one_costs() -> None:
    assert not passwords.is_outdated(passwords.NOBODYS)
    assert not passwords.verify(None, PASSWORD) and not passwords.verify(None, "")


def test_an_older_hash_is_seen(book: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = book.users.kept_password("anna")
    assert kept is not None and not passwords.is_outdated(kept)
    monkeypatch.setattr(passwords, "PARAMETERS", {**passwords.PARAMETERS, "time_cost": 2})
    assert passwords.is_outdated(kept)


def test_the_same_letters_typed_in_two_ways_are_one_password() -> None:
    kept = passwords.hash_again("gru\u0308ne Hu\u0308gel")
    assert passwords.verify(kept, "gr\u00fcne H\u00fcgel")


@pytest.mark.parametrize(
    "password", ["", "shorty", "1234567890", "Password123", "aaaaaaaaaaaa", "anna2026anna", "x" * 1025]
)
def test_a_password_that_is_guessed_first_is_refused(password: str) -> None:
    with pytest.raises(PipelineError) as told:
        passwords.check(password, "anna2026an")
    assert told.value.code == "account.invalid" and (not password or password not in str(told.value))


@pytest.mark.parametrize(
    "name", ["", "a b", "a/b", "../x", "-x", "x" * 65, "\u0430nna", "local", "LOCAL", "a\n", "a;b"]
)
def test_a_name_that_could_be_taken_for_another_is_refused(book: Accounts, name: str) -> None:
    with pytest.raises(PipelineError) as told:
        book.users.add(name, "viewer", PASSWORD)
    assert told.value.code == "account.invalid"


def test_a_name_is_never_given_twice(book: Accounts) -> None:
    book.users.set_disabled("anna", True)
    with pytest.raises(PipelineError) as told:
        book.users.add("ANNA", "viewer", PASSWORD)
    assert told.value.code == "account.exists"


def test_few_passwords_are_hashed_at_a_time_and_too_many_are_sent_away() -> None:
    import asyncio

    from AutoSegPipelineLib.web.gate.password_login import _AT_ONCE, _MOST_WAITING, Hashing

    at_once, lock = [0, 0], threading.Lock()

    def work() -> bool:
        with lock:
            at_once[0] += 1
            at_once[1] = max(at_once)
        time.sleep(0.01)
        with lock:
            at_once[0] -= 1
        return True

    async def all_at_once() -> list[bool | BaseException]:
        hashing = Hashing()
        return await asyncio.gather(*(hashing.run(work) for _ in range(40)), return_exceptions=True)

    answers = asyncio.run(all_at_once())
    assert answers.count(True) == _MOST_WAITING and at_once[1] == _AT_ONCE
    sent_away = [one for one in answers if one is not True]
    assert {one.code for one in sent_away if isinstance(one, PipelineError)} == {"account.too_many"}


# --- sessions, tokens, links --------------------------------------------------------------------


def test_a_login_ends_after_its_hours_and_after_a_sixth_of_them_without_a_request(
    book: Accounts, clock: HeldClock
) -> None:
    secret = book.sessions.begin("anna", "10.0.0.1", 12)
    for _ in range(11):
        clock.at += 3600
        assert book.sessions.find(secret, 12) is not None
    clock.at += 3601
    assert book.sessions.find(secret, 12) is None
    idle = book.sessions.begin("anna", "10.0.0.1", 12)
    clock.at += 2 * 3600
    assert book.sessions.find(idle, 12) is None


def test_an_account_has_a_bounded_number_of_logins(book: Accounts, clock: HeldClock) -> None:
    secrets = []
    for _ in range(_MOST + 5):
        clock.at += 1
        secrets.append(book.sessions.begin("anna", "10.0.0.1", 12))
    holding = [book.sessions.find(secret, 12) is not None for secret in secrets]
    assert holding == [False] * 5 + [True] * _MOST


def test_a_changed_role_holds_from_the_next_request_on(book: Accounts) -> None:
    secret = book.sessions.begin("anna", "10.0.0.1", 12)
    _, token = book.tokens.create("anna", "CT", "operator", 1)
    book.users.set_role("anna", "viewer")
    session, by_token = book.sessions.find(secret, 12), book.tokens.find(token)
    assert session is not None and by_token is not None
    assert (session.role, by_token.role) == ("viewer", "viewer")


def test_an_account_that_is_let_in_again_has_to_log_in_again(book: Accounts) -> None:
    secret = book.sessions.begin("anna", "10.0.0.1", 12)
    _, token = book.tokens.create("anna", "CT", "operator", 1)
    _, link = book.links.create("a" * 32, "anna", 1)
    book.users.set_disabled("anna", True)
    book.users.set_disabled("anna", False)
    assert book.sessions.find(secret, 12) is None
    assert book.tokens.find(token) is None and book.links.find(link) is None


# --- back-off -----------------------------------------------------------------------------------


def waits(book: Accounts, name: str, address: str) -> int:
    """Seconds that the next attempt has to wait; 0 when it was let through (and counted)."""
    try:
        book.backoff.begin(name, address)
    except PipelineError as error:
        return int(error.data["seconds"])
    return 0


def test_the_wait_doubles_and_a_success_forgets_it(book: Accounts, clock: HeldClock) -> None:
    assert [waits(book, "anna", "10.0.0.1") for _ in range(5)] == [0] * 5
    longest = 0
    for expected in (1, 2, 4, 8, 16, 32):
        longest = waits(book, "anna", "10.0.0.1")
        assert longest == expected
        clock.at += longest
        assert waits(book, "anna", "10.0.0.1") == 0
    book.backoff.succeeded("anna", "10.0.0.1")
    assert waits(book, "anna", "10.0.0.1") == 0


def test_a_stranger_cannot_lock_somebody_out_for_long(book: Accounts, clock: HeldClock) -> None:
    for number in range(200):
        waits(book, "anna", f"10.0.{number}.1")
    assert waits(book, "anna", "10.9.9.9") <= backoff._RULES["account"].longest == 60


def test_one_place_cannot_try_many_names(book: Accounts) -> None:
    assert any(waits(book, f"user{number}", "10.0.0.1") for number in range(40))
    assert any(waits(book, f"user{number}", f"2001:db8::{number:x}") for number in range(40)), "one network"


def test_attempts_at_the_same_time_gain_nothing(tmp_path: Path, book: Accounts) -> None:
    passed = []

    def attempt() -> None:
        own = Accounts(book._database.path)
        try:
            passed.append(waits(own, "anna", "10.0.0.1") == 0)
        finally:
            own.close()

    threads = [threading.Thread(target=attempt) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert passed.count(True) == 5


def test_failures_are_kept_without_the_names_and_bounded(
    book: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "_MOST", 50)
    for number in range(100):
        waits(book, f"{PASSWORD}{number}", f"10.0.{number}.1")
    rows = book._database.rows("SELECT key FROM failures")
    assert len(rows) <= 50
    assert not any(PASSWORD in row["key"] for row in rows)


# --- the audit log ------------------------------------------------------------------------------


def test_the_audit_log_is_cut_at_its_old_end(
    book: Accounts, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_MOST", 20)
    monkeypatch.setattr(audit, "_TRIM_EVERY", 10)
    for number in range(100):
        book.audit.note("login", f"user{number}")
    newest = book.audit.list(limit=1000)
    assert len(newest) <= 30 and newest[0].who == "user99"
    clock.at += 401 * 86400
    for _ in range(10):
        book.audit.note("login", "later")
    assert {line.who for line in book.audit.list(limit=1000)} == {"later"}


def test_parts_of_one_download_are_one_line(book: Accounts, clock: HeldClock) -> None:
    for _ in range(5):
        book.audit.note("result.file", "anna", job="j", detail="a.gltf", once=True)
    clock.at += 61
    book.audit.note("result.file", "anna", job="j", detail="a.gltf", once=True)
    assert len(book.audit.list()) == 2


def test_a_line_is_one_line_of_bounded_length(book: Accounts) -> None:
    book.audit.note("result.file", "anna", detail="x\r\ny\x1b[31m" + "z" * 1000)
    detail = book.audit.list()[0].detail
    assert detail.isprintable() and len(detail) <= 300


# --- the file -----------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such bits; the user's folder protects it")
def test_the_file_is_its_users_alone_whatever_the_umask(tmp_path: Path) -> None:
    import os

    before = os.umask(0)
    try:
        accounts = Accounts(tmp_path / FILE)
        accounts.audit.note("login", "anna")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        accounts.close()
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o600} and len(modes) == 3


def test_asking_whether_accounts_exist_makes_nothing(tmp_path: Path, book: Accounts) -> None:
    home = Home.at(tmp_path / "home")
    assert not accounts_exist(home) and not home.root.exists()
    assert accounts_exist(Home.at(tmp_path, state=tmp_path))


def test_the_accounts_need_none_of_the_webs_packages() -> None:
    names = ("fastapi", "starlette", "uvicorn", "pydantic", "argon2", "multipart", "anyio")
    code = (
        f"import sys\nfor name in {names}: sys.modules[name] = None\n"
        "from AutoSegPipelineLib.web.accounts.accounts import accounts_exist\n"
        "from AutoSegPipelineLib.core.home import Home\nfrom pathlib import Path\n"
        "print(accounts_exist(Home.at(Path('/nonexistent'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment(), check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("False", "")
