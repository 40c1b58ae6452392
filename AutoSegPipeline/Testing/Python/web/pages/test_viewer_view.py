"""The view goes into a link and comes back; ready-made views, hover, measuring, filled cuts."""

from __future__ import annotations

import re
from typing import Iterator

import numpy as np
import pytest
from support.headless import write_scan
from support.web_page import Browser, Site, viewer, violations, wait_until
from support.web_viewer import click_at, crosshair, pixels, seen_at, until_still

pytestmark = pytest.mark.slow

STATE = "autosegViewer.link.state()"
SHOWN = "autosegViewer.scene.structures.filter((one) => one.visible).map((one) => one.name)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("view")
    with Site(root / "home") as served:
        served.job = served.put(write_scan(root / "torso.nii.gz", 6.0))["id"]  # type: ignore[attr-defined]
        assert served.until_ended(served.job)["state"] == "done"  # type: ignore[attr-defined]
        yield served


def test_a_link_shows_exactly_the_view_that_it_was_made_of(site: Site, browser: Browser) -> None:
    page = viewer(browser, site.job)  # type: ignore[attr-defined]
    assert "#" not in page.url, "nothing was changed yet"
    page.locator("#stage").press("l")
    page.locator("#stage").press("ArrowUp")
    page.locator("#stage").press("+")
    page.get_by_role("checkbox", name="Show Left lung").uncheck()
    page.get_by_role("button", name="Bones", exact=True).click()
    page.get_by_label("Opacity", exact=True).fill("40")
    page.get_by_role("textbox", name="Colour").fill("#12ab34")
    page.get_by_label("Cut away").select_option("A")
    page.get_by_label("Depth of the cut").fill("30")
    page.get_by_label("Window", exact=True).select_option(label="Bone")
    page.get_by_label("Planes").select_option(label="Coronal")
    page.get_by_label("Strength of the overlay").fill("70")
    page.get_by_label("Measure", exact=True).select_option("d")
    page.locator("#stage").press("Enter")
    click_at(page, 0.5, 0.5)
    wait_until(page, "location.hash.length > 60")
    wanted = page.evaluate(STATE)
    page.get_by_role("button", name="Link to this view").click()
    link = page.evaluate("location.href")
    assert len(link) < 400, "short enough for a message"
    other = browser.page(None)
    other.goto(link)
    other.locator("html[data-ready]").wait_for(state="attached", timeout=90000)
    shown = other.evaluate(STATE)
    for key, value in wanted.items():
        if key == "measures":
            ((kind, points),), ((other_kind, others),) = value, shown[key]
            assert kind == other_kind == "d" and np.allclose(points, others, atol=0.06)
        elif key in ("camera", "place"):
            assert np.allclose(value, shown[key], atol=0.06), key
        else:
            assert value == shown[key], key
    assert other.get_by_label("Cut away").input_value() == "A"
    assert other.get_by_label("Window", exact=True).input_value() == "2"
    assert not other.get_by_role("checkbox", name="Show Left lung").is_checked()
    one, two = pixels(page, "#stage"), pixels(other, "#stage")
    assert (np.abs(one - two).sum(axis=2) > 40).mean() < 0.02
    assert np.allclose(crosshair(page), crosshair(other), atol=0.1)


def test_a_second_link_in_the_same_tab_shows_nothing_of_the_first(site: Site, browser: Browser) -> None:
    page = viewer(browser, site.job)  # type: ignore[attr-defined]
    shown = page.evaluate("autosegViewer.scene.structures.map((one) => [one.colour, one.opacity])")
    page.goto(f"{page.url}#v=1&o=0.12ab34.40")
    wait_until(page, "autosegViewer.link.state().looks")
    page.goto(f"{page.url.split('#')[0]}#v=1&x=R25")
    wait_until(page, "autosegViewer.overlay.cut?.[1] === 25")
    assert page.evaluate("autosegViewer.scene.structures.map((one) => [one.colour, one.opacity])") == shown


