"""Logging in, roles and share links, seen through a browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Iterator

import pytest
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.web.accounts.accounts import Accounts
from support.headless import write_scan
from support.web_page import Browser, Site, choose, log_in, violations

pytestmark = pytest.mark.slow

LOGIN = re.compile(r"/login\?next=")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("accounts")
    with Site(root / "home", "--web-embed-sites", "https://teaching.example.org") as served:
        job = served.put(write_scan(root / "torso.nii.gz", 8.0))
        served.job = served.until_ended(job["id"])["id"]  # type: ignore[attr-defined]
        for name, role in (("vera", "viewer"), ("otto", "operator"), ("ada", "admin")):
            served.account(name, role)
        yield served


def logged_in(browser: Browser, name: str, path: str = "/") -> Any:
    page = browser.page(path)
    page.wait_for_url(LOGIN)
    log_in(page, name)
    page.wait_for_url(f"**{path}")
    return page


def test_a_wrong_password_is_told_and_the_right_one_leads_where_one_wanted_to_go(
    site: Site, browser: Browser
) -> None:
    page = browser.page("/upload")
    page.wait_for_url(LOGIN)
    with browser.expecting("401"):
        log_in(page, "otto", "not the password")
        told = page.get_by_role("alert")
        told.wait_for()
    assert told.inner_text() and page.evaluate("document.activeElement.id") == "login-problem"
    assert page.get_by_label("Password").input_value() == ""
    log_in(page, "otto")
    page.wait_for_url("**/upload")
    assert "otto" in page.locator(".who").inner_text()


def test_a_login_leads_to_the_same_query_and_place_of_the_page(site: Site, browser: Browser) -> None:
    page = browser.page("/table?search=a%20b&case=x#view")
    page.wait_for_url(LOGIN)
    log_in(page, "otto")
    page.wait_for_url(f"{site.url}/table?search=a%20b&case=x#view")


def test_a_login_never_leads_to_another_host(site: Site, browser: Browser) -> None:
    page = browser.page("/login?next=//example.org/")
    log_in(page, "vera")
    page.wait_for_url(f"{site.url}/")


def test_a_viewer_sees_results_but_nothing_that_changes_them(site: Site, browser: Browser) -> None:
    page = logged_in(browser, "vera")
    page.locator("#results-list .result").wait_for()
    assert page.locator("#upload").count() == 0
    assert page.get_by_role("button", name="Delete").count() == 0
    assert page.get_by_role("button", name="Share").count() == 0
    assert page.get_by_role("link", name="Open in 3D").count() == 1
    with browser.expecting("403"):
        status = page.evaluate(
            """async (job) => (await fetch(`/api/v1/jobs/${job}`, { method: "DELETE",
            headers: { "X-CSRF-Token": document.documentElement.dataset.csrf } })).status""",
            site.job,  # type: ignore[attr-defined]
        )
    assert status == 403, "the page does not only hide it"


def test_an_operator_uploads_and_may_delete_what_is_its_own(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    page = logged_in(browser, "otto")
    choose(page, write_scan(tmp_path / "own.nii.gz", 9.0))
    done = page.locator("#jobs-body tr[data-state=done]").filter(has_text="own.nii.gz")
    done.wait_for(timeout=120000)
    assert "by otto" in done.inner_text()
    done.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    done.wait_for(state="detached")
    assert not list((site.home / "results").glob("own.*"))


def test_what_belongs_to_somebody_else_cannot_be_deleted_and_the_page_says_so(
    site: Site, browser: Browser
) -> None:
    page = logged_in(browser, "otto")
    torso = page.locator("#jobs-body tr").filter(has_text="torso.nii.gz")
    torso.get_by_role("button", name="Delete").click()
    with browser.expecting("403"):
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        page.locator("#toasts").get_by_role("alert").filter(has_text="torso.nii.gz").wait_for()
    assert (site.home / "results" / "torso.gltf").exists()


def test_logging_out_ends_the_login_also_in_another_tab(site: Site, browser: Browser) -> None:
    page = logged_in(browser, "vera")
    other = page.context.new_page()
    other.goto(site.url + "/")
    with browser.expecting("401"):  # what the other tab still asks is refused, and the console says so
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url(re.compile(r"/login(\?next=.*)?$"))
        other.reload()
        other.wait_for_url(LOGIN)


def test_a_shared_link_shows_one_result_to_a_stranger_until_it_is_taken_back(
    site: Site, browser: Browser
) -> None:
    page = logged_in(browser, "ada")
    page.locator("#results-list .result").filter(has_text="torso").get_by_role("button", name="Share").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Show the file's name and who uploaded it").check()
    dialog.get_by_role("button", name="Create the link").click()
    link = dialog.get_by_label("Link (shown only now)").input_value()
    assert link.startswith(f"{site.url}/share/")
    frame = dialog.get_by_label("For a page of an allowed site").input_value()
    assert frame.startswith(f'<iframe src="{link.replace("/share/", "/embed/")}" title=')
    assert frame.endswith(' allow="fullscreen" loading="lazy"></iframe>')
    assert violations(page) == []

    stranger = browser.page(link[len(site.url) :])
    stranger.wait_for_url("**/view/*")
    stranger.locator("html[data-ready]").wait_for(state="attached", timeout=90000)
    assert "lung_left" in stranger.evaluate("autosegViewer.scene.structures.map(one => one.name)")
    stranger.get_by_role("button", name="Files").click()
    with stranger.expect_download() as download:
        stranger.get_by_role("dialog").get_by_role("link", name="torso.glb").click()
    assert Path(download.value.path()).read_bytes() == (site.home / "results" / "torso.glb").read_bytes()
    with browser.expecting("403"):
        stranger.goto(site.url + "/")
        stranger.get_by_role("heading", name="Not allowed").wait_for()

    dialog.get_by_role("button", name="Take back").click()
    dialog.get_by_role("button", name="Take back").wait_for(state="detached")
    with browser.expecting("404"):
        late = browser.page(link[len(site.url) :])
        late.get_by_role("heading", name="Not there").wait_for()
    stranger.goto(f"{site.url}/view/{site.job}")  # type: ignore[attr-defined]
    stranger.wait_for_url(LOGIN)


def test_an_expired_link_is_a_page_that_says_so(site: Site, browser: Browser) -> None:
    accounts = Accounts.of(Home.at(site.home))
    link, secret = accounts.links.create(site.job, "ada", 1)  # type: ignore[attr-defined]
    accounts._database.execute("UPDATE links SET expires = 1 WHERE id = ?", (link.id,))
    accounts.close()
    with browser.expecting("404"):
        page = browser.page(f"/share/{secret}")
        page.get_by_role("heading", name="Not there").wait_for()
    assert "ended" in page.locator("main").inner_text()


def test_the_viewer_of_somebody_with_an_account_leads_back_to_all_results(
    site: Site, browser: Browser
) -> None:
    page = logged_in(browser, "vera", f"/view/{site.job}")  # type: ignore[attr-defined]
    page.locator("html[data-ready]").wait_for(state="attached", timeout=90000)
    page.get_by_role("link", name="All results").click()
    page.locator("#results-list .result").wait_for()


def test_the_form_of_the_page_uploads_with_a_login_and_without_javascript(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    page = browser.page("/upload", java_script_enabled=False)
    log_in(page, "otto")
    page.get_by_label("Files", exact=True).set_input_files(write_scan(tmp_path / "form.nii.gz", 9.5))
    page.get_by_role("button", name="Upload").click()
    page.wait_for_load_state()
    jobs = page.request.get(f"{site.url}/api/v1/jobs").json()["jobs"]
    mine = next(job for job in jobs if job["label"] == "form.nii.gz")
    assert mine["submitted_by"] == "otto"
    for _ in range(600):
        if page.request.get(f"{site.url}/api/v1/jobs/{mine['id']}").json()["state"] == "done":
            return
        page.wait_for_timeout(100)
    raise AssertionError("not done")


def test_below_a_base_path_page_uploads_viewer_and_login_find_their_way(program: Any, tmp_path: Path) -> None:
    site = Site(tmp_path / "home", "--base-path", "/seg")
    site.account("ada", "admin")
    with site, Browser(program, site) as browser:
        page = browser.page("/seg/")
        log_in(page, "ada")
        page.wait_for_url("**/seg/")
        choose(page, write_scan(tmp_path / "torso.nii.gz", 9.0))
        page.locator("#jobs-body tr[data-state=done]").wait_for(timeout=120000)
        page.get_by_role("link", name="View 3D").click()
        page.locator("html[data-ready]").wait_for(state="attached", timeout=90000)
        assert "/seg/view/" in page.url
        assert page.evaluate("autosegViewer.slices.nv.volumes.length") == 2
        page.get_by_role("link", name="All results").click()
        page.wait_for_url("**/seg/")  # the viewer has a button to log out, too
        with browser.expecting("401"):  # what the page still asks meanwhile
            page.get_by_role("button", name="Log out").click()
            # The page may hear that its login has ended before the form's own answer leads it there.
            page.wait_for_url(re.compile(r"/seg/login(\?next=.*)?$"))
