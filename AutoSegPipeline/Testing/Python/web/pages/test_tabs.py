"""Many tabs of one browser: they share one event stream, whatever the browser offers for that."""

from __future__ import annotations

from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.core import states
from support.web import Served
from support.web_page import DESKTOP, Browser, wait_until

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
        wait_until(page, "autoseg.live.ready")
    first.close()
    job = site.add_job(states.QUEUED, label="after-the-leader.nii.gz")
    all_see(others, job.label)


def test_a_browser_with_neither_has_a_stream_for_each_tab(site: Served, browser: Browser) -> None:
    pages = tabs(browser, 2, ALONE)
    job = site.add_job(states.QUEUED, label="alone.nii.gz")
    all_see(pages, job.label)
    assert pages[1].evaluate("autoseg.live.source.constructor.name") == "Own"


def told_offline(page: Any) -> Any:
    """The page was told that the network has gone, which the server's answers do not notice."""
    wait_until(page, "autoseg.live.ready")
    page.evaluate("dispatchEvent(new Event('offline'))")
    banner = page.get_by_text("The server does not answer.")
    banner.wait_for()
    return banner


@pytest.mark.parametrize("script", ["", NO_WORKER, ALONE])
def test_when_the_network_is_back_the_page_says_so(site: Served, browser: Browser, script: str) -> None:
    [page] = tabs(browser, 1, script)
    banner = told_offline(page)
    page.evaluate("dispatchEvent(new Event('online'))")
    banner.wait_for(state="detached")


def test_news_of_a_job_say_that_the_server_answers(site: Served, browser: Browser) -> None:
    [page] = tabs(browser, 1)
    banner = told_offline(page)
    site.add_job(states.QUEUED, label="answers.nii.gz")
    banner.wait_for(state="detached")


@pytest.mark.parametrize("script", ["", NO_WORKER, ALONE])
def test_a_page_from_the_browsers_cache_hears_of_changes_again(
    site: Served, browser: Browser, script: str
) -> None:
    [page] = tabs(browser, 1, script)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    job = site.add_job(states.QUEUED, label=f"cached{len(script)}.nii.gz")
    all_see([page], job.label)


def test_a_stream_that_ended_with_the_login_begins_again_after_the_next_one(
    site: Served, browser: Browser
) -> None:
    [page] = tabs(browser, 1)
    said = page.evaluate(
        """async () => {
          const { Feed } = await import("/static/js/events/feed.js");
          const said = [];
          await new Promise((done) => {
            const feed = new Feed("", ({ type }) => {
              said.push(type);
              if (type === "state") { feed.end(); done(); }
              if (type === "login") { window.fetch = real; setTimeout(() => feed.wake(), 0); }
            });
            const real = window.fetch;
            window.fetch = async () => new Response("{}", { status: 401 });
            feed.begin();
            setTimeout(done, 20000);
          });
          return said;
        }"""
    )
    assert said == ["login", "state"]