def test_a_link_that_is_broken_foreign_or_newer_shows_what_is_understood(
    site: Site, browser: Browser
) -> None:
    page = viewer(browser, site.job)  # type: ignore[attr-defined]
    first = page.evaluate(STATE)
    for broken in (
        "", "v=0", "x", "v=1&s=3.AA&c=1,2&w=9,1&k=99&zz=1&o=1.red.7&m=d1_q&p=NaN,1,2", "v=1&c=" + "9" * 9999,
        "v=1&s=%3Cscript%3E&k=-1&x=Q5", "v=1&c=0,0,0,0,0,0,0,0,0,0",
    ):  # fmt: skip
        page.goto(f"{page.url.split('#')[0]}#{broken}")
        until_still(page)
        assert page.evaluate(STATE) == {**first, "chosen": None}, broken
    page.goto(f"{page.url.split('#')[0]}#v=7&future=yes&x=R25")
    page.get_by_text("made by a newer version").wait_for()
    assert page.evaluate("autosegViewer.overlay.cut") == ["R", 25]


def test_ready_made_views_show_a_group_alone_or_with_the_rest_like_glass(
    site: Site, browser: Browser
) -> None:
    page = viewer(browser, site.job)  # type: ignore[attr-defined]
    everything = set(page.evaluate(SHOWN))
    select = page.get_by_label("Ready-made views")
    names = select.locator("option").all_inner_texts()
    (bones,) = [text for text in names if re.fullmatch("Bones? alone", text)]
    select.select_option(label=bones)
    assert page.evaluate(SHOWN) == ["bones"]
    select.select_option(label=bones.replace(" alone", ", the rest like glass"))
    assert set(page.evaluate(SHOWN)) == everything
    glass = page.evaluate(
        "autosegViewer.scene.structures.filter((one) => one.opacity < 0.2).map((one) => one.name)"
    )
    assert {"lung_left", "lung_right"} <= set(glass) and "bones" not in glass
    select.select_option(label="As at first")
    looks = "autosegViewer.scene.structures.every((one) => one.opacity === one.first.opacity)"
    assert set(page.evaluate(SHOWN)) == everything and page.evaluate(looks)


def test_the_name_under_the_resting_mouse_is_shown(site: Site, browser: Browser) -> None:
    page = viewer(browser, site.job)  # type: ignore[attr-defined]
    page.get_by_role("button", name="Show only Left lung").click()
    x, y = seen_at(page, "lung_left")
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
    page.locator(".hover-label").filter(has_text="Left lung, ").wait_for()
    page.mouse.move(box["x"] + 4, box["y"] + box["height"] / 2)
    page.locator(".hover-label").wait_for(state="hidden")


def test_distance_angle_and_volume_are_measured_in_the_view(site: Site, browser: Browser) -> None:
    page = viewer(browser, site.job)  # type: ignore[attr-defined]
    right = page.evaluate(
        """async () => { const { distance, angle } = await import("/static/js/viewer/measures.js");
        const right = angle([[1, 0, 0], [0, 0, 0], [0, 0, 5]]);
        return [distance([[0, 0, 0], [30, 40, 0]]), right, angle([[1, 0, 0], [0, 0, 0], [1, 1, 0]])]; }"""
    )
    assert np.allclose(right, [50, 90, 45])
    find = "autosegViewer.scene.structures.find((one) => one.name === '%s')"
    page.evaluate(f"autosegViewer.scene.opacity({find % 'body'}, 1)")
    page.get_by_role("button", name="Show only Body").click()
    measure = page.get_by_label("Measure", exact=True)
    measure.select_option("d")
    page.mouse.move(0, 0)
    # From one side of the body to the other, along the scale of the view.
    ends = page.evaluate(
        """() => { const { scene } = autosegViewer; const seen = [];
        for (let x = -1; x < 1; x += 0.005) if (scene.at(x, 0)) seen.push(x);
        return [seen.at(0), seen.at(-1)]; }"""
    )
    for x in ends:
        click_at(page, (x + 1) / 2, 0.5)
    (text,) = page.locator(".measures li span").all_inner_texts()
    found = re.fullmatch(r"Distance ([\d.]+) mm", text)
    assert found
    pixel = page.evaluate(
        "autosegViewer.scene.view.millimetresPerPixel * autosegViewer.scene.view.size().width"
    )
    assert abs(float(found[1]) - (ends[1] - ends[0]) / 2 * pixel) < 40, "the points differ in depth, too"
    assert page.evaluate("autosegViewer.tree.chosen.name") == "body", "measuring chooses nothing else"
    measure.select_option("a")
    for x, y in ((0.45, 0.45), (0.5, 0.5), (0.55, 0.45)):
        click_at(page, x, y)
    page.locator(".measures").get_by_text(re.compile(r"Angle [\d.]+°")).wait_for()
    page.locator("#stage").press("Escape")
    page.locator("#show-all").click()
    measure.select_option("v")
    page.get_by_role("button", name="Show only Left lung").click()
    measure.select_option("v")
    click_at(page, *seen_at(page, "lung_left"))
    page.locator("#announcer").filter(has_text="Volume").wait_for()
    volume = page.evaluate(f"{find % 'lung_left'}.volume")
    page.locator(".measures").get_by_text(f"Volume {volume:,.0f} ml: Left lung").wait_for()
    assert violations(page) == []
    page.get_by_role("button", name=re.compile("Remove: Distance")).click()
    assert page.locator(".measures li").count() == 2


