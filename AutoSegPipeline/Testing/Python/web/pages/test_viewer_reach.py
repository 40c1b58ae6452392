"""The viewer is reached with the keyboard, by touch and by listening; its picture says what it is not."""

from __future__ import annotations

from typing import Any, Iterator

import numpy as np
import pytest
from support.headless import write_scan
from support.web_page import PHONE, Browser, Site, viewer, wait_until
from support.web_viewer import until_still

pytestmark = pytest.mark.slow

WRITTEN = """() => { window.written = []; const real = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
  const wide = this.measureText(text).width; const tall = parseFloat(/([\\d.]+)px/.exec(this.font)[1]);
  const left = this.textAlign === "center" ? x - wide / 2 : x;
  window.written.push({ text, left, right: left + wide, top: y - tall / 2, bottom: y + tall / 2,
    width: this.canvas.width, height: this.canvas.height }); return real.call(this, text, x, y); }; }"""
DIRECTION = """(() => { const { camera, controls } = autosegViewer.scene.view;
return camera.position.clone().sub(controls.target).normalize().toArray(); })()"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("reach")
    name = "A scan with a name that is much too long for one line of a small picture" + ", and longer" * 4
    with Site(root / "home") as served:
        served.job = served.put(
            write_scan(root / "t.nii.gz", 8.0), name=f"{name}.nii.gz".replace(" ", "%20")
        )["id"]  # type: ignore[attr-defined]
        assert served.until_ended(served.job)["state"] == "done"  # type: ignore[attr-defined]
        yield served


def test_ten_tabs_lead_to_the_3d_view(site: Site, browser: Browser) -> None:
    page = viewer(browser, site.job)  # type: ignore[attr-defined]
    for count in range(1, 11):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "stage":
            print(f"{count} tabs")
            return
    raise AssertionError(page.evaluate("document.activeElement.outerHTML"))


def test_where_the_crosshair_is_is_said_when_w_is_pressed(site: Site, browser: Browser) -> None:
    page = viewer(browser, site.job)  # type: ignore[attr-defined]
    page.locator("#stage").press("w")
    page.locator("#announcer").filter(has_text="No place was chosen yet").wait_for()
    page.get_by_role("button", name="Left lung", exact=True).click()
    page.locator("#announcer").filter(has_text="ml").wait_for()
    for where in ("#stage", "#slices canvas"):
        page.evaluate("document.getElementById('announcer').textContent = ''")
        page.locator(where).press("w")
        page.locator("#announcer").filter(has_text="Left lung").wait_for()
        said = page.locator("#announcer").inner_text()
        assert said == page.locator("#slices-said").inner_text() and " mm" in said


@pytest.mark.parametrize("phone", [False, True])
def test_nothing_in_the_saved_picture_covers_what_it_is_not(
    site: Site, browser: Browser, phone: bool
) -> None:
    page = viewer(browser, site.job, phone=phone)  # type: ignore[attr-defined]
    page.evaluate(WRITTEN)
    with page.expect_download():
        page.get_by_role("button", name="Picture").click()
    written = page.evaluate("written")
    (notice,) = [one for one in written if "medical device" in one["text"]]
    for one in written:
        assert one["left"] >= 0 and one["right"] <= one["width"] and one["bottom"] <= one["height"], one
        apart = one["right"] <= notice["left"] or one["left"] >= notice["right"]
        apart = apart or one["bottom"] <= notice["top"] or one["top"] >= notice["bottom"]
        assert one is notice or apart, (one, notice)


def touch(page: Any, *fingers: list[tuple[float, float]], stage: str = "#stage") -> None:
    """Each finger's way, as parts of the stage; all go down, move in ten steps and go up together."""
    box = page.locator(stage).bounding_box()
    session = page.context.new_cdp_session(page)

    def points(part: float) -> list[dict[str, float]]:
        return [
            {"x": box["x"] + box["width"] * (a[0] + (b[0] - a[0]) * part),
             "y": box["y"] + box["height"] * (a[1] + (b[1] - a[1]) * part), "id": number}
            for number, (a, b) in enumerate(fingers)
        ]  # fmt: skip

    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points(0)})
    for step in range(1, 11):
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points(step / 10)})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    until_still(page)


def test_on_a_phone_a_swipe_scrolls_and_two_fingers_turn_and_zoom(site: Site, browser: Browser) -> None:
    page = viewer(browser, site.job, phone=True, has_touch=True, is_mobile=True)  # type: ignore[attr-defined]
    before = page.evaluate(DIRECTION)
    for pane, stage in (("3D", "#stage"), ("Slices", "#slices canvas")):
        page.locator("#tabs").get_by_role("button", name=pane).click()
        page.evaluate("scrollTo(0, 0)")
        touch(page, [(0.5, 0.8), (0.5, 0.3)], stage=stage)
        wait_until(page, "scrollY > 50")
    page.locator("#tabs").get_by_role("button", name="3D").click()
    page.evaluate("scrollTo(0, 0)")
    assert np.allclose(page.evaluate(DIRECTION), before, atol=1e-6), "a swipe up turned nothing"
    zoom = page.evaluate("autosegViewer.scene.camera.zoom")
    touch(page, [(0.4, 0.5), (0.2, 0.5)], [(0.6, 0.5), (0.8, 0.5)])
    assert page.evaluate("autosegViewer.scene.camera.zoom") > 1.3 * zoom
    touch(page, [(0.3, 0.3), (0.5, 0.3)], [(0.3, 0.6), (0.5, 0.6)])
    assert not np.allclose(page.evaluate(DIRECTION), before, atol=0.1)
    assert page.evaluate("visualViewport.scale") == 1, "the page itself was not zoomed"


def test_on_a_phone_the_toolbar_of_the_3d_view_is_on_the_first_screen(site: Site, browser: Browser) -> None:
    page = viewer(browser, site.job, phone=True, has_touch=True, is_mobile=True)  # type: ignore[attr-defined]
    for name in ("look-from", "fit", "cut", "screenshot"):
        box = page.locator(f"#{name}").bounding_box()
        assert box["y"] + box["height"] <= PHONE["height"] and box["x"] + box["width"] <= PHONE["width"], name


def test_a_viewer_takes_at_most_two_and_a_half_megabytes(site: Site, browser: Browser) -> None:
    """What goes over the wire, headers left out; the result's own files as they are."""
    page = browser.page(None)
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    sizes: dict[str, float] = {}
    session.on(
        "Network.loadingFinished",
        lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}),
    )
    page.goto(f"{site.url}/view/{site.job}")  # type: ignore[attr-defined]
    page.locator("html[data-ready]").wait_for(state="attached", timeout=90000)
    total = sum(sizes.values())
    print(f"{total / 1e6:.2f} MB in {len(sizes)} files")
    assert 0.3e6 < total < 2.5e6
