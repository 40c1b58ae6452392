"""Tiny real networks decide alike by torch and by OpenVINO, and where they do not torch computes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import support.tiny_totalsegmentator as support
from AutoSegPipelineLib.core.protocol import unpack
from support import FOLDER
from support.tiny_totalsegmentator import ask, needs_package, result_of, user_data, write_scan

pytestmark = needs_package
SCENES = ("all", "mirrored", "settings", "cancelled", "batch", "damaged", "wrong", "unable", "pairs")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each scene came to, all in one process, which takes seconds to load torch."""
    folder = tmp_path_factory.mktemp("probe")
    done = support.run_there(str(FOLDER / "back_end_probe.py"), str(folder), *SCENES, data=folder / "data")
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line for line in done.stdout.splitlines() if line.startswith(("{", "["))]
    return dict(zip(SCENES, map(json.loads, lines)))


def test_every_kind_of_network_is_computed_by_openvino_with_torchs_labels(found) -> None:
    for name in ("fullres", "slices", "regions", "channels"):
        first, again = found["all"][name]
        assert first["note"]["back_end"] == "openvino", (name, first)
        assert first["note"]["precision"] == "f32" and first["note"]["version"]
        assert first["note"]["parity"]["equal"] >= 0.9999 and first["note"]["parity"]["classes"] > 1
        assert first["same"] >= 0.9999 and first["classes"] > 1 and not first["told"]
        assert (first["conversions"], again["conversions"]) == (1, 0), "it is converted once"
        assert again["note"] == first["note"] and again["same"] == first["same"]


def test_mirrored_passes_do_not_write_over_one_another(found) -> None:
    for one in found["mirrored"]:
        assert one["same"] >= 0.9999 and one["note"]["back_end"] == "openvino"
    assert [one["conversions"] for one in found["mirrored"]] == [0, 1]


def test_several_folds_stay_with_torch_and_the_manifest_says_why(found) -> None:
    first, _ = found["all"]["ensemble"]
    assert first["note"]["back_end"] == "torch" and first["note"]["reason"] == "it averages 3 folds"
    assert first["same"] == 1.0 and first["conversions"] == 0 and not first["told"]
    asked = found["settings"]["several folds"]["told"][0]
    assert asked["code"] == "engine.back_end" and "3 folds" in asked["message"]


def test_the_setting_decides_and_is_not_passed_over_in_silence(found) -> None:
    settings = found["settings"]
    assert settings["torch"]["note"]["reason"] == "the setting back_end says so"
    assert settings["torch"]["same"] == 1.0 and not settings["torch"]["told"]
    assert settings["openvino"]["note"]["back_end"] == "openvino" and not settings["openvino"]["told"]
    missing = settings["missing"]
    assert missing["note"]["back_end"] == "torch" and missing["same"] == 1.0
    assert "autoseg.py install openvino" in missing["told"][0]["message"]
    single = settings["openvino-f32"]
    assert single["note"]["precision"] == "f32" and "reason" not in single["note"] and not single["told"]
    coarse = settings["openvino-bf16"]
    (warning,) = coarse["told"]
    if settings["bf16"]:
        assert "bf16" in warning["message"] and "decided alike" in warning["message"]
        assert coarse["note"]["parity"]["equal"] >= 0.99
    else:
        assert "does not compute in bf16" in warning["message"]
        assert coarse["note"]["precision"] in ("f32", "bf16x2")


def test_a_cancel_within_a_window_ends_it_and_the_next_case_is_computed(found) -> None:
    seen = found["cancelled"]
    assert seen["cancelled"] == 4 and seen["same"] == [True] * 4
    assert seen["asked"] > 10, "a window is asked while it is computed"


def test_windows_in_batches_are_the_same_and_another_size_is_refused(found) -> None:
    assert found["batch"]["same"] is True and "was converted for" in found["batch"]["refused"]


