"""A stream that nothing happens on ends at once when its reader may listen no longer."""

from __future__ import annotations

import http.client
import time
from typing import Callable, Iterator

import pytest
from AutoSegPipelineLib.web.accounts.accounts import Accounts
from AutoSegPipelineLib.web.events import HEARTBEAT_SECONDS
from support.security import PASSWORD, Browser, Served

# Without being woken a stream looks after a heartbeat.
SOON = HEARTBEAT_SECONDS - 5


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("ends") / "home") as made:
        yield made


class Listening:
    """An event stream of somebody, read up to its first events."""

    def __init__(self, served: Served, headers: dict[str, str]) -> None:
        self._line = http.client.HTTPConnection("127.0.0.1", served.port, timeout=SOON)
        self._line.request("GET", "/api/v1/events", headers={"Accept": "text/event-stream", **headers})
        self._answer = self._line.getresponse()
        assert self._answer.status == 200
        while not self._answer.readline().startswith(b"event: status"):
            pass
        self._answer.readline()

    def ends(self) -> bool:
        """Whether it ends before a heartbeat (a read that waits so long raises)."""
        begun = time.monotonic()
        while self._answer.readline():
            assert time.monotonic() - begun < SOON
        self._line.close()
        return True


def disabled(served: Served, book: Accounts, browser: Browser) -> None:
    book.users.set_disabled("vera", True)


def another_role(served: Served, book: Accounts, browser: Browser) -> None:
    book.users.set_role("vera", "operator")


def password_changed(served: Served, book: Accounts, browser: Browser) -> None:
    book.users.set_password("vera", PASSWORD + " again")


def logged_out(served: Served, book: Accounts, browser: Browser) -> None:
    assert browser.ask("DELETE", "/api/v1/session").status == 204


@pytest.mark.parametrize("how", [logged_out, another_role, password_changed, disabled])
def test_the_stream_of_a_login_that_has_ended_ends_at_once(
    served: Served, how: Callable[[Served, Accounts, Browser], None]
) -> None:
    with served.accounts() as book:
        book.users.set_role("vera", "viewer")
        book.users.set_password("vera", PASSWORD)
        browser = served.log_in("vera")
        listening = Listening(served, {"Cookie": browser.cookie})
        how(served, book, browser)
        assert listening.ends()


def test_the_streams_of_tokens_and_links_end_too(served: Served) -> None:
    job = served.result("thorax", "olga")
    with served.accounts() as book:
        token, secret = book.tokens.create("olga", "x", "viewer", 1)
        link, opened = book.links.create(job.id, "olga", 1)
        by_token = Listening(served, {"Authorization": f"Bearer {secret}"})
        by_link = Listening(served, {"Cookie": f"autoseg-share-{served.port}={opened}"})
        other = Listening(served, {"Cookie": served.log_in("ada").cookie})
        book.tokens.revoke(token.id)
        assert by_token.ends()
        book.links.revoke(link.id)
        assert by_link.ends()
        with pytest.raises(TimeoutError):
            other.ends()