def test_a_cut_is_filled_with_the_colour_of_what_it_goes_through(site: Site, browser: Browser) -> None:
    page = viewer(browser, site.job)  # type: ignore[attr-defined]
    page.get_by_role("button", name="Show only Left lung").click()
    page.get_by_label("Cut away").select_option("A")
    until_still(page)
    filled = pixels(page, "#stage")
    page.evaluate("autosegViewer.scene.caps.sheet.scale(1e-6, 1e-6, 1e-6); autosegViewer.scene.draw()")
    hollow = pixels(page, "#stage")
    cap = np.abs(filled - hollow).sum(axis=2) > 12
    assert cap.sum() > 3000, "the hole is closed"
    colours = filled[cap]
    assert np.median(np.abs(colours - np.median(colours, axis=0)).sum(axis=1)) < 12, "by one even colour"
    rows, columns = np.nonzero(cap)
    assert cap[rows.min() : rows.max(), columns.min() : columns.max()].mean() > 0.4, "and nothing beside it"
    page.get_by_label("Cut away").select_option("")
    wait_until(page, "!autosegViewer.scene.caps.group.visible")


def changed(before: np.ndarray, after: np.ndarray) -> float:
    """The part of the pixels that differ clearly; all where the view has another size."""
    return 1.0 if before.shape != after.shape else float((np.abs(before - after).max(axis=2) > 20).mean())


def test_the_scan_is_shown_as_a_volume_without_loading_more(site: Site, browser: Browser) -> None:
    page = viewer(browser, site.job)  # type: ignore[attr-defined]
    slices = pixels(page, "#slices canvas")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_label("Planes").select_option(label="Volume")
    bones = pixels(page, "#slices canvas")
    assert changed(slices, bones) > 0.05
    assert not page.get_by_label("Window", exact=True).is_visible()
    assert not page.get_by_label("Strength of the overlay").is_visible()
    page.get_by_label("What the volume shows").select_option(label="Skin and airways")
    skin = pixels(page, "#slices canvas")
    assert changed(bones, skin) > 0.05
    volume = page.get_by_role("application", name="Volume of the scan")
    volume.press("ArrowLeft")
    assert changed(skin, pixels(page, "#slices canvas")) > 0.01
    page.get_by_role("button", name="Turn right").click()
    assert changed(skin, pixels(page, "#slices canvas")) < 0.005
    assert violations(page) == []
    assert [url for url in asked if not url.endswith("icon.svg")] == []  # the browser's own, for the tab
    wait_until(page, "location.hash.includes('l=4')")
    other = browser.page(None)
    other.goto(page.evaluate("location.href"))
    other.locator("html[data-ready]").wait_for(state="attached", timeout=90000)
    assert changed(bones, pixels(other, "#slices canvas")) < 0.005
    page.get_by_label("Planes").select_option(label="All planes")
    volume.wait_for(state="detached")
    page.locator("#stage").focus()
    assert changed(slices, pixels(page, "#slices canvas")) < 0.005
    assert page.get_by_label("Window", exact=True).is_visible()
