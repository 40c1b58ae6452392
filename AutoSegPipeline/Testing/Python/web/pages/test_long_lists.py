"""Many jobs on the page: the server answers filters, counts and search; a window of the list is drawn."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.store.store import Store
from support.web import Served
from support.web_page import PHONE, Browser, wait_until

pytestmark = pytest.mark.slow

NEWER = 1500
# The name of the first row in view, and how far its upper edge is below that of the list.
TOP_ROW = """(() => {
  const edge = document.querySelector('#jobs-scroll').getBoundingClientRect().top;
  for (const row of document.querySelectorAll('#jobs-body tr[data-job]')) {
    const { top, bottom } = row.getBoundingClientRect();
    if (bottom > edge + 1) return [/read[^ ]*?gz/.exec(row.textContent)[0], top - edge];
  }
  return ['', 0];
})()"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One result, one refused scan, and behind them many jobs that came later."""
    with Served(tmp_path_factory.mktemp("long") / "home") as page:
        page.add_job(states.DONE, label="treasure.nii.gz", name="treasure")
        page.add_job(states.REFUSED, label="wrong.nii.gz")
        with page.store.transaction(False):
            for number in range(NEWER):
                page.store.jobs.add(Job(label=f"later{number:04d}.nii.gz", state=states.CANCELLED))
        page.answer(lambda one: _purged(page, one))
        yield page


def _purged(page: Served, one: Any) -> dict[str, Any]:
    store = Store(page.home.store)  # a connection belongs to its thread
    store.jobs.delete(one.job)
    store.close()
    return {"ok": True, "state": "deleted"}


def rows(page: Any) -> Any:
    return page.locator("#jobs-body tr[data-job]")


def filter_button(page: Any, name: str) -> Any:
    return page.locator("#jobs-filters").get_by_role("button", name=name)


def test_a_result_is_there_behind_any_number_of_newer_jobs(site: Served, browser: Browser) -> None:
    page = browser.page()
    page.locator("#results-list .result").filter(has_text="treasure").wait_for()
    assert page.locator("#results-count").inner_text() == "1 result"
    assert filter_button(page, "Done").inner_text().split() == ["Done", "1"]
    assert filter_button(page, "Problems").inner_text().split() == ["Problems", "1"]
    filter_button(page, "Done").click()
    rows(page).filter(has_text="treasure.nii.gz").wait_for()
    assert rows(page).count() == 1
    filter_button(page, "All").click()
    page.get_by_role("searchbox", name="Search the jobs").fill("WRONG")
    rows(page).filter(has_text="wrong.nii.gz").wait_for()
    assert filter_button(page, "All").inner_text().split() == ["All", "1"]
    page.get_by_role("searchbox", name="Search the jobs").fill("no such scan")
    page.get_by_text("No job matches.").wait_for()
    page.get_by_role("searchbox", name="Search the results").fill("no such scan")
    page.get_by_text("No result matches.").wait_for()


def test_a_window_of_the_list_is_drawn_and_moves_with_it(site: Served, browser: Browser) -> None:
    page = browser.page()
    rows(page).filter(has_text=f"later{NEWER - 1:04d}").wait_for()
    table = page.locator("#jobs-table")
    total = sum(site.get("/api/v1/jobs/counts").json()["counts"].values())
    assert int(table.get_attribute("aria-rowcount")) == total + 1
    assert rows(page).count() < 100
    scroller = page.get_by_role("region", name="List of jobs")
    scroller.evaluate("one => { one.scrollTop = one.scrollHeight }")
    rows(page).filter(has_text="treasure.nii.gz").wait_for()
    assert rows(page).count() < 100
    assert rows(page).last.get_attribute("aria-rowindex") == table.get_attribute("aria-rowcount")
    scroller.evaluate("one => { one.scrollTop = one.scrollHeight / 2 }")
    rows(page).filter(has_text=f"later{NEWER // 2:04d}").wait_for()


