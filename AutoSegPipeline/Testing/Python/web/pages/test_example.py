"""The example on the empty page: who may upload presses a button and sees a scan become a result."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.web.accounts.accounts import Accounts
from support.headless import write_scan
from support.web import request
from support.web_page import Browser, Site, log_in, violations

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("example")
    with Site(root / "home", "--visibility", "own") as served:
        # The worker is warm before the first test; nobody with an account sees this job.
        first = served.put(write_scan(root / "first.nii.gz", 8.0))
        served.until_ended(first["id"])
        for name, role in (("vera", "viewer"), ("otto", "operator"), ("olga", "operator")):
            served.account(name, role)
        yield served


def bearer(site: Site, name: str, role: str) -> dict[str, str]:
    book = Accounts.of(Home.at(site.home))
    try:
        return {"Authorization": f"Bearer {book.tokens.create(name, 'test', role, 1)[1]}"}
    finally:
        book.close()


def empty_page(browser: Browser, name: str) -> tuple[Any, Any]:
    """The page of somebody who has no job yet, and its button."""
    page = browser.page("/")
    page.wait_for_url(re.compile(r"/login"))
    log_in(page, name)
    button = page.get_by_role("button", name="Try it with an example")
    button.wait_for()
    return page, button


def test_a_press_makes_a_job_that_is_done_and_opens_in_the_viewer(site: Site, browser: Browser) -> None:
    page, button = empty_page(browser, "otto")
    assert "no patient's" in page.locator("#example-text").inner_text()
    assert violations(page) == []
    button.focus()
    page.keyboard.press("Enter")
    row = page.locator("#jobs-body tr").filter(has_text="example_ct.nii.gz")
    row.wait_for()
    assert not button.is_visible()
    row.and_(page.locator("[data-state=done]")).wait_for(timeout=120000)
    assert page.locator("#jobs-body tr[data-job]").count() == 1
    page.get_by_role("link", name="View 3D").click()
    page.locator("html[data-ready]").wait_for(state="attached", timeout=90000)
    assert "lung_left" in page.evaluate("autosegViewer.scene.structures.map(one => one.name)")
    assert page.evaluate("autosegViewer.slices.nv.volumes.length") == 2


def test_a_filter_that_finds_nothing_offers_none(site: Site, browser: Browser) -> None:
    page, button = empty_page(browser, "olga")
    page.get_by_label("Search the jobs").fill("nothing of this name")
    page.get_by_text("No job matches.").wait_for()
    assert not button.is_visible()


def test_programs_ask_for_it_too_once_and_a_viewer_is_refused(site: Site, browser: Browser) -> None:
    page = browser.page("/")
    page.wait_for_url(re.compile(r"/login"))
    log_in(page, "vera")
    page.get_by_text("No job yet.").wait_for()
    assert page.get_by_role("button", name="Try it with an example").count() == 0

    def ask(headers: dict[str, str]) -> tuple[int, dict[str, object]]:
        answer = request(site.port, "POST", "/api/v1/jobs/example", b"", headers)
        return answer.status, json.loads(answer.body)

    status, problem = ask(bearer(site, "vera", "viewer"))
    assert (status, problem["code"]) == (403, "account.forbidden")
    assert "needs the role operator" in str(problem["detail"])
    olga = bearer(site, "olga", "operator")
    first, second = ask(olga), ask(olga)
    assert (first[0], second[0]) == (200, 200) and first[1]["id"] == second[1]["id"]
    assert first[1]["submitted_by"] == "olga" and first[1]["door"] == "web"
    book = Accounts.of(Home.at(Path(site.home)))
    entries = [one.to_dict() for one in book.audit.list(what="job.example")]
    book.close()
    asked = [(one["who"], one["job"], one["ok"]) for one in entries]
    assert ("olga", first[1]["id"], True) in asked and ("vera", "", False) in asked
