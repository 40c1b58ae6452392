"""USDZ on the page: chosen there, downloaded as what it is, with a link for Quick Look where that exists."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from support.headless import write_scan
from support.programs import package
from support.web_page import Browser, Site, choose, wait_for_state

package("pxr", "python3 autoseg.py install usdz", before=(3, 15))
pytestmark = pytest.mark.slow
# As Safari on a phone answers.
QUICK_LOOK = "DOMTokenList.prototype.supports = (word) => word === 'ar'"


def test_a_usdz_is_chosen_made_and_downloaded(site: Site, browser: Browser, tmp_path: Path) -> None:
    page = browser.page()
    page.get_by_text("Options", exact=False).first.click()
    page.get_by_role("checkbox", name="USDZ", exact=True).check()
    choose(page, write_scan(tmp_path / "phone.nii.gz", 8.0))
    wait_for_state(page, "phone.nii.gz", "done")
    card = page.locator("#results-list .result").filter(has_text="phone.nii.gz")
    rooms = card.get_by_role("link", name="Show in the room")
    card.get_by_text("10 files").click()
    link = card.get_by_role("link", name="phone.usdz")
    answer = page.request.get(link.evaluate("one => one.href"))
    assert answer.headers["content-type"] == "model/vnd.usdz+zip"
    assert zipfile.ZipFile(BytesIO(answer.body())).namelist() == ["anatomy.usdc"]
    assert rooms.count() == 0
    page.add_init_script(QUICK_LOOK)
    page.reload()
    card.get_by_text("10 files").click()
    assert rooms.get_attribute("rel") == "ar"
    assert rooms.get_attribute("href") == link.get_attribute("href")
    # Quick Look takes a link with one picture and nothing else.
    assert rooms.evaluate("one => [one.childNodes.length, one.firstChild.tagName]") == [1, "IMG"]
