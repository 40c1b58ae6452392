"""The real package with synthetic weights, offline, in a real worker."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import support.tiny_totalsegmentator as support
from AutoSegPipelineLib.core.protocol import unpack
from AutoSegPipelineLib.processing.read_seg_nrrd import read_seg_nrrd
from AutoSegPipelineLib.processing.volume import read_volume
from support.tiny_totalsegmentator import ask, command_line, logs, needs_package, result_of, write_scan

pytestmark = needs_package


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The package's home with every synthetic model."""
    return support.make_home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def warm(home):
    """One worker for all tests that leave it alive."""
    there = support.worker(home)
    yield there
    there.send(type="quit")
    assert there.process.wait(30) == 0
    there.close()


def labels_of(folder: Path) -> np.ndarray:
    """The first layer that a case wrote, with the package's own label values."""
    return read_seg_nrrd(folder / "out" / "case.seg.nrrd").layers[0]


def by_name(folder: Path) -> dict[str, np.ndarray]:
    segmentation = read_seg_nrrd(folder / "out" / "case.seg.nrrd")
    return {s.name: segmentation.layers[s.layer] == s.value for s in segmentation.segments}


@pytest.mark.parametrize(
    ("modality", "task", "quality", "turned"),
    [
        ("CT", "total", "fast", "flipped"),
        ("CT", "total", "fastest", "permuted"),
        ("MR", "total_mr", "fast", "oblique"),
    ],
)
def test_labels_are_those_of_the_command_line(warm, home, tmp_path, modality, task, quality, turned):
    source, truth = write_scan(tmp_path, modality=modality, turned=turned, shape=(57, 52, 46))
    command_line(home, source, tmp_path / "theirs.nii.gz", "--task", task, "--" + quality)
    result = result_of(ask(warm, f"same-{task}-{quality}", source, tmp_path, modality, quality=quality))
    assert result["engine"] == "totalsegmentator"
    theirs = read_volume(tmp_path / "theirs.nii.gz").array
    ours = labels_of(tmp_path)
    assert np.array_equal(ours, theirs)
    # And both are about what the scan shows, so that equal does not mean equally empty.
    inside = truth > 0
    assert np.mean(ours[inside] == truth[inside]) > (0.5 if quality == "fast" else 0.2)


def test_a_cut_out_subset_is_that_of_the_command_line(warm, home, tmp_path):
    source, _ = write_scan(tmp_path, blocks=30, highest=24, shape=(57, 52, 46), turned="permuted")
    command_line(home, source, tmp_path / "theirs.nii.gz", "--fast", "--roi_subset", "spleen", "kidney_left")
    wanted = {"quality": "fast", "structures": ["spleen", "kidney_left"]}
    result_of(ask(warm, "same-subset", source, tmp_path, **wanted))
    theirs = read_volume(tmp_path / "theirs.nii.gz").array
    assert np.array_equal(labels_of(tmp_path), theirs) and len(np.unique(theirs)) == 3


def test_components_of_a_body_are_left_out_as_by_the_command_line(warm, home, tmp_path):
    source, truth = write_scan(tmp_path, blocks=40, highest=2, shape=(80, 70, 60))
    command_line(home, source, tmp_path / "theirs.nii.gz", "--task", "body", "--fast")
    result_of(ask(warm, "same-body", source, tmp_path, task="body", quality="fast"))
    theirs = read_volume(tmp_path / "theirs.nii.gz").array
    assert np.array_equal(labels_of(tmp_path), theirs)
    assert np.count_nonzero(theirs) < 0.8 * np.count_nonzero(truth), "nothing was left out"


def test_cases_that_follow_one_another_find_the_network_loaded(warm, tmp_path):
    seconds, loads = [], []
    for number in range(10):
        folder = tmp_path / str(number)
        source, truth = write_scan(folder, seed=number, shape=(50 + number, 48, 44))
        begin = time.monotonic()
        seen = ask(warm, f"ten-{number}", source, folder, quality="fast", formats=["labels"])
        seconds.append(time.monotonic() - begin)
        result_of(seen)
        loads.append(logs(seen).count("loaded Dataset"))
        labels = read_volume(folder / "out" / "case.labels.nii.gz").array
        assert np.mean(labels[truth > 0] == truth[truth > 0]) > 0.5, number
    assert sum(loads[1:]) == 0, loads
    assert psutil.Process(warm.process.pid).children(recursive=True) == []