def test_a_change_is_shown_in_place_and_a_new_job_at_its_place(site: Served, browser: Browser) -> None:
    page = browser.page()
    rows(page).first.wait_for()
    job = site.add_job(states.SEGMENTING, label="running.nii.gz")
    rows(page).first.filter(has_text="running.nii.gz").wait_for()
    job.progress = 0.5
    site.store.jobs.save(job)
    rows(page).first.filter(has_text="50 %").wait_for()
    site.store.jobs.enter(job, states.FAILED)
    rows(page).filter(has_text="running.nii.gz").and_(page.locator("[data-state=failed]")).wait_for()
    site.store.jobs.delete(job.id)
    rows(page).filter(has_text="running.nii.gz").wait_for(state="detached")


def test_focus_stays_near_a_row_that_was_deleted(site: Served, browser: Browser) -> None:
    stays, gone = [
        site.add_job(states.CANCELLED, label=name).label for name in ("next.nii.gz", "gone.nii.gz")
    ]
    page = browser.page()
    button = page.get_by_role("button", name=f"Delete: {gone}")
    button.focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    rows(page).filter(has_text=gone).wait_for(state="detached")
    wait_until(page, f"document.activeElement.ariaLabel === 'Delete: {stays}'")


def test_jobs_are_selected_over_what_is_drawn_and_deleted_together(site: Served, browser: Browser) -> None:
    for number in range(120):
        site.add_job(states.CANCELLED, label=f"spare{number:03d}.nii.gz")
    kept = site.add_job(states.QUEUED, label="spare-kept.nii.gz")
    page = browser.page()
    page.get_by_role("searchbox", name="Search the jobs").fill("spare")
    rows(page).filter(has_text="spare-kept").wait_for()
    page.get_by_role("checkbox", name="Select all jobs of this list").check()
    page.get_by_text("121 jobs selected").wait_for()
    page.locator("tr.chosen").filter(has_text="spare119.nii.gz").wait_for()
    page.get_by_role("checkbox", name="Select spare119.nii.gz").uncheck()
    page.get_by_text("120 jobs selected").wait_for()
    page.get_by_role("group", name="Selected jobs").get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Delete: 119 jobs?").wait_for()
    assert "1 selected job is in another state" in dialog.inner_text()
    dialog.get_by_role("button", name="Delete").click()
    page.get_by_text("119 jobs deleted.").first.wait_for(timeout=60000)
    left = site.get("/api/v1/jobs?search=spare").json()["jobs"]
    assert {job["label"] for job in left} == {kept.label, "spare119.nii.gz"}
    filter_button(page, "All").filter(has_text="2").wait_for()


def test_several_results_come_as_one_archive(site: Served, browser: Browser) -> None:
    for name in ("pair-a", "pair-b"):
        site.add_job(states.DONE, label=f"{name}.nii.gz", name=name)
    page = browser.page()
    page.get_by_role("searchbox", name="Search the jobs").fill("pair-")
    page.get_by_role("checkbox", name="Select pair-a.nii.gz").check()
    page.get_by_role("checkbox", name="Select pair-b.nii.gz").check()
    with page.expect_download() as download:
        page.get_by_role("group", name="Selected jobs").get_by_role("button", name="Download").click()
    assert "?" not in download.value.url, "a thousand ids are too long for an address"
    with zipfile.ZipFile(Path(download.value.path())) as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"pair-a", "pair-b"}


@pytest.mark.parametrize("state", [states.SEGMENTING, states.CANCELLED])
def test_the_result_of_a_case_that_runs_again_stays_usable(
    site: Served, browser: Browser, state: str
) -> None:
    job = site.add_job(states.DONE, label=f"again-{state}.nii.gz", name=f"again-{state}")
    job.state = state
    site.store.jobs.delete(job.id)
    site.store.jobs.add(job)
    page = browser.page()
    page.get_by_role("searchbox", name="Search the jobs").fill(job.label)
    page.get_by_role("link", name=f"Open in 3D: {job.label}").wait_for()
    page.get_by_role("checkbox", name=f"Select {job.label}").check()
    with page.expect_download() as download:
        page.get_by_role("group", name="Selected jobs").get_by_role("button", name="Download").click()
    with zipfile.ZipFile(Path(download.value.path())) as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {job.name}
    assert job.id in site.get("/api/v1/jobs/ids?published=true").json()["ids"]


