"""The page of the PACS in a browser: a study is found, fetched and processed."""

from __future__ import annotations

import re
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.pacs.store import PacsStore
from support.archive import archive, write_config
from support.headless import SERVE, write_scan
from support.web_page import Browser, Site, violations

pytestmark = pytest.mark.slow

LOOKS = [(False, False), (True, True)]
THIN = {"name": "thin", "when": {"thickness": {"at_most": 1}}}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("pacs")
    with archive(root / "archive") as held:
        away = {"title": "A", "host": "127.0.0.1", "port": 1}
        watch = [{"name": "nothing", "peer": "pacs", "match": {"patient": "P9"}}]
        peers = {"pacs": held.peer(), "away": away}
        entries = [{"title": "THIN", "choose": [THIN]}]
        write_config(root / "home", peers=peers, watch=watch, entries=entries)
        with Site(root / "home", "--dicom", *SERVE[1:5]) as served:
            store = PacsStore.of(Home.at(root / "home"))
            store.refusals.note("CT2", "AUTOSEG", "10.0.0.7", "", "its title is not in callers")
            store.close()
            # The worker is warm before the first test, so that none leaves a process behind.
            first = served.put(write_scan(root / "first.nii.gz", 8.0))
            assert served.until_ended(first["id"])["state"] == "done"
            yield served


def search(page: Any, **fields: str) -> None:
    page.locator("#find-card").wait_for()
    for label, text in fields.items():
        page.get_by_label(label.replace("_", " "), exact=True).fill(text)
    page.get_by_role("button", name="Find", exact=True).click()
    page.locator("#find-said").get_by_text(re.compile("stud")).wait_for()


@pytest.mark.parametrize(("dark", "phone"), LOOKS, ids=["light, desk", "dark, phone"])
def test_axe_has_nothing_against_the_page(site: Site, browser: Browser, dark: bool, phone: bool) -> None:
    page = browser.page("/pacs", dark, phone)
    search(page, Patient_ID="P1")
    page.get_by_role("button", name=re.compile("^Series of")).click()
    page.locator(".series li").wait_for()
    page.locator("#peers-body .badge.bad").wait_for()
    page.locator("#refused-body code").wait_for()
    assert violations(page) == []
    width, inner = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= inner


def test_a_study_is_found_fetched_and_processed(site: Site, browser: Browser) -> None:
    page = browser.page("/")
    page.get_by_role("link", name="PACS").click()
    search(page, Patient_name="Müll*")
    row = page.locator("#find-body tr").first
    assert "Müller Änne" in row.inner_text() and "THORAX" in row.inner_text()
    row.get_by_role("button", name="Fetch the study of Müller Änne, THORAX").click()
    page.locator("#fetches-body .badge.done").wait_for(timeout=30000)
    assert "Müller" not in page.locator("#fetches-card").inner_text()
    page.get_by_role("link", name="See the jobs").click()
    page.locator("#jobs-body tr[data-state=done]").filter(has_text="soft").wait_for(timeout=60000)
    assert "Müller" not in page.locator("#jobs-body").inner_text()


def test_a_study_is_found_by_its_uid_and_only_ct_and_mr_are_listed(site: Site, browser: Browser) -> None:
    page = browser.page("/pacs")
    asked: list[dict[str, str]] = []
    page.on(
        "request", lambda one: asked.append(one.post_data_json["match"]) if "pacs/find" in one.url else None
    )
    search(page, Patient_ID="P1")
    assert asked[-1] == {"patient": "P1", "modality": "CT,MR"}
    study = page.evaluate(
        """async () => { const { ask } = await import("/static/js/api.js");
        const body = { peer: "pacs", match: { patient: "P1" } };
        return (await (await ask("POST", "api/v1/pacs/find", body)).json()).studies[0].uid; }"""
    )
    search(page, Patient_ID="", Study_UID=study)
    assert asked[-1] == {"study": study, "modality": "CT,MR"}
    page.locator("#find-said").get_by_text("1 study").wait_for()


def test_why_nothing_was_taken_is_shown(site: Site, browser: Browser) -> None:
    page = browser.page("/pacs")
    search(page, Patient_ID="P2")
    page.get_by_label("Process as").select_option("THIN")
    page.get_by_role("button", name=re.compile("^Fetch the study of Roe Jane")).click()
    page.locator("#fetches-body .reason").get_by_text("thickness 20 mm is above 1 mm").wait_for(timeout=30000)
    left = page.locator("#left-out-body tr").first
    left.get_by_text("thickness 20 mm is above 1 mm").wait_for()
    assert "for THIN" in left.inner_text() and "Roe" not in left.inner_text()


def test_an_archive_is_asked_now_and_a_search_that_fails_says_why(site: Site, browser: Browser) -> None:
    page = browser.page("/pacs")
    page.get_by_role("button", name="Ask now whether pacs answers").click()
    page.locator("#toasts").get_by_text("pacs answers.").wait_for()
    page.locator("#find-card").wait_for()
    page.get_by_label("Archive", exact=True).select_option("away")
    page.get_by_label("Patient ID").fill("P1")
    with browser.expecting("502"):
        page.get_by_role("button", name="Find", exact=True).click()
        page.locator("#toasts").get_by_text("does not answer").wait_for()
