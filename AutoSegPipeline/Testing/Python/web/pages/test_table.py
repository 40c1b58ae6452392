"""The table in a browser: sorted, filtered, reviewed, and a methods paragraph."""

from __future__ import annotations

import re

import pytest
from support.web_page import Browser, Site, violations

pytestmark = pytest.mark.slow

LOOKS = [(False, False), (True, True)]


@pytest.mark.parametrize(("dark", "phone"), LOOKS, ids=["light, desk", "dark, phone"])
def test_axe_has_nothing_against_the_table(site: Site, browser: Browser, dark: bool, phone: bool) -> None:
    page = browser.page("/table", dark, phone)
    page.locator("#table-body tr").first.wait_for()
    page.get_by_role("button", name="Write").click()
    page.locator("#methods-bib").wait_for()
    assert violations(page) == []
    width, inner = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= inner
    page.locator("#table-body button").first.click()
    assert violations(page) == []


def test_rows_are_sorted_filtered_and_reviewed(site: Site, browser: Browser) -> None:
    page = browser.page("/table")
    rows = page.locator("#table-body tr")
    rows.first.wait_for()
    count = rows.count()
    page.get_by_role("button", name="Volume ml").click()
    page.locator("th[aria-sort=descending]").wait_for()
    volumes = [
        float(cell.replace(",", "")) for cell in page.locator("#table-body td:nth-child(3)").all_inner_texts()
    ]
    assert len(volumes) == count and volumes == sorted(volumes, reverse=True)
    page.get_by_label("Search").fill("lung")
    page.locator("#table-csv[href*='search=lung']").wait_for()
    assert 0 < rows.count() < count
    assert all("ung" in text for text in page.locator("#table-body td:nth-child(2)").all_inner_texts())
    page.get_by_role("button", name=re.compile("^Review first")).first.click()
    page.get_by_label("Bad", exact=True).check()
    page.get_by_label("Remark").fill("motion")
    page.get_by_role("button", name="Keep the review").click()
    page.get_by_role("button", name=re.compile("now bad")).first.wait_for()
    page.get_by_label("Review", exact=True).select_option("good")
    page.get_by_text("No row is like that.").wait_for()
