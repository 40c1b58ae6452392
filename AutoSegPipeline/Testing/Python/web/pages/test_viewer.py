"""The viewer in a real browser: what it draws, what it says, how its parts hang together."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Iterator

import numpy as np
import pytest
from AutoSegPipelineLib.processing.phantom import torso, write_dicom_series
from AutoSegPipelineLib.web.http.static_files import ASSETS, NIIVUE, THREE
from support import MODULE
from support.headless import write_scan
from support.web_page import VIEWER_MODULES, Browser, Site, viewer
from support.web_viewer import click_at, crosshair, mark, pixels, png, seen_at

pytestmark = pytest.mark.slow

EDGES = "autosegViewer.scene.view.edges"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("viewer")
    write_dicom_series(torso((61, 50, 30), (6.0,) * 3, seed=5).volume, root / "study")
    archive = shutil.make_archive(str(root / "study"), "zip", root / "study")
    with Site(root / "home") as served:
        for path in (write_scan(root / "torso.nii.gz", 6.0), Path(archive)):
            job = served.until_ended(served.put(path)["id"])
            assert job["state"] == "done", job
        yield served


def job_of(site: Site, name: str) -> str:
    return next(job["id"] for job in site.jobs().values() if job["name"].startswith(name))


def test_soft_tissue_is_hidden_at_first_and_shown_on_request(site: Site, browser: Browser) -> None:
    page = viewer(browser, job_of(site, "torso"))
    soft = {"body", "subcutaneous_fat", "visceral_fat", "soft_tissue", "muscle"}
    shown = "autosegViewer.scene.structures.filter(one => one.mesh.visible).map(one => one.name)"
    names = set(page.evaluate("autosegViewer.scene.structures.map(one => one.name)"))
    assert soft & names
    assert set(page.evaluate(shown)) == names - soft
    assert not page.get_by_role("checkbox", name="Show Body").is_checked()
    assert page.get_by_role("checkbox", name="Show Bones").is_checked()
    load = page.evaluate("autosegViewer.scene.drawing")
    assert load["drawCalls"] == len(names - soft) and 0 < load["triangles"] < load["all"]
    assert f"{load['drawCalls']} draw calls, {load['triangles']:,} of {load['all']:,} triangles" in (
        page.locator("#tree-load").inner_text()
    )
    # The count is what the renderer draws: the structures, and the mark once it is there.
    drawn = page.evaluate(
        """(() => { const { renderer, scene, camera } = autosegViewer.scene;
        renderer.render(scene, camera); return renderer.info.render; })()"""
    )
    assert drawn["calls"] == load["drawCalls"] and drawn["triangles"] == load["triangles"]
    before = pixels(page, "#stage")
    page.get_by_role("button", name="Show soft tissue").click()
    assert set(page.evaluate(shown)) == names
    assert page.get_by_role("checkbox", name="Show Body").is_checked()
    assert (np.abs(before - pixels(page, "#stage")).sum(axis=2) > 20).sum() > 1000


def test_hiding_a_structure_takes_its_pixels_away(site: Site, browser: Browser) -> None:
    page = viewer(browser, job_of(site, "torso"))
    page.get_by_role("button", name="Hide all").click()
    page.get_by_role("checkbox", name="Show Left lung").check()
    page.get_by_role("checkbox", name="Show Right lung").check()
    both = pixels(page, "#stage")
    page.get_by_role("checkbox", name="Show Left lung").uncheck()
    one = pixels(page, "#stage")
    gone = np.abs(both - one).sum(axis=2) > 60
    columns = np.nonzero(gone)[1]
    # Seen from the front the patient's left is on the right.
    assert gone.sum() > 1000 and np.median(columns) > gone.shape[1] / 2
    assert page.evaluate(
        "autosegViewer.scene.structures.filter(one => one.visible).map(one => one.name)"
    ) == ["lung_right"]
    page.get_by_role("button", name="Show only Bones").click()
    assert page.evaluate(
        "autosegViewer.scene.structures.filter(one => one.visible).map(one => one.name)"
    ) == ["bones"]
    page.locator("#show-all").click()
    assert page.locator("#tree input:checked").count() >= 9


def test_volume_and_code_of_a_structure_are_those_of_the_statistics(site: Site, browser: Browser) -> None:
    page = viewer(browser, job_of(site, "torso"))
    page.get_by_role("button", name="Left lung", exact=True).click()
    stated = json.loads((site.home / "results" / "torso.statistics.json").read_text(encoding="utf-8"))
    lung = next(one for one in stated["structures"] if one["name"] == "lung_left")
    assert page.locator("#chosen-volume").inner_text() == f"{lung['volume_ml']:,.0f} ml"
    assert page.locator("#chosen-code").inner_text().startswith("SNOMED CT 39607008")


def test_a_click_on_a_structure_chooses_it_and_moves_the_slices_there(site: Site, browser: Browser) -> None:
    page = viewer(browser, job_of(site, "torso"))
    page.get_by_role("button", name="Show only Left lung").click()
    click_at(page, *seen_at(page, "lung_left"))
    page.locator("#slices-said").filter(has_text="mm").wait_for()
    assert page.get_by_role("button", name="Left lung", exact=True).get_attribute("aria-pressed") == "true"
    said = page.locator("#slices-said").inner_text()
    assert np.allclose(crosshair(page), mark(page), atol=0.1), "RAS millimetres of both"
    assert said.startswith("L "), "the left lung lies on the patient's left"


def test_a_click_in_the_slices_marks_the_place_in_3d_and_chooses_what_is_there(
    site: Site, browser: Browser
) -> None:
    page = viewer(browser, job_of(site, "torso"))
    middle = page.evaluate(
        "autosegViewer.scene.middle(autosegViewer.scene.structures.find(one => one.name === 'lung_right'))"
    )
    page.evaluate("(ras) => autosegViewer.slices.go(ras)", middle)
    page.locator("#slices canvas").press("ArrowRight")
    page.locator("#slices-said").filter(has_text="Right lung").wait_for()
    assert page.get_by_role("button", name="Right lung", exact=True).get_attribute("aria-pressed") == "true"
    before = mark(page)
    assert np.abs(np.subtract(before, middle)).max() < 15
    canvas = page.locator("#slices canvas").bounding_box()
    page.mouse.click(canvas["x"] + canvas["width"] / 2, canvas["y"] + canvas["height"] / 6)
    page.wait_for_timeout(300)
    assert np.abs(np.subtract(mark(page), before)).max() > 5


def test_scan_and_label_map_lie_on_one_another_also_after_dicom(site: Site, browser: Browser) -> None:
    page = viewer(browser, job_of(site, "CT_"))
    assert page.evaluate("autosegViewer.slices.nv.volumes.length") == 2
    value = page.evaluate(
        """() => { const { scene, slices } = autosegViewer; const found = {};
        for (const name of ["lung_left", "lung_right"]) {
          slices.go(scene.middle(scene.structures.find((one) => one.name === name)));
          found[name] = document.getElementById("slices-said").textContent; } return found; }"""
    )
    assert "Left lung" in value["lung_left"] and "value -8" in value["lung_left"]
    assert "Right lung" in value["lung_right"] and "value -8" in value["lung_right"]


def test_a_cut_letters_and_scale_tell_the_truth(site: Site, browser: Browser) -> None:
    page = viewer(browser, job_of(site, "torso"))
    edges = page.evaluate(EDGES)
    assert edges == {"left": "R", "right": "L", "top": "S", "bottom": "I"}, "seen from the front"
    page.locator("#stage").press("l")
    assert page.evaluate(EDGES) == {
        "left": "A",
        "right": "P",
        "top": "S",
        "bottom": "I",
    }
    page.locator("#stage").press("s")
    assert page.evaluate(EDGES) == {
        "left": "L",
        "right": "R",
        "top": "A",
        "bottom": "P",
    }
    page.locator("#stage").press("a")
    # The phantom is 366 mm wide: so long must it be by the scale.
    wide = page.evaluate(
        """() => { const { scene } = autosegViewer; return (scene.box.max.x - scene.box.min.x) * 1000; }"""
    )
    pixel = page.evaluate("autosegViewer.scene.view.millimetresPerPixel")
    page.get_by_role("button", name="Show only Body").click()
    page.evaluate(
        "autosegViewer.scene.opacity(autosegViewer.scene.structures.find(one => one.name === 'body'), 1)"
    )
    seen = pixels(page, "#stage")
    row = seen[seen.shape[0] // 2, 40:-40].sum(axis=1) > 150
    assert abs(row.sum() * pixel - wide) < 8
    whole = pixels(page, "#stage")
    page.get_by_label("Cut away").select_option("L")
    cut = pixels(page, "#stage")
    gone = np.nonzero(np.abs(whole - cut).sum(axis=2) > 60)[1]
    assert gone.min() > whole.shape[1] * 0.45, "cut from the left: the right of the picture goes"


def test_the_picture_that_is_saved_shows_the_scene(site: Site, browser: Browser) -> None:
    page = viewer(browser, job_of(site, "torso"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Picture").click()
    assert download.value.suggested_filename == "torso-view.png"
    picture = png(Path(download.value.path()).read_bytes())
    assert picture.shape[1] > 300 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 500


def test_structures_are_found_by_name_and_code_and_looks_are_changed(site: Site, browser: Browser) -> None:
    page = viewer(browser, job_of(site, "torso"))
    search = page.get_by_label("Search the structures")
    search.fill("39607008")
    assert page.locator(".member:visible").count() == 2
    search.fill("nothing like it")
    page.get_by_text("No structure has that name.").wait_for()
    search.fill("")
    page.get_by_role("button", name="Bones", exact=True).click()
    page.get_by_label("Opacity").fill("30")
    page.get_by_role("textbox", name="Colour").fill("#ff0000")
    bones = "autosegViewer.scene.structures.find(one => one.name === 'bones')"
    assert page.evaluate(f"[{bones}.mesh.material.opacity, {bones}.mesh.material.color.getHexString()]") == [
        0.3,
        "ff0000",
    ]
    page.get_by_role("button", name="Reset looks").click()
    assert page.evaluate(f"{bones}.mesh.material.opacity") == 1


def test_the_plain_gltf_is_shown_where_there_is_no_glb(site: Site, browser: Browser, tmp_path: Path) -> None:
    job = site.put(write_scan(tmp_path / "plain.nii.gz", 7.0), formats="gltf,labels")
    assert site.until_ended(job["id"])["state"] == "done"
    page = viewer(browser, job["id"])
    assert "lung_left" in page.evaluate("autosegViewer.scene.structures.map(one => one.name)")


def test_a_scan_that_was_not_kept_is_told_and_the_structures_are_shown_alone(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    job = site.put(write_scan(tmp_path / "gone.nii.gz", 7.0))
    assert site.until_ended(job["id"])["state"] == "done"
    for _ in range(50):
        if (site.home / "state" / "spent" / job["id"]).exists():
            break
        browser.page(None).wait_for_timeout(100)
    shutil.rmtree(site.home / "state" / "spent" / job["id"])
    page = viewer(browser, job["id"])
    page.get_by_text("The scan was not kept.").wait_for()
    assert page.evaluate("autosegViewer.slices.nv.volumes.length") == 1
    with browser.expecting("404"):
        assert page.request.get(f"{site.url}/api/v1/results/{job['id']}/scan").status == 404


def test_without_its_libraries_the_viewer_says_what_is_missing(site: Site, browser: Browser) -> None:
    modules = site.home / "state" / "assets" / "node_modules"
    modules.rename(modules.with_name("away"))
    try:
        page = viewer(browser, job_of(site, "torso"))
        page.get_by_text("The viewer's libraries are not installed: three, @niivue/niivue").wait_for()
        page.get_by_role("button", name="Files").click()
        page.get_by_role("dialog").get_by_role("link", name="torso.glb").wait_for()
    finally:
        modules.with_name("away").rename(modules)


def test_a_result_that_is_not_there_is_a_page_that_says_so(site: Site, browser: Browser) -> None:
    with browser.expecting("404"):
        page = browser.page("/view/00000000000000000000000000000000")
        page.get_by_role("heading", name="There is no such result").wait_for()


def test_the_libraries_come_from_here_with_the_versions_that_are_pinned() -> None:
    pins = json.loads((MODULE / "Resources" / "Web" / "package.json").read_text(encoding="utf-8"))
    for name, version in pins["dependencies"].items():
        found = json.loads((VIEWER_MODULES / name / "package.json").read_text(encoding="utf-8"))
        assert found["version"] == version


def test_the_libraries_are_minified_keep_their_licences_and_take_little_of_the_network() -> None:
    served = [VIEWER_MODULES / name for name in sorted(ASSETS)]
    for path in served:
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") < len(text) / 300, f"{path} is not minified"
    three, niivue = (VIEWER_MODULES / name for name in (THREE[0], NIIVUE[0]))
    assert "SPDX-License-Identifier: MIT" in three.read_text(encoding="utf-8")
    assert sum(path.with_name(f"{path.name}.br").stat().st_size for path in (three, niivue)) < 750_000
    tools = [path.name for path in VIEWER_MODULES.iterdir()]
    assert "terser" not in tools and ".bin" not in tools


def test_a_name_full_of_markup_is_only_text_in_the_viewer(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    scan = write_scan(tmp_path / "m.nii.gz", 8.0)
    job = site.put(scan, name="%3Cb%20onload%3Dalert(1)%3E%27%22%26.nii.gz")
    assert site.until_ended(job["id"])["state"] == "done"
    page = viewer(browser, job["id"])
    assert page.locator("#main b[onload]").count() == 0
    assert "onload=alert(1)" in page.locator("#facts").inner_text()
