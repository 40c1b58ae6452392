"""Many tabs of one browser: they share one event stream, whatever the browser offers for that."""

from __future__ import annotations

from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.core import states
from support.web import Served
from support.web_page import DESKTOP, Browser

pytestmark = pytest.mark.slow

NO_WORKER = "delete window.SharedWorker"
BROKEN_WORKER = "window.SharedWorker = class { constructor() { throw new Error('not here') } }"
ALONE = f"{NO_WORKER}; delete window.BroadcastChannel"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("tabs") / "home") as page:
        yield page


def tabs(browser: Browser, number: int, script: str = "") -> list[Any]:
    """Tabs that share what tabs of one browser share."""
    context = browser.browser.new_context(viewport=DESKTOP)
    context.set_default_timeout(60000)
    browser._contexts.append(context)
    if script:
        context.add_init_script(script)
    found = []
    for _ in range(number):
        page = context.new_page()
        browser.watch(page)
        page.goto(browser.url + "/")
        page.locator("#jobs-empty, #jobs-scroll").locator("visible=true").first.wait_for()
        found.append(page)
    return found


def all_see(pages: list[Any], label: str) -> None:
    for page in pages:
        page.locator("#jobs-body tr[data-job]").filter(has_text=label).wait_for()


@pytest.mark.parametrize(
    ("source", "script", "number"),
    [("ByWorker", "", 20), ("ByLeader", NO_WORKER, 8), ("ByLeader", BROKEN_WORKER, 2)],
)
def test_tabs_hear_of_a_change_over_one_stream(
    site: Served, browser: Browser, source: str, script: str, number: int
) -> None:
    pages = tabs(browser, number, script)
    job = site.add_job(states.QUEUED, label=f"{source}{len(script)}.nii.gz")
    all_see(pages, job.label)
    assert {page.evaluate("autoseg.live.source.constructor.name") for page in pages} == {source}
    browser._contexts.pop().close()


def test_when_the_tab_that_listens_closes_another_goes_on_and_misses_nothing(
    site: Served, browser: Browser
) -> None:
    first, *others = tabs(browser, 3, NO_WORKER)
    for page in (first, *others):
        page.wait_for_function("autoseg.live.ready")
    first.close()
    job = site.add_job(states.QUEUED, label="after-the-leader.nii.gz")
    all_see(others, job.label)


def test_a_browser_with_neither_has_a_stream_for_each_tab(site: Served, browser: Browser) -> None:
    pages = tabs(browser, 2, ALONE)
    job = site.add_job(states.QUEUED, label="alone.nii.gz")
    all_see(pages, job.label)
    assert pages[1].evaluate("autoseg.live.source.constructor.name") == "Own"
