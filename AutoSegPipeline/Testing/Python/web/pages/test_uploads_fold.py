"""Finished uploads leave room for the table; what went wrong stays in view."""

from __future__ import annotations

from typing import Any

import pytest
from support.web_page import DESKTOP, Browser, Site, choose

pytestmark = pytest.mark.slow


def test_many_finished_uploads_leave_the_table_on_the_screen_and_a_refused_one_in_view(
    site: Site, browser: Browser
) -> None:
    page = browser.page()
    page.locator("#jobs-body tr[data-job]").first.wait_for()
    before = top_of_table(page)
    choose(
        page, [{"name": f"no{number}.nii.gz", "mimeType": "", "buffer": b"no scan"} for number in range(3)]
    )
    page.locator("#uploads .upload.refused").nth(2).wait_for()
    said = page.locator("#uploads .upload.refused").first.inner_text()
    assert "Refused:" in said and "It became" not in said
    page.get_by_role("button", name="Clear finished").click()
    page.evaluate(FOLD)
    page.locator("#uploads-over-text").filter(has_text="12 uploads finished").wait_for()
    assert top_of_table(page) - before < 120 and top_of_table(page) < DESKTOP["height"]


def top_of_table(page: Any) -> float:
    return float(page.locator("#jobs-title").bounding_box()["y"])


# Uploads that have ended well, as the list has them after a real transfer.
FOLD = """() => {
  const list = window.autoseg.uploads;
  const done = (number) => ({ label: `done${number}`, folder: false, files: [] });
  return list.add(Array.from({ length: 12 }, (_, number) => done(number)));
}"""