def test_progress_rises_and_tells_tiles_and_the_stage_of_it(warm, tmp_path):
    source, _ = write_scan(tmp_path, shape=(120, 54, 44))
    seen = ask(warm, "progress", source, tmp_path, quality="fast", formats=["labels"])
    result_of(seen)
    said = [(m["fraction"], m["message"]) for m in seen if m["type"] == "progress"]
    assert [f for f, _ in said] == sorted(f for f, _ in said)
    tiles = {text for _, text in said if re.search(r"tile \d of \d", text)}
    assert tiles, said  # a fast machine is through with several between two messages


def test_a_subset_finds_these_structures_and_no_others(warm, tmp_path):
    source, _ = write_scan(tmp_path, blocks=30, highest=24)
    names = ["Left kidney", "spleen"]
    seen = ask(warm, "subset", source, tmp_path, quality="normal", structures=names)
    result_of(seen)
    assert set(by_name(tmp_path)) <= {"kidney_left", "spleen"}
    assert by_name(tmp_path)
    # Only the model of the organs was needed, and the rough one to cut the scan.
    assert not re.search("Dataset29[2345]", logs(seen))


def test_full_quality_joins_five_models_into_one_label_map(warm, tmp_path):
    source, truth = write_scan(tmp_path, shape=(44, 40, 36), mm=2.0, blocks=12)
    seen = ask(warm, "five", source, tmp_path, quality="normal")
    result_of(seen)
    ours = labels_of(tmp_path)
    assert np.mean(ours[truth > 0] == truth[truth > 0]) > 0.6
    there = {1 + sum(label > last for last in (24, 50, 68, 91)) for label in np.unique(truth[truth > 0])}
    assert len(there) > 2  # the blocks are spread over several of the five


def test_two_tasks_become_layers_of_one_segmentation(warm, tmp_path):
    source, truth = write_scan(tmp_path, highest=2, blocks=30, shape=(80, 70, 60))
    seen = ask(warm, "two", source, tmp_path, task="total,body", quality="fast")
    result_of(seen)
    segmentation = read_seg_nrrd(tmp_path / "out" / "case.seg.nrrd")
    found = {segment.name: segment for segment in segmentation.segments}
    assert {"spleen", "kidney_right"} <= set(found)
    assert len(segmentation.layers) == 2 and "body_trunc" in found
    assert found["body_trunc"].layer != found["spleen"].layer
    spleen = by_name(tmp_path)["spleen"]
    assert np.mean(spleen[truth == 1]) > 0.5


def test_names_codes_and_colours_reach_the_files(warm, tmp_path):
    source, _ = write_scan(tmp_path, highest=3, blocks=30)
    result_of(ask(warm, "names", source, tmp_path, quality="fast"))
    segments = {s.name: s for s in read_seg_nrrd(tmp_path / "out" / "case.seg.nrrd").segments}
    kidney = segments["kidney_left"]
    assert kidney.title == "Left kidney" and kidney.group == "organs"
    assert (kidney.code.scheme, kidney.code.value, kidney.modifier.meaning) == ("SCT", "64033007", "Left")
    gltf = json.loads((tmp_path / "out" / "case.gltf").read_text(encoding="utf-8"))
    nodes = {node["name"].casefold(): node for node in gltf["nodes"]}
    assert "organs_group" in nodes and "64033007" in json.dumps(nodes["kidney_left"])


