"""Teaching with labels that can be hidden, and two results side by side."""

from __future__ import annotations

from typing import Any, Iterator

import numpy as np
import pytest
from support.headless import write_scan
from support.web_page import Browser, Site, chromium, viewer, violations
from support.web_viewer import until_still

pytestmark = pytest.mark.slow

VIEWS = "autosegCompare.scenes.map((scene) => scene.view.state)"


@pytest.fixture(scope="module")
def program() -> Iterator[Any]:
    """A browser that can fill the screen."""
    with chromium(windows=True) as found:
        yield found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("teaching")
    with Site(root / "home") as served:
        served.pair = [  # type: ignore[attr-defined]
            served.put(write_scan(root / f"{name}.nii.gz", spacing))["id"]
            for name, spacing in (("before", 8.0), ("after", 7.0))
        ]
        for job in served.pair:  # type: ignore[attr-defined]
            assert served.until_ended(job)["state"] == "done"
        yield served


@pytest.mark.parametrize(("dark", "phone"), [(False, False), (True, True)])
def test_names_are_hidden_and_revealed_one_by_one_on_the_full_screen(
    site: Site, browser: Browser, dark: bool, phone: bool
) -> None:
    page = viewer(browser, site.pair[0], dark=dark, phone=phone)  # type: ignore[attr-defined]
    page.get_by_role("button", name="Teaching").click()
    shown = page.evaluate("autosegViewer.scene.drawing.shown")
    page.locator(".teach-label").nth(shown - 1).wait_for()
    pane = page.locator(".scene-pane").bounding_box()
    assert pane["width"] == page.evaluate("innerWidth") and pane["height"] == page.evaluate("innerHeight")
    assert page.locator(".teach-label").get_by_text("Left lung", exact=True).is_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Hide the names").click()
    assert set(page.locator(".teach-label").all_inner_texts()) == {"?"}
    assert page.evaluate("autosegViewer.hover.off"), "nor does the mouse tell"
    assert violations(page) == []
    page.locator(".teach-label").first.click()
    page.locator("#teach-said").filter(has_text=f"1 of {shown} revealed").wait_for()
    named = [text for text in page.locator(".teach-label").all_inner_texts() if text != "?"]
    assert named == [page.evaluate("autosegViewer.tree.chosen.title")]
    page.get_by_role("button", name="Reveal all").click()
    assert "?" not in page.locator(".teach-label").all_inner_texts()
    page.get_by_role("button", name="Teaching").click()
    page.locator(".teach").wait_for(state="hidden")
    assert not page.evaluate("document.fullscreenElement") and not page.evaluate("autosegViewer.hover.off")


def test_escape_leaves_the_teaching_mode_where_there_is_no_full_screen(site: Site, browser: Browser) -> None:
    page = viewer(browser, site.pair[0])  # type: ignore[attr-defined]
    page.evaluate("delete Element.prototype.requestFullscreen")
    page.get_by_role("button", name="Teaching").click()
    page.locator(".teach-label").first.wait_for()
    page.keyboard.press("Escape")
    page.locator(".teach").wait_for(state="hidden")


def test_an_old_result_is_found_by_a_search_and_compared(site: Site, browser: Browser) -> None:
    page = viewer(browser, site.pair[1])  # type: ignore[attr-defined]
    page.get_by_role("button", name="Compare with").click()
    field = page.get_by_role("searchbox", name="Search the other results")
    field.fill("nothing")
    page.locator("#compare-with").filter(has_text="No other result matches").wait_for()
    field.fill("befo")
    page.get_by_label("Compare with").select_option(label="before.nii.gz")
    page.wait_for_url("**/compare/**")


def test_labels_stand_apart_and_their_lines_end_at_their_structures(site: Site, browser: Browser) -> None:
    page = viewer(browser, site.pair[0])  # type: ignore[attr-defined]
    page.locator("#show-all").click()
    page.get_by_role("button", name="Teaching").click()
    page.locator(".teach-label").first.wait_for()
    until_still(page)
    boxes = page.evaluate(
        """[...document.querySelectorAll(".teach-label")].map((one) => {
        const box = one.getBoundingClientRect(); return [box.left, box.top, box.right, box.bottom]; })"""
    )
    for number, one in enumerate(boxes):
        for other in boxes[:number]:
            apart = one[0] >= other[2] or one[2] <= other[0] or one[1] >= other[3] or one[3] <= other[1]
            assert apart, (one, other)


def test_two_results_are_seen_side_by_side_with_one_camera(site: Site, browser: Browser) -> None:
    page = viewer(browser, site.pair[0])  # type: ignore[attr-defined]
    page.get_by_role("button", name="Compare with").click()
    page.get_by_label("Compare with").select_option(label="after.nii.gz")
    page.wait_for_url("**/compare/**")
    page.locator("html[data-ready]").wait_for(state="attached", timeout=90000)
    assert page.locator("#compare-rows tr").count() >= 5
    page.locator("#stage-0").press("ArrowLeft")
    page.locator("#stage-0").press("+")
    one, two = page.evaluate(VIEWS)
    assert np.allclose(one[3:9], two[3:9], atol=1e-3) and abs(one[3]) > 0.05
    scales = page.evaluate("autosegCompare.scenes.map((scene) => scene.view.millimetresPerPixel)")
    assert abs(scales[0] / scales[1] - 1) < 0.01
    page.get_by_label("Link the cameras").uncheck()
    page.locator("#stage-1").press("ArrowUp")
    assert page.evaluate(VIEWS)[0] == one
    page.get_by_label("Link the cameras").check()
    page.get_by_role("checkbox", name="Show Left lung").uncheck()
    lung = "structures.find((one) => one.name === 'lung_left')"
    hidden = f"autosegCompare.scenes.map((scene) => scene.{lung}.visible)"
    assert page.evaluate(hidden) == [False, False]
    volumes = page.locator("#compare-rows tr[data-name=lung_left] td").all_inner_texts()
    assert volumes[0].endswith("ml") and volumes[1].endswith("ml") and volumes[2].endswith("%")
    assert violations(page) == []


@pytest.mark.parametrize(("dark", "phone"), [(False, True), (True, False), (True, True)])
def test_axe_has_nothing_against_the_comparison(
    site: Site, browser: Browser, dark: bool, phone: bool
) -> None:
    first, second = site.pair  # type: ignore[attr-defined]
    page = browser.page(f"/compare/{first}?with={second}", dark, phone)
    page.locator("html[data-ready]").wait_for(state="attached", timeout=90000)
    assert violations(page) == []


def test_a_comparison_with_nothing_says_so(site: Site, browser: Browser) -> None:
    with browser.expecting("404"):
        page = browser.page(f"/compare/{site.pair[0]}?with=0")  # type: ignore[attr-defined]
        page.get_by_role("heading", name="There is no such result").wait_for()
        assert page.goto(f"{site.url}/compare/{site.pair[0]}").status == 404  # type: ignore[attr-defined]
