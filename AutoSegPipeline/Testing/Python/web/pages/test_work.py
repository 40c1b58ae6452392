"""The page as people use it: a real browser, a real pipeline, scans that are really segmented."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.segmentation import Segmentation
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.processing.engines.structures import structure_segment
from AutoSegPipelineLib.processing.phantom import torso, write_dicom_series, write_nifti
from AutoSegPipelineLib.processing.volume import Volume
from AutoSegPipelineLib.processing.writers.seg_nrrd import write_seg_nrrd
from support.dicom_seg import dicom_seg, segment
from support.headless import autoseg, write_scan
from support.web_page import Browser, Site, choose, row, wait_for_state

pytestmark = pytest.mark.slow

# What a browser would hand over for a dropped folder, which no script can drop.
WALK = """async (url) => {
  const { dropped } = await import(url);
  const file = (name) => ({ isFile: true, isDirectory: false, name, fullPath: `/study/${name}`,
    file: (done) => done(new File(["1"], name)) });
  const batches = [[file("1.dcm"), file("2.dcm")], [file("3.dcm"), file(".DS_Store")], []];
  const reader = () => {
    const left = [...batches];
    return { readEntries: (done) => done(left.shift()) };
  };
  const folder = { isDirectory: true, name: "study", fullPath: "/study", createReader: reader };
  const found = await dropped({ items: [{ kind: "file", webkitGetAsEntry: () => folder }], files: [] });
  return found.map((one) => [one.label, one.folder, one.files.map((item) => item.path)]);
}"""
FOCUSED = "document.activeElement.ariaLabel || document.activeElement.textContent.trim()"


def test_two_files_and_a_folder_of_dicom_are_uploaded_and_finish_before_ones_eyes(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    one, two = write_scan(tmp_path / "one.nii.gz", 7.0), write_scan(tmp_path / "two.nii.gz", 7.5)
    write_dicom_series(torso((46, 38, 23), (8.0,) * 3, seed=5).volume, tmp_path / "study")
    page = browser.page()
    choose(page, [one, two])
    choose(page, tmp_path / "study", "#folder")
    page.locator("#uploads-done .upload.sent").nth(2).wait_for(state="attached")
    names = page.locator("#uploads-done .name").all_text_contents()
    assert sorted(names) == ["one.nii.gz", "study 23 files", "two.nii.gz"]
    page.locator("#jobs-body").get_by_text("CT series 1").last.wait_for()
    dicom = next(label for label in site.jobs() if label.startswith("CT series 1"))
    for label in ("one.nii.gz", "two.nii.gz", dicom):
        wait_for_state(page, label, "done")
    page.locator("#results-list .result").nth(3).wait_for()
    card = page.locator("#results-list .result").filter(has_text="one.nii.gz")
    card.scroll_into_view_if_needed()
    card.get_by_text("touch the border").wait_for()
    assert card.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)") > 500
    assert page.evaluate("autoseg.live.mode") == "events"


def test_downloads_of_the_page_are_the_files_on_the_disk_byte_by_byte(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    page = browser.page()
    card = page.locator("#results-list .result").filter(has_text="first.nii.gz")
    card.get_by_text("9 files").click()
    results = site.home / "results"
    for name in ("first.glb", "first.statistics.csv", "first.report.html", "first.manifest.json"):
        with page.expect_download() as download:
            card.get_by_role("link", name=name).click()
        assert download.value.suggested_filename == name
        assert Path(download.value.path()).read_bytes() == (results / name).read_bytes()
    with page.expect_download() as download:
        card.get_by_role("link", name="as zip").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        inside = {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}
    assert {Path(name).name: digest for name, digest in inside.items()} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in results.glob("first.*")
    }


def test_a_refused_file_says_why_and_what_to_do_and_is_deleted(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    page = browser.page()
    choose(page, {"name": "no.nii.gz", "mimeType": "", "buffer": b"no scan at all"})
    refused = page.locator("#jobs-body tr[data-state=refused]").filter(has_text="no.nii.gz")
    refused.wait_for()
    card = page.locator("#uploads .upload.refused").filter(has_text="no.nii.gz")
    card.get_by_text("Refused:").wait_for()
    assert "It became a job" not in card.inner_text()
    said = refused.inner_text()
    assert "input.unknown_format" in said and "What to do:" in said
    refused.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    refused.wait_for(state="detached")
    assert "no.nii.gz" not in site.jobs()


def test_a_cluster_that_is_held_back_is_said(site: Site, browser: Browser) -> None:
    page = browser.page()
    store = Store(Home.at(site.home).store)
    try:
        error = {"code": "environment.share_unreachable", "message": "/share is away"}
        store.meta.set("cluster", {"pid": None, "error": error})
        page.get_by_text("No cases leave for the cluster. /share is away.").wait_for()
        store.meta.set("cluster", None)
        page.get_by_text("No cases leave for the cluster.").wait_for(state="detached")
    finally:
        store.close()


def test_waiting_jobs_have_numbers_are_reordered_cancelled_and_tried_again(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    assert autoseg("pause", "--home", site.home).returncode == 0
    try:
        page = browser.page()
        page.get_by_text("The pipeline is paused.").wait_for()
        names = [f"wait{number}.nii.gz" for number in range(3)]
        for number, name in enumerate(names):
            choose(page, write_scan(tmp_path / name, 8.0 + number / 4))
            row(page, name).get_by_text("queue").wait_for()
        assert [row(page, name).locator(".state-line").inner_text().split("\n")[-1] for name in names] == [
            "next in the queue", "number 2 in the queue", "number 3 in the queue",
        ]  # fmt: skip
        row(page, names[2]).get_by_role("button", name="Do next").click()
        row(page, names[2]).get_by_text("next in the queue").wait_for()
        assert site.jobs()[names[2]]["priority"] == 100
        row(page, names[1]).get_by_role("button", name="Move up").click()
        row(page, names[1]).get_by_text("number 2 in the queue").wait_for()
        row(page, names[0]).get_by_role("button", name="Cancel").click()
        wait_for_state(page, names[0], "cancelled")
        row(page, names[0]).get_by_role("button", name="Try again").click()
        wait_for_state(page, names[0], "queued")
        for name in names:
            row(page, name).get_by_role("button", name="Cancel").click()
            wait_for_state(page, name, "cancelled")
        row(page, names[0]).get_by_role("button", name="Show the log").click()
        page.get_by_role("dialog").get_by_label("Log").wait_for()
    finally:
        assert autoseg("resume", "--home", site.home).returncode == 0


def test_what_is_dropped_is_taken_files_and_folders_alike(site: Site, browser: Browser) -> None:
    page = browser.page()
    drop = page.evaluate_handle(
        """() => { const transfer = new DataTransfer();
        transfer.items.add(new File(["x"], "dropped.nii.gz")); return transfer; }"""
    )
    page.dispatch_event("#drop", "dragenter", {"dataTransfer": drop})
    assert "over" in page.locator("#drop").get_attribute("class")
    page.dispatch_event("#drop", "drop", {"dataTransfer": drop})
    wait_for_state(page, "dropped.nii.gz", "refused")
    # A folder cannot be dropped by a script; what the browser would hand over is walked here.
    things = page.evaluate(
        WALK,
        f"{site.url}/static/js/uploads/drop.js",
    )
    assert things == [["study", True, ["study/1.dcm", "study/2.dcm", "study/3.dcm"]]]


def test_options_come_from_the_engines_and_go_along_with_the_upload(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    page = browser.page()
    page.get_by_text("Options", exact=False).first.click()
    page.get_by_label("Engine").select_option("tissue")
    page.get_by_label("Quality").select_option("fastest")
    page.get_by_role("searchbox", name="Structures").fill("lung")
    page.get_by_role("checkbox", name="lung left").check()
    page.get_by_role("checkbox", name="STL").check()
    page.get_by_text("fastest quality, 1 structure").wait_for()
    choose(page, write_scan(tmp_path / "chosen.nii.gz", 8.0))
    wait_for_state(page, "chosen.nii.gz", "done")
    job = site.jobs()["chosen.nii.gz"]
    wanted = {"engine": "tissue", "quality": "fastest", "structures": ["lung_left"]}
    assert {name: job["options"][name] for name in wanted} == wanted
    assert "stl" in {output["kind"] for output in job["outputs"]}


def test_another_engine_joins_the_first_one(site: Site, browser: Browser) -> None:
    page = browser.page()
    told = site.get("/api/v1/engines")
    own = {"name": "own", "title": "Own models", "ok": True, "auto": False, "alone": False}
    tasks = [
        {"name": name, "title": name, "classes": [f"{name}_1"], "qualities": ["normal"]}
        for name in ("jaw", "teeth")
    ]
    told["engines"].append({**own, "tasks": tasks})
    page.route("**/api/v1/engines", lambda route: route.fulfill(json=told))
    page.reload()
    page.get_by_text("Options", exact=False).first.click()
    also = page.get_by_label("Also find")
    also.select_option("own:teeth")
    also.select_option("own:jaw")
    page.get_by_role("button", name="Leave out own:jaw").click()
    page.get_by_role("searchbox", name="Structures").fill("teeth")
    page.get_by_role("checkbox", name="teeth 1").check()
    page.get_by_text("own:teeth, normal quality, 1 structure").wait_for()
    assert page.evaluate("window.autoseg.options.values()") == {
        "engine": "auto,own:teeth", "structures": ["teeth_1"], "expect": "auto",
    }  # fmt: skip
    page.get_by_label("Engine").select_option("own")
    page.get_by_label("Task").select_option("jaw")
    assert page.evaluate("window.autoseg.options.values()") == {
        "engine": "own", "task": "jaw", "expect": "auto",
    }  # fmt: skip
    also.select_option("tissue:tissue")
    assert page.evaluate("window.autoseg.options.values()")["engine"] == "own:jaw,tissue:tissue"


def test_finished_segmentations_are_taken_where_the_options_say_so(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    on = torso((61, 51, 30), (6.0, 6.0, 6.0)).volume.grid
    (tmp_path / "organs").mkdir()
    for number, name in enumerate(("liver", "spleen"), 1):
        array = np.zeros(on.array_shape, "u1")
        array[4 : 8 + number, 10:20, 5 + 20 * number : 15 + 20 * number] = 1
        write_nifti(Volume(array, on), tmp_path / "organs" / f"{name}.nii.gz")
        write_nifti(Volume(array, on), tmp_path / f"{name}.nii.gz")
    page = browser.page()
    page.get_by_label("What it is").select_option("segmentation")
    page.get_by_text("Options", exact=False).first.click()
    assert page.get_by_label("Engine").is_disabled() and page.get_by_label("Quality").is_disabled()
    page.get_by_text("finished segmentations", exact=True).wait_for()
    choose(page, tmp_path / "liver.nii.gz")
    choose(page, tmp_path / "organs", "#folder")
    wait_for_state(page, "liver.nii.gz", "done")
    wait_for_state(page, "organs", "done")
    job = site.jobs()["organs"]
    shown = site.get(f"/api/v1/jobs/{job['id']}")
    assert shown["warnings"] == [] and shown["error"] is None
    (gltf,) = (site.home / "results").rglob("organs.gltf")
    assert {node.get("name") for node in json.loads(gltf.read_text())["nodes"]} >= {"liver", "spleen"}


def test_segmentations_are_recognised_by_their_content(site: Site, browser: Browser, tmp_path: Path) -> None:
    on = torso((61, 51, 30), (6.0, 6.0, 6.0)).volume.grid
    array = np.zeros(on.array_shape, "u1")
    array[4:9, 10:20, 5:15] = 1
    write_nifti(Volume(array, on), tmp_path / "organs-by-content.nii.gz")
    page = browser.page()
    assert page.get_by_label("What it is").input_value() == "auto"
    choose(page, [tmp_path / "organs-by-content.nii.gz", write_scan(tmp_path / "scan-beside.nii.gz", 7.5)])
    wait_for_state(page, "organs-by-content.nii.gz", "done")
    jobs = {
        name: site.until_ended(site.jobs()[name]["id"])
        for name in ("organs-by-content.nii.gz", "scan-beside.nii.gz")
    }
    kinds = {}
    for name, job in jobs.items():
        assert job["state"] == "done", job["error"]
        (manifest,) = (site.home / "results").rglob(f"{job['name']}.manifest.json")
        kinds[name] = json.loads(manifest.read_text())["kind"]
    assert kinds == {"organs-by-content.nii.gz": "segmentation", "scan-beside.nii.gz": "scan"}
    assert "export.by_content" in {one["code"] for one in jobs["organs-by-content.nii.gz"]["warnings"]}


def test_a_table_beside_an_uploaded_file_that_names_its_own_labels_is_mentioned(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    on = torso((61, 51, 30), (6.0, 6.0, 6.0)).volume.grid
    array = np.zeros(on.array_shape, "u1")
    array[4:9, 10:20, 5:15] = 1
    segments = (structure_segment("liver", 0, 1),)
    write_seg_nrrd(tmp_path / "named.seg.nrrd", Segmentation(on, [array], segments))
    dicom_seg(tmp_path / "named-too.dcm", on, {1: array}, [segment(1, "Liver")], SeriesDescription="By hand")
    page = browser.page()
    for stem, ending, label in (
        ("named", ".seg.nrrd", "named.seg.nrrd"),
        ("named-too", ".dcm", "SEG series 300 By hand"),
    ):
        if ending == ".seg.nrrd":  # a result of ours: people have to say that they mean it
            page.get_by_label("What it is").select_option("segmentation")
        else:
            page.get_by_label("What it is").select_option("auto")
        (tmp_path / f"{stem}.csv").write_text("value,name\n1,Spleen\n")
        choose(page, [tmp_path / f"{stem}{ending}", tmp_path / f"{stem}.csv"])
        page.locator("#jobs-body").get_by_text(label).first.wait_for(timeout=60_000)
        job = site.until_ended(next(one["id"] for name, one in site.jobs().items() if label in name))
        assert job["state"] == "done", job
        said = [one["message"] for one in job["warnings"] if one["code"] == "export.table_not_used"]
        assert len(said) == 1 and f"{stem}.csv" in said[0], job["warnings"]


def test_without_javascript_the_form_uploads(site: Site, browser: Browser, tmp_path: Path) -> None:
    page = browser.page(java_script_enabled=False)
    page.get_by_label("Files", exact=True).set_input_files(write_scan(tmp_path / "plain.nii.gz", 8.5))
    page.get_by_label("Quality").select_option("fast")
    page.get_by_role("button", name="Upload").click()
    page.wait_for_load_state()
    job = site.jobs()["plain.nii.gz"]
    assert job["options"]["quality"] == "fast"
    assert site.until_ended(job["id"])["state"] == "done"


def test_a_button_opens_the_list_of_files_as_json(site: Site, browser: Browser) -> None:
    page = browser.page()
    page.get_by_role("link", name="Files as JSON").click()
    page.wait_for_url("**/files")
    assert "first.gltf" in site.get("/files")


def test_the_keyboard_alone_reaches_everything_and_the_theme_is_kept(site: Site, browser: Browser) -> None:
    page = browser.page()
    page.locator("#results-list .result").first.wait_for()
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(FOCUSED))
    wanted = {"Skip to the content", "Files as JSON", "Dark colours", "Choose files", "Choose a folder"}
    assert wanted <= reached
    page.get_by_role("button", name="Dark colours").press("Enter")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_whatever_a_scan_is_called_stays_text(site: Site, browser: Browser) -> None:
    evil = "<img src=/nothing onerror=alert(1)>\"'&amp;"

    def poison(route: Any) -> None:
        answer = route.fetch()
        jobs = answer.json()
        for job in jobs["jobs"]:
            job.update(label=evil, name=evil, message=evil, submitted_by=evil, engine=evil, modality=evil)
            job["warnings"] = [{"code": f"area.{evil}", "message": evil}]
            if job["error"]:
                job["error"] = {"code": evil, "message": evil, "hint": evil}
        route.fulfill(response=answer, json=jobs)

    page = browser.page(None)
    page.route("**/api/v1/jobs?*", poison)
    page.goto(site.url + "/")
    page.locator("#jobs-body").get_by_text(evil).first.wait_for()
    page.locator("#results-list").get_by_text(evil).first.wait_for()
    page.locator("#jobs-body [data-tool=log]").first.click()
    page.get_by_role("dialog").get_by_role("heading", name=f"Log of {evil}").wait_for()
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    assert page.locator("[onerror]").count() == 0