def test_an_archive_that_cannot_be_made_is_reported(site: Served, browser: Browser) -> None:
    job = site.add_job(states.DONE, label="broken-archive.nii.gz", name="broken-archive")
    page = browser.page()
    page.get_by_role("searchbox", name="Search the jobs").fill("broken-archive")
    page.get_by_role("checkbox", name=f"Select {job.label}").check()
    page.route(
        "**/results.zip", lambda route: route.fulfill(status=404, body="{}", content_type="application/json")
    )
    with browser.expecting("404"):
        page.get_by_role("group", name="Selected jobs").get_by_role("button", name="Download").click()
        page.get_by_text("The archive could not be made.").first.wait_for()


def test_shift_selects_also_what_was_not_loaded_and_the_box_knows_its_list(
    site: Served, browser: Browser
) -> None:
    for number in range(200):
        site.add_job(states.CANCELLED, label=f"range{number:03d}.nii.gz")
    page = browser.page()
    page.get_by_role("searchbox", name="Search the jobs").fill("range")
    page.get_by_role("checkbox", name="Select range199.nii.gz").check()
    page.evaluate("document.querySelector('#jobs-scroll').scrollTop = 1e6")
    page.get_by_role("checkbox", name="Select range000.nii.gz").click(modifiers=["Shift"])
    page.get_by_text("200 jobs selected").wait_for()
    box = page.get_by_role("checkbox", name="Select all jobs of this list")
    wait_until(page, "document.querySelector('#jobs-choose-all').checked")
    site.add_job(states.CANCELLED, label="elsewhere.nii.gz")
    page.get_by_role("searchbox", name="Search the jobs").fill("elsewhere")
    rows(page).filter(has_text="elsewhere").wait_for()
    assert not box.is_checked(), "what is selected is of another list"
    page.get_by_role("button", name="Clear the selection").click()
    assert page.evaluate("document.activeElement.id") == "jobs-choose-all"


def test_on_a_phone_the_bar_of_selected_jobs_leaves_room_for_the_list(site: Served, browser: Browser) -> None:
    jobs = [site.add_job(states.CANCELLED, label=f"phone{n}.nii.gz") for n in range(2)]
    page = browser.page(phone=True)
    page.get_by_role("searchbox", name="Search the jobs").fill("phone")
    for job in jobs:
        page.get_by_role("checkbox", name=f"Select {job.label}").check()
    bar = page.get_by_role("group", name="Selected jobs")
    bar.get_by_text("2 jobs selected").wait_for()
    assert bar.bounding_box()["height"] < 110
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    last = bar.get_by_role("button", name="Clear the selection")
    last.focus()  # the row of buttons follows the keyboard
    box = last.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
    last.click()
    bar.wait_for(state="hidden")


def test_the_list_stays_where_it_is_read_when_jobs_come_also_without_scroll_anchoring(
    site: Served, browser: Browser
) -> None:
    """As in Safari, which has no scroll anchoring of its own."""
    for number in range(200):
        site.add_job(states.CANCELLED, label=f"read{number:03d}.nii.gz")
    page = browser.page()
    page.get_by_role("searchbox", name="Search the jobs").fill("read")
    wait_until(page, "document.querySelector('#jobs-table').ariaRowCount === '201'")
    page.evaluate("document.querySelector('#jobs-scroll').style.overflowAnchor = 'none'")
    page.evaluate("document.querySelector('#jobs-scroll').scrollTop = 2000")
    wait_until(page, f"!['', 'read199.nii.gz'].includes({TOP_ROW}[0])")
    name, place = page.evaluate(TOP_ROW)
    for number in range(5):
        site.add_job(states.CANCELLED, label=f"read-new{number}.nii.gz")
    wait_until(page, "document.querySelector('#jobs-table').ariaRowCount === '206'")
    again, there = page.evaluate(TOP_ROW)
    assert (again, there) == (name, pytest.approx(place, abs=2.0))
    page.evaluate("document.querySelector('#jobs-scroll').scrollTop = 0")
    site.add_job(states.CANCELLED, label="read-last.nii.gz")
    rows(page).first.filter(has_text="read-last").wait_for()  # at the top new jobs are shown
    assert page.evaluate("document.querySelector('#jobs-scroll').scrollTop") == 0