def test_a_damaged_conversion_is_made_again(found) -> None:
    whole, cut, empty, after = found["damaged"]
    assert [one["conversions"] for one in (whole, cut, empty, after)] == [0, 1, 1, 0]
    assert all(one["same"] >= 0.9999 and one["note"] == whole["note"] for one in (cut, empty, after))


def test_a_back_end_that_computes_otherwise_is_not_used_and_not_tried_again(found) -> None:
    first, again = found["wrong"]
    for one in (first, again):
        assert one["note"]["back_end"] == "torch" and one["same"] == 1.0
        assert "decided otherwise than torch" in one["note"]["reason"]
        assert one["note"]["parity"]["equal"] < 0.9999
    assert (first["conversions"], again["conversions"]) == (1, 0)
    assert first["files"] == ["record.json"], "a network that is not used takes no room"


def test_pairs_of_bf16_decide_as_torch_does_and_are_converted_once(found) -> None:
    for name in ("fullres", "slices", "regions", "channels"):
        first, again = found["pairs"][name]
        assert first["note"]["precision"] == "bf16x2", (name, first)
        assert first["note"]["parity"]["equal"] >= 0.9999 and first["same"] >= 0.9999
        assert "reason" not in first["note"] and not first["told"]
        assert (first["conversions"], again["conversions"]) == (1, 0)
        assert again["note"] == first["note"] and again["same"] == first["same"]
    assert found["pairs"]["f32"]["note"]["precision"] == "f32"


def test_pairs_of_bf16_have_twice_its_bits(found) -> None:
    far = found["pairs"]["layers"]
    assert far["f32"] < 1e-5 and far["bf16x2"] < 5e-5
    if found["pairs"]["bf16"]:
        assert far["bf16"] > 1e-3, "the marks of bf16x2 make the difference"


def test_pairs_of_bf16_that_decide_otherwise_give_way_to_single_precision(found) -> None:
    for one in found["pairs"]["wrong"]:
        assert (one["note"]["back_end"], one["note"]["precision"]) == ("openvino", "f32")
        assert "bf16x2 decided otherwise than torch" in one["note"]["reason"]
        assert one["same"] >= 0.9999 and not one["told"]
    assert [one["conversions"] for one in found["pairs"]["wrong"]] == [2, 0]
    unable = found["pairs"]["unable"]
    assert unable["note"]["precision"] == "f32" and "no such mark" in unable["note"]["reason"]


def test_a_network_that_cannot_be_converted_stays_with_torch(found) -> None:
    only = found["unable"]
    assert only["note"]["back_end"] == "torch" and "no such layer" in only["note"]["reason"]
    assert only["same"] == 1.0


def test_a_worker_tells_what_computed_each_network_in_manifest_and_description(tmp_path: Path) -> None:
    home = support.make_home(tmp_path / "home", 298)
    source, _ = write_scan(tmp_path, highest=40)
    there = support.worker(home, AUTOSEG_BACK_END="openvino", **user_data(tmp_path / "data"))
    try:
        there.send(type="describe", job="d", attempt=0)
        engines = unpack("result", there.until("done", "failed")[-1])["engines"]
        (engine,) = [one for one in engines if one["name"] == "totalsegmentator"]
        result = result_of(ask(there, "one", source, tmp_path, quality="fastest"))
    finally:
        there.close()
    manifest = json.loads((tmp_path / "out" / "case.manifest.json").read_text(encoding="utf-8"))
    (note,) = manifest["engines"][0]["facts"]["networks"]
    assert note["network"] == "Dataset298_TotalSegmentator_total_6mm_1559subj 3d_fullres"
    assert engine["back_end"].startswith("openvino 2")
    assert note["parity"]["equal"] > 0.999 and note["parity"]["classes"] > 1
    # Scores of this made network are large numbers that nearly cancel, so that rounding may decide.
    told = [one["message"] for one in result["warnings"] if one["code"] == "engine.back_end"]
    assert (note["back_end"] == "torch") == bool(told)
    if told:
        assert note["reason"] in told[0]
