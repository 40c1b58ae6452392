"""Label maps of an input find their tables among the files that came with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.intake import look as look_at_folder
from support.intake import nifti_bytes

SHAPE = (12, 12, 12)


def label_map(*values: int) -> bytes:
    array = np.zeros(SHAPE, "u1")
    for number, value in enumerate(values or (1, 2)):
        array[2 + 3 * number : 4 + 3 * number, 3:8, 3:8] = value
    return nifti_bytes(array)


def look(folder: Path, **args: object) -> dict[str, Any]:
    return look_at_folder(folder, folder.parent / "work", **{"options": {}, "expect": "segmentation", **args})


def fill(folder: Path, files: dict[str, bytes | str]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return folder


def tables_of(answer: dict[str, Any]) -> dict[str, str | None]:
    assert answer["refusals"] == []
    return {case["label"]: case.get("table") for case in answer["cases"]}


NAMES = json.dumps({"labels": {"background": 0, "liver": 1, "spleen": 2}})
OTHER = json.dumps({"Modality": "CT", "SliceThickness": 1.5})


def test_one_dataset_json_names_every_label_map_below_it(tmp_path):
    files = {"set/dataset.json": NAMES, "set/labelsTr/a.nii": label_map(), "set/b.nii": label_map()}
    answer = look(fill(tmp_path / "input", files))
    assert tables_of(answer) == {"set/labelsTr/a.nii": "dataset.json", "set/b.nii": "dataset.json"}
    for case in answer["cases"]:
        assert Path(case["path"]).with_name(case["table"]).read_text() == NAMES
        assert "set/dataset.json" in case["files"]


@pytest.mark.parametrize("name", ["dataset.json", "a.json", "labels.txt"])
def test_a_file_about_something_else_is_passed_by(tmp_path, name):
    files = {"a.nii": label_map(), name: OTHER}
    assert tables_of(look(fill(tmp_path / "input", files))) == {"a.nii": None}


def test_a_damaged_table_that_is_called_as_the_label_map_refuses_only_that(tmp_path):
    files = {"a.nii": label_map(), "a.csv": "value,name\n1,x\n1,y\n", "b.nii": label_map(), "b.csv": "1,x\n"}
    answer = look(fill(tmp_path / "input", files))
    assert [case["label"] for case in answer["cases"]] == ["b.nii"]
    (refusal,) = answer["refusals"]
    assert refusal["error"]["code"] == "export.bad_table" and refusal["error"]["message"].startswith(
        "a.csv, line 3"
    )
    assert refusal["files"] == ["a.nii", "a.csv"]


def test_a_table_with_an_ending_of_its_own_is_neither_scan_nor_refusal(tmp_path):
    files = {"a.nii": label_map(), "a.csv": "1,x\n", "a.label": "2,y\n", "a.lut": "3 z 1 2 3 4\n"}
    assert tables_of(look(fill(tmp_path / "input", files))) == {"a.nii": "a.csv"}


def test_the_given_table_keeps_what_lies_beside_out(tmp_path):
    files = {"a.nii": label_map(), "a.csv": "value,name\n1,x\n1,y\n"}
    answer = look(fill(tmp_path / "input", files), labels="/t.csv")
    assert tables_of(answer) == {"a.nii": None}


def parcels() -> np.ndarray:
    """2744 labels in single voxels, no two neighbours equal: by its voxels alone it could be a scan."""
    return np.arange(1, 14**3 + 1, dtype="u2").reshape(14, 14, 14)


def test_thousands_of_labels_with_names_are_no_intensities(tmp_path):
    table = "".join(f"{n},parcel {n}\n" for n in range(1, 14**3 + 1))
    files = {"a.nii": nifti_bytes(parcels()), "a.csv": table}
    assert tables_of(look(fill(tmp_path / "input", files))) == {"a.nii": "a.csv"}
    bare = look(fill(tmp_path / "bare", {"a.nii": nifti_bytes(parcels())}))
    assert bare["refusals"][0]["error"]["code"] == "input.not_labels"


def test_thousands_of_labels_in_flat_regions_need_no_names(tmp_path):
    flat = np.kron(np.arange(1, 1001, dtype="u2").reshape(10, 10, 10), np.ones((3, 3, 3), "u2"))
    files = {"a.nii": nifti_bytes(flat)}
    assert tables_of(look(fill(tmp_path / "input", files))) == {"a.nii": None}
