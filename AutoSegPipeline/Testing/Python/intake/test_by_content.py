"""What an input holds of which nobody said whether it is a scan or a segmentation."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.intake import codes, look, nifti_bytes, nrrd_bytes

SHAPE = (12, 12, 12)
NAMES = "value,name\n1,liver\n2,spleen\n"


def labels(*values: int) -> bytes:
    array = np.zeros(SHAPE, "u1")
    for number, value in enumerate(values):
        array[2 + 3 * number : 4 + 3 * number, 3:8, 3:8] = value
    return nifti_bytes(array)


def zipped(**files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "."), data)
    return made.getvalue()


def found(folder: Path, files: dict[str, bytes], expect: str = "auto") -> dict[str, Any]:
    for name, data in files.items():
        (folder / "input" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "input" / name).write_bytes(data)
    return look(folder / "input", folder / "work", options={}, expect=expect)


def kinds(answer: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {case["label"]: (case["kind"], case.get("table")) for case in answer["cases"]}


@pytest.mark.parametrize(
    "files, expected",
    [
        ({"ct.nii": nifti_bytes()}, {"ct.nii": ("scan", None)}),
        ({"ct.nii": nifti_bytes(), "ct.csv": NAMES.encode()}, {"ct.nii": ("scan", None)}),
        ({"organs.nii": labels(1, 2)}, {"organs.nii": ("segmentation", None)}),
        ({"a.nii": labels(1, 2), "a.csv": NAMES.encode()}, {"a.nii": ("segmentation", "a.csv")}),
        (
            {"set/liver.nii": labels(1), "set/spleen.nii": labels(0, 1), "set/absent.nii": labels()},
            {"set": ("segmentation", None)},
        ),
        (
            {"set.zip": zipped(liver__nii=labels(1), spleen__nii=labels(0, 1))},
            {"set.zip": ("segmentation", None)},
        ),
    ],
    ids=["a scan", "a scan beside a table", "a label map", "with its table", "masks", "masks in an archive"],
)
def test_the_content_says_what_it_is(
    tmp_path: Path, files: dict[str, bytes], expected: dict[str, tuple[str, str | None]]
) -> None:
    answer = found(tmp_path, files)
    assert answer["refusals"] == []
    assert kinds(answer) == expected
    for case in answer["cases"]:
        said = [one["message"] for one in case["warnings"] if one["code"] == "export.by_content"]
        assert len(said) == (case["kind"] == "segmentation")


def test_who_says_scan_gets_a_label_map_refused(tmp_path: Path) -> None:
    assert codes(found(tmp_path, {"a.nii": labels(1, 2)}, "scan")) == ["input.label_map"]


def test_beside_a_scan_a_label_map_stays_refused(tmp_path: Path) -> None:
    answer = found(tmp_path, {"ct.nii": nifti_bytes(), "organs.nii": labels(1, 2)})
    assert kinds(answer) == {"ct.nii": ("scan", None)} and codes(answer) == ["input.label_map"]


def test_what_is_neither_is_refused_as_a_scan(tmp_path: Path) -> None:
    assert codes(found(tmp_path, {"empty.nii": labels()})) == ["input.constant"]
    assert codes(found(tmp_path / "two", {"a.nrrd": nrrd_bytes()[:300]})) != ["input.label_map"]
