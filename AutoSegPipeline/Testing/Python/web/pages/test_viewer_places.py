"""3D view and slices speak of the same places, with overlaps and without a scan."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import pytest
from AutoSegPipelineLib.processing.phantom import torso, write_nifti
from AutoSegPipelineLib.processing.volume import Volume
from support.headless import write_scan
from support.web_page import Browser, Site, viewer
from support.web_viewer import click_at, crosshair, mark, pixels, until_still

pytestmark = pytest.mark.slow


def masks(folder: Path) -> Path:
    """A zip with a mask for each structure of the torso; the body holds all, a nodule lies in a lung."""
    phantom = torso((61, 50, 30), (6.0,) * 3, seed=5)
    (folder / "organs").mkdir(parents=True)
    arrays = {one.name: phantom.truth.layers[one.layer] == one.value for one in phantom.truth.segments}
    lung = arrays["lung_left"]
    middle = np.argwhere(lung).mean(axis=0)
    arrays["lung_nodule"] = lung & (np.linalg.norm(np.indices(lung.shape).T - middle, axis=-1).T < 2.6)
    arrays["lung_lower_lobe_left"] = lung & (np.arange(len(lung))[:, None, None] < middle[0])
    for name, array in arrays.items():
        write_nifti(Volume(array.astype("u1"), phantom.truth.grid), folder / "organs" / f"{name}.nii.gz")
    return Path(shutil.make_archive(str(folder / "organs"), "zip", folder, "organs"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("places")
    with Site(root / "home") as served:
        served.job = served.put(write_scan(root / "torso.nii.gz", 6.0))["id"]  # type: ignore[attr-defined]
        served.overlapping = served.put(masks(root), expect="segmentation")["id"]  # type: ignore[attr-defined]
        for job in (served.job, served.overlapping):  # type: ignore[attr-defined]
            assert served.until_ended(job)["state"] == "done"
        yield served


def agreement(page: Any, wanted: int = 36) -> tuple[int, int, list[str]]:
    """How many picks from three sides the slices' readout names, of how many; what it said instead."""
    agreed, picked, others = 0, 0, []
    for side in "ALP":
        page.locator("#look-from").select_option(side)
        until_still(page)
        found = 0
        for y in np.linspace(0.16, 0.84, 13):
            for x in np.linspace(0.1, 0.86, 13):
                if found >= wanted or not click_at(page, x, y):
                    continue
                found += 1
                chosen = page.locator("#selected h3").inner_text()
                said = page.locator("#slices-said").inner_text()
                if chosen in said.split(" · ")[-1].split(", also "):
                    agreed += 1
                else:
                    others.append(f"{chosen}: {said}")
        picked += found
    return agreed, picked, others


def test_what_is_picked_in_3d_is_what_the_slices_name_there(site: Site, browser: Browser) -> None:
    for job in (site.job, site.overlapping):  # type: ignore[attr-defined]
        page = viewer(browser, job)
        agreed, picked, others = agreement(page)
        print(f"{agreed} of {picked} picks agree")
        assert picked >= 100 and agreed == picked, others


def test_where_structures_overlap_all_are_named(site: Site, browser: Browser) -> None:
    page = viewer(browser, site.overlapping)  # type: ignore[attr-defined]
    page.get_by_role("button", name="Lung nodule", exact=True).click()
    said = page.locator("#slices-said").inner_text().split(" · ")[-1].split(", also ")
    assert {"Lung nodule", "Left lung", "Body"} <= set(said) and len(said) <= 4


def test_choosing_in_the_tree_moves_the_slices_and_the_mark_into_the_structure(
    site: Site, browser: Browser
) -> None:
    page = viewer(browser, site.job)  # type: ignore[attr-defined]
    for title in ("Left lung", "Right lung", "Bones"):
        page.get_by_role("button", name=title, exact=True).click()
        assert title in page.locator("#slices-said").inner_text()
        assert np.allclose(crosshair(page), mark(page), atol=0.1)
        assert page.evaluate("autosegViewer.scene.mark.visible")


def test_hiding_isolating_and_fading_act_in_the_slices_with_and_without_a_scan(
    site: Site, browser: Browser
) -> None:
    for job in (site.job, site.overlapping):  # type: ignore[attr-defined]
        page = viewer(browser, job)
        page.get_by_role("button", name="Left lung", exact=True).click()
        shown = pixels(page, "#slices")
        page.get_by_label("Opacity", exact=True).fill("30")
        fainter = pixels(page, "#slices")
        page.get_by_role("checkbox", name="Show Left lung", exact=True).uncheck()
        hidden = pixels(page, "#slices")
        changed = [np.abs(a - b).sum(axis=2) > 8 for a, b in ((shown, fainter), (fainter, hidden))]
        assert all(one.sum() > 1000 for one in changed), job
        page.get_by_role("button", name="Show only Right lung", exact=True).click()
        alone = pixels(page, "#slices")
        assert (np.abs(hidden - alone).sum(axis=2) > 8).sum() > 1000
        page.get_by_role("button", name="Hide all").click()
        nothing = pixels(page, "#slices")
        if job == site.overlapping:  # type: ignore[attr-defined]
            coloured = nothing.max(axis=2) - nothing.min(axis=2) > 40
            assert coloured.mean() < 0.02, "the crosshair at most"
