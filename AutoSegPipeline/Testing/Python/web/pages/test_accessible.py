"""axe finds nothing on any page, in either colours, on a desk and on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

import pytest
from support.headless import write_scan
from support.web_page import Browser, Site, choose, log_in, viewer, violations

pytestmark = pytest.mark.slow

LOOKS = [(dark, phone) for dark in (False, True) for phone in (False, True)]
NAMES = ["light, desktop", "light, phone", "dark, desktop", "dark, phone"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("accessible")
    (root / "broken.nii.gz").write_bytes(b"nothing")
    with Site(root / "home") as served:
        served.job = served.put(write_scan(root / "torso.nii.gz", 8.0))["id"]  # type: ignore[attr-defined]
        assert served.until_ended(served.job)["state"] == "done"  # type: ignore[attr-defined]
        served.put(root / "broken.nii.gz")
        yield served


@pytest.mark.parametrize(("dark", "phone"), LOOKS, ids=NAMES)
def test_axe_has_nothing_against_the_main_page_and_what_opens_on_it(
    browser: Browser, dark: bool, phone: bool
) -> None:
    page = browser.page("/", dark, phone)
    page.locator("#results-list .result").wait_for()
    page.locator("#jobs-body tr[data-state=refused]").first.wait_for()
    assert violations(page) == []
    assert not sideways(page)
    page.locator("#options > summary").click()
    page.get_by_role("searchbox", name="Structures").fill("lung")
    page.get_by_role("checkbox", name="lung left").check()
    choose(page, {"name": "empty.bin", "mimeType": "", "buffer": b"1"})
    page.locator(".upload.sent").wait_for(state="attached")
    assert violations(page) == []
    page.get_by_role("region", name="List of jobs").evaluate("one => { one.scrollTop = one.scrollHeight }")
    page.locator("#jobs-body tr").filter(has_text="torso.nii.gz").get_by_role(
        "button", name="Show the log"
    ).click()
    page.get_by_role("dialog").wait_for()
    assert violations(page) == []
    assert not sideways(page)


@pytest.mark.parametrize(("dark", "phone"), LOOKS, ids=NAMES)
def test_axe_has_nothing_against_the_viewer(site: Site, browser: Browser, dark: bool, phone: bool) -> None:
    page = viewer(browser, site.job, dark=dark, phone=phone)  # type: ignore[attr-defined]
    if phone:
        page.get_by_role("button", name="Structures").click()
    page.get_by_role("button", name="Left lung", exact=True).click()
    assert violations(page) == []
    assert not sideways(page)
    page.get_by_role("button", name="Files").click()
    assert violations(page) == []


@pytest.mark.parametrize(("dark", "phone"), LOOKS, ids=NAMES)
def test_axe_has_nothing_against_pages_that_say_what_went_wrong(
    browser: Browser, dark: bool, phone: bool
) -> None:
    with browser.expecting("404"):
        page = browser.page("/view/00000000000000000000000000000000", dark, phone)
        assert violations(page) == []
        page.goto(browser.site.url + "/nothing-here")
        assert violations(page) == [] and "Not there" in page.locator("h1").inner_text()


def test_axe_has_nothing_against_the_login_and_the_page_of_an_account(program: Any, tmp_path: Path) -> None:
    site = Site(tmp_path / "home", libraries=False)
    site.account("ada", "admin")
    with site, Browser(program, site) as browser:
        for dark, phone in LOOKS:
            page = browser.page("/", dark, phone)
            assert page.locator("h1").inner_text() == "Log in"
            assert violations(page) == []
        with browser.expecting("401"):
            log_in(page, "ada", "wrong")
            page.get_by_role("alert").wait_for()
        assert violations(page) == []
        log_in(page, "ada")
        page.locator("#jobs-empty").wait_for()
        assert violations(page) == [] and not sideways(page)


def sideways(page: Any) -> bool:
    """Whether one has to scroll from side to side."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def test_of_many_announcements_the_newest_are_said_and_the_others_counted(browser: Browser) -> None:
    page = browser.page("/")
    page.locator("#results-list .result").wait_for()
    page.evaluate(
        """async () => { const { announce } = await import("/static/js/dom.js");
        for (const one of ["A.", "B.", "C.", "A."]) announce(one);
        announce("Here.", "place"); announce("D."); announce("There.", "place"); }"""
    )
    page.get_by_role("status").get_by_text("2 more before: A. D. There.", exact=True).wait_for()
