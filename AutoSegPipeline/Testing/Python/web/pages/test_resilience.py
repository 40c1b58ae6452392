"""The page while its server is away, comes back, or speaks to it through what breaks event streams."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Iterator

import psutil
import pytest
from support.headless import write_scan
from support.web_page import Browser, Site, chromium

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def away(tmp_path: Path) -> Iterator[tuple[Site, Browser]]:
    """A site and a browser whose requests may fail."""
    with (
        chromium() as program,
        Site(tmp_path / "home", libraries=False) as site,
        Browser(program, site) as browser,
        browser.expecting("Failed to load|ERR_|MIME"),
    ):
        yield site, browser


def web_child(site: Site) -> psutil.Process:
    assert site.process is not None
    children = psutil.Process(site.process.process.pid).children(recursive=True)
    return next(one for one in children if any("web.child" in part for part in one.cmdline()))


def test_a_server_that_is_away_is_told_and_the_page_goes_on_when_it_is_back(tmp_path: Path) -> None:
    with away(tmp_path) as (site, browser):
        page = browser.page()
        page.locator("#jobs-empty").wait_for()
        site.stop()
        page.get_by_text("The server does not answer.").wait_for()
        site.start()
        page.get_by_text("The server does not answer.").wait_for(state="detached", timeout=60000)
        site.put(write_scan(tmp_path / "later.nii.gz", 9.0))
        page.locator("#jobs-body tr").filter(has_text="later.nii.gz").wait_for()
        page.locator("#jobs-body tr[data-state=done]").wait_for(timeout=120000)


def test_a_killed_web_child_comes_back_and_the_page_misses_nothing(tmp_path: Path) -> None:
    with away(tmp_path) as (site, browser):
        page = browser.page()
        page.locator("#jobs-empty").wait_for()
        web_child(site).kill()
        (tmp_path / "home" / "inbox" / "by-folder.nii.gz").write_bytes(
            write_scan(tmp_path / "scan.nii.gz", 9.0).read_bytes()
        )
        done = page.locator("#jobs-body tr[data-state=done]").filter(has_text="by-folder.nii.gz")
        done.wait_for(timeout=120000)


def test_where_event_streams_do_not_come_through_the_page_polls(tmp_path: Path) -> None:
    with away(tmp_path) as (site, browser):
        page = browser.page(None)
        # Without them the tab listens itself, where its requests can be refused.
        page.add_init_script("delete window.SharedWorker; delete window.BroadcastChannel")
        page.route("**/api/v1/events*", _no_streams)
        page.goto(site.url + "/")
        _until(page, "autoseg.live.mode === 'poll'")
        site.put(write_scan(tmp_path / "polled.nii.gz", 9.0))
        page.locator("#jobs-body tr[data-state=done]").wait_for(timeout=120000)


def _no_streams(route: Any) -> None:
    if "text/event-stream" in route.request.headers.get("accept", ""):
        route.abort()
    else:
        route.continue_()


def _until(page: Any, expression: str) -> None:
    for _ in range(300):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(100)
    raise AssertionError(expression)