def test_a_ct_task_on_mr_is_done_by_its_twin_and_the_manifest_says_so(warm, tmp_path):
    source, _ = write_scan(tmp_path, modality="MR")
    seen = ask(warm, "twin", source, tmp_path, "MR", task="total", quality="fast")
    warnings = result_of(seen)["warnings"]
    assert any(w["code"] == "engine.task_switched" for w in warnings)
    source, _ = write_scan(tmp_path / "body", modality="MR")
    error = ask(warm, "no-twin", source, tmp_path / "body", "MR", task="vertebrae_body")[-1]["error"]
    assert error["code"] == "engine.wrong_modality"


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"structures": ["kidny_left"], "quality": "fast"}, "engine.structure_unknown", "kidney_left"),
        ({"task": "totl"}, "engine.task_unknown", "total"),
        ({"task": "vertebrae_body", "quality": "fast"}, "engine.quality_unknown", "normal"),
        ({"device": "gpu", "quality": "fast"}, "engine.no_gpu", "no GPU"),
        ({"device": "tpu", "quality": "fast"}, "options.invalid", "gpu:N"),
        ({"task": "vertebrae_body"}, "engine.weights_missing", "Dataset305"),
        ({"task": "face"}, "engine.licence_needed", "licence"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once_with_its_code(warm, tmp_path, options, code, words):
    source, _ = write_scan(tmp_path)
    begin = time.monotonic()
    failed = ask(warm, f"refused-{code}-{words}", source, tmp_path, **options)[-1]
    assert failed["type"] == "failed" and failed["error"]["code"] == code, failed
    assert words in failed["error"]["message"] + failed["error"]["hint"]
    assert time.monotonic() - begin < 10


def test_a_cancel_in_the_middle_of_a_tile_ends_soon_and_keeps_the_network_loaded(warm, tmp_path):
    source, _ = write_scan(tmp_path, shape=(200, 180, 150), blocks=40)
    small, _ = write_scan(tmp_path / "small", seed=1)
    result_of(ask(warm, "before", small, tmp_path / "before", quality="fast", formats=["labels"]))
    wanted = {"engine": "totalsegmentator", "device": "cpu", "quality": "fast", "formats": ["seg"]}
    message = support.case_message(source, tmp_path, options=wanted)
    warm.send(type="case", job="long", attempt=1, case=message)
    while not re.search(r"tile [2-9]", warm.until("progress", "done", "failed")[-1].get("message", "")):
        pass
    begin = time.monotonic()
    warm.send(type="cancel", job="long", attempt=1)
    failed = warm.until("done", "failed", seconds=30)[-1]
    assert failed["type"] == "failed" and failed["error"]["code"] == "job.cancelled"
    assert time.monotonic() - begin < 5
    own = psutil.Process(warm.process.pid)
    assert own.children(recursive=True) == []
    seen = ask(warm, "after", small, tmp_path / "after", quality="fast", formats=["labels"])
    result_of(seen)
    assert "loaded Dataset" not in logs(seen)


def test_a_worker_that_is_killed_leaves_no_process(home, tmp_path):
    source, _ = write_scan(tmp_path, shape=(200, 180, 150), blocks=40)
    there = support.worker(home)
    wanted = {"engine": "totalsegmentator", "device": "cpu", "quality": "fast", "formats": ["seg"]}
    there.send(type="case", job="k", attempt=1, case=support.case_message(source, tmp_path, options=wanted))
    while "tile" not in there.until("progress", "done", "failed")[-1].get("message", ""):
        pass
    children = psutil.Process(there.process.pid).children(recursive=True)
    there.process.kill()
    there.process.wait(20)
    there.close()
    assert psutil.wait_procs(children, timeout=5)[1] == []
    assert not (tmp_path / "out" / "case.manifest.json").exists()


def test_it_describes_the_tasks_of_the_package_that_is_installed(warm):
    warm.send(type="describe", job="d", attempt=0)
    engines = unpack("result", warm.until("done", "failed")[-1])["engines"]
    (engine,) = [e for e in engines if e["name"] == "totalsegmentator"]
    assert engine["ok"] and engines[0] is engine and "CPU" in engine["note"]
    tasks = {task["name"]: task for task in engine["tasks"]}
    assert engine["tasks"][0]["name"] == "total" and engine["tasks"][0]["default"]
    assert len(tasks["total"]["classes"]) > 100 and tasks["total"]["qualities"] == [
        "normal",
        "fast",
        "fastest",
    ]
    assert tasks["total_mr"]["modality"] == "MR"
    assert tasks["heartchambers_highres"]["licence"]


def test_nothing_of_the_users_configuration_is_written_and_no_statistics_are_counted(home):
    config = json.loads((home / "config.json").read_text(encoding="utf-8"))
    assert config["send_usage_stats"] is False
    # The command line of the other tests counts; the worker never does, and it ran more cases.
    assert config["prediction_counter"] <= 5
