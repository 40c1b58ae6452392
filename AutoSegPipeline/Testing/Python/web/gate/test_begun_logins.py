"""Logins on their way through the provider."""

from __future__ import annotations

import pytest
from AutoSegPipelineLib.web.gate.begun_logins import SECONDS, BegunLogins
from AutoSegPipelineLib.web.gate.provider import Begun
from support.held_clock import HeldClock


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock(1000.0)


def begun(name: str, at: float) -> Begun:
    return Begun(name, "nonce", "verifier", "/", "http://127.0.0.1:1/back", at)


def test_whoever_begins_thousands_pushes_out_nobody_elses_login(clock: HeldClock) -> None:
    logins = BegunLogins(clock.now)
    logins.add(begun("genuine", clock.at), "10.0.0.1")
    for number in range(3000):
        logins.add(begun(f"flood {number}", clock.at), "10.0.0.2")
    assert logins.take("flood 0") is None and logins.take("flood 2999") is not None
    assert logins.take("genuine") is not None
    assert logins.take("genuine") is None, "once"


def test_a_login_that_takes_too_long_has_ended(clock: HeldClock) -> None:
    logins = BegunLogins(clock.now)
    logins.add(begun("slow", clock.at), "10.0.0.1")
    clock.at += SECONDS + 1
    assert logins.take("slow") is None
