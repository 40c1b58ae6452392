"""Codes of an authenticator app, recovery codes, and the rules for new passwords."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pyotp
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.web.accounts import passwords
from AutoSegPipelineLib.web.accounts.accounts import FILE, Accounts
from AutoSegPipelineLib.web.gate.rate_limits import ACCOUNT, STRANGER, RateLimits, rate_of
from support.held_clock import HeldClock


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock(1_800_000_000.0)


@pytest.fixture
def book(tmp_path: Path, clock: HeldClock) -> Iterator[Accounts]:
    made = Accounts(tmp_path / FILE, clock)
    yield made
    made.close()


def turned_on(book: Accounts, clock: HeldClock) -> tuple[pyotp.TOTP, list[str]]:
    totp = pyotp.TOTP(book.second_factors.begin("anna"))
    codes = book.second_factors.confirm("anna", totp.at(int(clock.at)))
    return totp, codes


def test_it_counts_from_the_first_right_code_on(book: Accounts, clock: HeldClock) -> None:
    secret = book.second_factors.begin("anna")
    assert not book.second_factors.is_on("anna")
    wrong = f"{(int(pyotp.TOTP(secret).at(int(clock.at))) + 1) % 1_000_000:06d}"
    with pytest.raises(PipelineError, match="does not belong to this secret"):
        book.second_factors.confirm("anna", wrong)
    assert not book.second_factors.is_on("anna")
    book.second_factors.confirm("anna", pyotp.TOTP(secret).at(int(clock.at)))
    assert book.second_factors.is_on("anna") and not book.second_factors.is_on("otto")


def test_a_code_counts_once_and_older_ones_never_again(book: Accounts, clock: HeldClock) -> None:
    totp, _ = turned_on(book, clock)
    assert not book.second_factors.check("anna", totp.at(int(clock.at))), "it turned the factor on"
    clock.at += 30
    code = totp.at(int(clock.at))
    assert book.second_factors.check("anna", f"{code[:3]} {code[3:]}")
    assert not book.second_factors.check("anna", code), "a replay"
    assert not book.second_factors.check("anna", totp.at(int(clock.at) - 30))


def test_clocks_may_differ_by_one_step_and_no_more(book: Accounts, clock: HeldClock) -> None:
    totp, _ = turned_on(book, clock)
    clock.at += 300
    assert not book.second_factors.check("anna", totp.at(int(clock.at) - 60))
    assert book.second_factors.check("anna", totp.at(int(clock.at) - 30))
    assert book.second_factors.check("anna", totp.at(int(clock.at) + 30))
    assert not book.second_factors.check("anna", totp.at(int(clock.at) + 60))


def test_recovery_codes_count_once_each_and_are_kept_as_hashes(
    book: Accounts, clock: HeldClock, tmp_path: Path
) -> None:
    _, codes = turned_on(book, clock)
    assert len(set(codes)) == 10
    assert book.second_factors.check("anna", codes[3].upper().replace("-", " "))
    assert not book.second_factors.check("anna", codes[3])
    assert book.second_factors.codes_left("anna") == 9
    assert not book.second_factors.check("otto", codes[4])
    fresh = book.second_factors.renew_codes("anna")
    assert not book.second_factors.check("anna", codes[5]) and book.second_factors.check("anna", fresh[0])
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert not any(code.encode() in kept or code.replace("-", "").encode() in kept for code in codes + fresh)


@pytest.mark.parametrize(
    "password",
    ["elevenchars", "password1234", "passwordpassword", "qwertyuiop12", "anna.smith.99", "abababababab"],
)
def test_passwords_that_are_guessed_first_are_refused(password: str) -> None:
    with pytest.raises(PipelineError) as raised:
        passwords.check(password, "anna.smith")
    assert raised.value.code == "account.invalid"


@pytest.mark.parametrize(
    "password", ["four horses in rain", "blau wagen berg", "Ünïcödé wörds", "x7#kQ9!mZ2pL"]
)
def test_good_passwords_are_taken_whatever_they_are_made_of(password: str) -> None:
    assert passwords.check(password, "anna")


def test_a_bucket_empties_and_fills_again(clock: HeldClock) -> None:
    limits = RateLimits(clock.now)
    for _ in range(int(STRANGER.burst)):
        limits.take("10.0.0.1", STRANGER)
    with pytest.raises(PipelineError) as raised:
        limits.take("10.0.0.1", STRANGER)
    assert raised.value.code == "request.too_many" and raised.value.data["headers"] == {"Retry-After": "1"}
    limits.take("10.0.0.2", STRANGER)
    clock.at += 2 / STRANGER.per_second
    limits.take("10.0.0.1", STRANGER)
    assert rate_of("GET", "/static/js/api.js", "") is None


def test_a_class_behind_one_address_opens_the_same_link(clock: HeldClock) -> None:
    limits = RateLimits(clock.now)
    assert rate_of("GET", "/assets/viewer.js", "share") is None
    rate = rate_of("GET", "/view/x", "share")
    assert rate is not None and rate_of("POST", "/api/v1/session", "share") == ACCOUNT
    for _ in range(30 * 100):
        limits.take("link 1", rate)
