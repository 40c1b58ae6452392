"""A folder with one mask for each structure is one case; label maps of several people are not."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from AutoSegPipelineLib.core.incoming import given_names
from AutoSegPipelineLib.intake.received.client_input import CaseRequest
from AutoSegPipelineLib.intake.received.grouping import ReceivedFile, group
from AutoSegPipelineLib.processing.read_segmentation import read_segmentation
from support.intake import RAS, ct_array, meta_bytes, nifti_bytes, nrrd_bytes
from support.intake import look as look_at_folder

SHAPE = (14, 13, 12)
MOVED = np.array([[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]])


def blob(number: int, value: int = 1, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    array = np.zeros(shape, "u1")
    if number >= 0:
        array[1 + number : 3 + number, 3:8, 3:9] = value
    return array


def look(folder: Path, **args: object) -> dict[str, Any]:
    return look_at_folder(folder, folder.parent / "work", **{"options": {}, "expect": "segmentation", **args})


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def read(case: dict[str, Any]):
    return read_segmentation(Path(case["path"]), affine=case["affine"], name=case["label"])


MASKS = {
    "p/seg/liver.nii": nifti_bytes(blob(0)),
    "p/seg/rib_10.nii": nifti_bytes(blob(2, 255)),
    "p/seg/rib_2.nii": nifti_bytes(blob(4, 7).astype("f4")),
}
EMPTY = {f"p/seg/{name}.nii": nifti_bytes(blob(-1)) for name in ("aorta", "heart")}


def test_masks_of_a_folder_are_one_segmentation_named_by_its_files(tmp_path):
    answer = look(fill(tmp_path / "input", {**MASKS, **EMPTY}))
    (case,), refusals = answer["cases"], answer["refusals"]
    assert refusals == [] and (case["label"], case["stem"], case["kind"]) == (
        "p/seg",
        "p_seg",
        "segmentation",
    )
    assert sorted(case["files"]) == sorted([*MASKS, *EMPTY])
    found = read(case)
    assert [(s.name, s.value) for s in found.segments] == [("liver", 1), ("rib_2", 2), ("rib_10", 3)]
    for segment, number in zip(found.segments, (0, 4, 2)):
        assert np.array_equal(found.layers[segment.layer] == segment.value, blob(number) > 0)
    assert [w["code"] for w in found.warnings] == ["segmentation.absent"]
    assert found.warnings[0]["message"] == "2 masks have no voxel and were left out: aorta, heart"


@pytest.mark.parametrize(
    ("ending", "write"),
    [
        (".NII", nifti_bytes),
        (".nii.gz", nifti_bytes),
        (".nrrd", nrrd_bytes),
        (".seg.nrrd", nrrd_bytes),
        (".mha", meta_bytes),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_masks_of_any_format_and_in_an_archive(tmp_path, ending, write, packed):
    files = {f"{name}{ending}": write(blob(number)) for number, name in ((0, "Liver"), (4, "Left lung"))}
    if packed:
        (tmp_path / "input").mkdir()
        with zipfile.ZipFile(tmp_path / "input" / "all.zip", "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    else:
        fill(tmp_path / "input", {f"all/{name}": data for name, data in files.items()})
    answer = look(tmp_path / "input")
    (case,) = answer["cases"]
    assert answer["refusals"] == [] and case["stem"] == "all"
    assert case["files"] == (["all.zip"] if packed else sorted(f"all/{name}" for name in files))
    assert [segment.name for segment in read(case).segments] == ["left_lung", "liver"]


def test_masks_that_a_client_sent_are_named_as_it_calls_them(tmp_path):
    files = [ReceivedFile(str(n), name, len(data)) for n, (name, data) in enumerate(MASKS.items())]
    for one, data in zip(files, MASKS.values()):
        (tmp_path / one.file).write_bytes(data)
    (grouped,) = group(tmp_path, files, "segmentation")
    intent = grouped.intent("web", "", CaseRequest(expect="segmentation"))
    sent = {staged: (tmp_path / one.file).read_bytes() for one, staged in grouped.files}
    (case,) = look(fill(tmp_path / "input", sent), names=given_names(intent))["cases"]
    assert sorted(case["files"]) == sorted(sent) and case["label"] == "p/seg"
    assert [segment.name for segment in read(case).segments] == ["liver", "rib_2", "rib_10"]


def test_masks_on_different_grids_are_refused_by_name(tmp_path):
    moved = nifti_bytes(blob(6), sform=RAS + MOVED * 5)
    larger = nifti_bytes(blob(6, shape=(15, 13, 12)))
    files = {**MASKS, "p/seg/moved.nii": moved, "p/seg/larger.nii": larger}
    answer = look(fill(tmp_path / "input", files))
    (refusal,) = answer["refusals"]
    assert answer["cases"] == [] and refusal["error"]["code"] == "export.other_grid"
    message = refusal["error"]["message"]
    assert "moved.nii (12 x 13 x 14 voxels" in message and "larger.nii (12 x 13 x 15 voxels" in message
    assert "than the other 3 masks" in message and "liver" not in message
    assert sorted(refusal["files"]) == sorted(files) and refusal["label"] == "p/seg"


def test_grids_that_differ_by_rounding_are_one(tmp_path):
    nearly = nifti_bytes(blob(6), sform=RAS + MOVED * 0.004)
    answer = look(fill(tmp_path / "input", {**MASKS, "p/seg/z.nii": nearly}))
    assert len(answer["cases"]) == 1 and answer["refusals"] == []


def test_masks_that_overlap_lie_in_layers_and_the_smaller_one_is_on_top(tmp_path):
    big = np.zeros(SHAPE, "u1")
    big[1:12, 1:12, 1:11] = 1
    answer = look(fill(tmp_path / "input", {**MASKS, "p/seg/body.nii": nifti_bytes(big)}))
    found = read(answer["cases"][0])
    by_name = {segment.name: segment for segment in found.segments}
    assert len(found.layers) == 2
    assert ((found.layers[by_name["body"].layer] == by_name["body"].value) == (big > 0)).all()
    assert by_name["body"].priority == 0 < min(s.priority for n, s in by_name.items() if n != "body")


def test_masks_of_several_people_are_a_case_for_each_folder(tmp_path):
    files = {name.replace("p/seg", f"all/{who}"): data for name, data in MASKS.items() for who in ("a", "b")}
    assert [case["label"] for case in look(fill(tmp_path / "input", files))["cases"]] == ["all/a", "all/b"]


def test_label_maps_with_names_stay_results_of_their_own(tmp_path):
    table = json.dumps({"labels": {"background": 0, "liver": 1}}).encode()
    files = {"p/a.nii": nifti_bytes(blob(0)), "p/b.nii": nifti_bytes(blob(2)), "p/dataset.json": table}
    answer = look(fill(tmp_path / "one", files))
    assert [case["label"] for case in answer["cases"]] == ["p/a.nii", "p/b.nii"]
    del files["p/dataset.json"]
    files["p/a.csv"] = b"1,liver\n"
    answer = look(fill(tmp_path / "two", files))
    assert [case["label"] for case in answer["cases"]] == ["p/a.nii", "p/b.nii"]
    given = look(
        fill(tmp_path / "three", {"p/a.nii": files["p/a.nii"], "p/b.nii": files["p/b.nii"]}), labels="/t.csv"
    )
    assert [case["label"] for case in given["cases"]] == ["p/a.nii", "p/b.nii"]


def test_masks_called_as_structures_of_the_given_task_are_one_segmentation(tmp_path):
    files = {"p/liver.nii": nifti_bytes(blob(0)), "p/spleen.nii": nifti_bytes(blob(2))}
    (case,) = look(fill(tmp_path / "one", files), labels="total")["cases"]
    assert case["label"] == "p" and [s.name for s in read(case).segments] == ["liver", "spleen"]
    files = {"p/case_1.nii": nifti_bytes(blob(0)), "p/case_2.nii": nifti_bytes(blob(2))}
    cases = look(fill(tmp_path / "two", files), labels="total")["cases"]
    assert [case["label"] for case in cases] == ["p/case_1.nii", "p/case_2.nii"]


def test_where_most_label_maps_hold_several_labels_none_is_a_mask(tmp_path):
    several = nifti_bytes(blob(0) + 2 * blob(5))
    files = {
        "p/1.nii": several,
        "p/2.nii": several,
        "p/3.nii": nifti_bytes(blob(3)),
        "p/4.nii": nifti_bytes(blob(1)),
    }
    answer = look(fill(tmp_path / "input", files))
    assert [case["label"] for case in answer["cases"]] == sorted(files)
    more = look(fill(tmp_path / "more", {**MASKS, "p/seg/all.nii": several}))
    assert [case["label"] for case in more["cases"]] == ["p/seg/all.nii", "p/seg"]


def test_the_scan_beside_masks_is_passed_by_with_a_note(tmp_path):
    files = {**MASKS, "p/ct.nii": nifti_bytes(ct_array()), "p/seg/ct.nii": nifti_bytes(ct_array())}
    answer = look(fill(tmp_path / "input", files))
    (case,) = answer["cases"]
    assert answer["refusals"] == [] and sorted(case["files"]) == sorted(files)
    (warning,) = case["warnings"]
    assert warning["code"] == "export.passed_by" and "ct.nii" in warning["message"]
    far = look(fill(tmp_path / "far", {**MASKS, "q/ct.nii": nifti_bytes(ct_array())}))
    assert [refusal["label"] for refusal in far["refusals"]] == ["q/ct.nii"]


def test_one_mask_among_empty_ones_is_left_and_all_empty_is_an_error(tmp_path):
    one = look(fill(tmp_path / "one", {**EMPTY, "p/seg/liver.nii": nifti_bytes(blob(1))}))
    assert [s.name for s in read(one["cases"][0]).segments] == ["liver"] and one["refusals"] == []
    none = look(fill(tmp_path / "none", EMPTY))
    assert none["cases"] == [] and {r["error"]["code"] for r in none["refusals"]} == {"export.empty"}


def test_a_second_inspection_finds_the_same(tmp_path):
    folder = fill(tmp_path / "input", {**MASKS, **EMPTY})
    first, second = look(folder), look(folder)
    assert first == second and len(read(second["cases"][0]).segments) == 3
    renamed = look(fill(tmp_path / "r", {k.replace("liver", "spleen"): v for k, v in MASKS.items()}))
    assert renamed["cases"][0]["sha256"] != first["cases"][0]["sha256"]


def test_many_structures_need_no_layer_of_their_own(tmp_path):
    files = {}
    for number in range(300):
        array = np.zeros((20, 10, 10), "u1")
        array[number // 15, number % 15 // 5 * 3 : number % 15 // 5 * 3 + 2, number % 5 * 2] = 1
        files[f"m/part_{number}.nii"] = nifti_bytes(array)
    found = read(look(fill(tmp_path / "input", files))["cases"][0])
    assert len(found.segments) == 300 and len(found.layers) == 1 and found.layers[0].dtype == np.uint16
