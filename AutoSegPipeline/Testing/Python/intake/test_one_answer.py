"""One thing dropped, one answer: shared reasons become one refusal, files that are no scan one note."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.intake import RAS, codes, field_slices, look, look_at, meta_bytes, nifti_bytes

AXIAL = (1, 0, 0, 0, 1, 0)
VIEWER = {
    "AUTORUN.INF": b"[autorun]\nopen=viewer.exe\n",
    "VIEWER/viewer.exe": b"MZ" + bytes(3000),
    "VIEWER/lib.dll": b"MZ" + b"\1" * 3000,
    "VIEWER/app.ini": b"[view]\n",
    "VIEWER/logo.png": b"\x89PNG\r\n\x1a\n" + b"\3" * 500,
    "VIEWER/start": b"#!/bin/sh\n",
    "README.TXT": b"Open the viewer.\n",
    "dwi.bval": b"0 1000\n",
    "sidecar.json": b"{}",
    "EMPTY.LOG": b"",
}


def packed(*members: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return made.getvalue()


def slices(folder: Path, count: int = 10) -> list[Path]:
    return field_slices(folder, [(-30, -30, 3 * number) for number in range(count)], AXIAL)


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def only_note(answer: dict[str, Any]) -> str:
    """The text of the one note about what was passed by."""
    notes = [
        w["message"] for case in answer["cases"] for w in case["warnings"] if w["code"] == "input.passed_by"
    ]
    assert len(notes) == 1
    return str(notes[0])


def test_a_discs_viewer_is_passed_by_and_listed_in_one_note(tmp_path: Path) -> None:
    slices(tmp_path / "in" / "DICOM" / "SE0")
    answer = look(fill(tmp_path / "in", VIEWER))
    assert answer["refusals"] == [] and len(answer["cases"]) == 1
    said = only_note(answer)
    assert said.startswith("10 files are no scan and were passed by: ") and "AUTORUN.INF" in said
    assert "VIEWER/viewer.exe" in answer["cases"][0]["facts"]["ignored"]


def test_two_series_and_a_letter_have_one_note(tmp_path: Path) -> None:
    for number in (1, 2):
        field_slices(tmp_path / "in" / f"SE{number}", [(-30, -30, 3 * n) for n in range(10)], AXIAL,
                     SeriesNumber=number, SeriesInstanceUID=f"1.2.3.{number}")  # fmt: skip
    answer = look(fill(tmp_path / "in", {"letter.docx": packed(("word/document.xml", b"<x/>"))}))
    assert len(answer["cases"]) == 2 and answer["refusals"] == []
    assert only_note(answer) == "1 file is no scan and was passed by: letter.docx."


@pytest.mark.parametrize("name", ["Report.docx", "viewer.jar", "raw.zip"])
def test_an_archive_in_an_archive_is_passed_by_beside_a_scan(name: str, tmp_path: Path) -> None:
    paths = slices(tmp_path / "made")
    inner = packed(("[Content_Types].xml", b"<Types/>"))
    members = [(f"study/{path.name}", path.read_bytes()) for path in paths]
    answer = look_at(tmp_path, "study.zip", packed(*members, (f"study/{name}", inner)))
    assert answer["refusals"] == [] and name in only_note(answer)


def test_an_archive_in_an_archive_alone_is_refused(tmp_path: Path) -> None:
    inner = packed(("a.nii", nifti_bytes()))
    assert codes(look_at(tmp_path, "outer.zip", packed(("inner.zip", inner)))) == ["archive.nested"]


def test_an_archive_beside_a_scan_still_gives_its_scans(tmp_path: Path) -> None:
    files = {
        "a.nii": nifti_bytes(),
        "b.zip": packed(("c.nii", nifti_bytes())),
        "none.zip": packed(("x", b"x")),
    }
    answer = look(fill(tmp_path / "in", files))
    assert sorted(case["label"] for case in answer["cases"]) == ["a.nii", "b.zip/c.nii"]
    assert answer["refusals"] == [] and "none.zip/x" in only_note(answer)


def test_an_archive_that_holds_nothing_beside_a_scan_is_passed_by(tmp_path: Path) -> None:
    answer = look(fill(tmp_path / "in", {"a.nii": nifti_bytes(), "empty.zip": packed()}))
    assert answer["refusals"] == [] and "empty.zip" in only_note(answer)


def test_a_folder_in_which_nothing_is_a_scan_is_one_refusal_that_names_some(tmp_path: Path) -> None:
    answer = look(fill(tmp_path / "in", VIEWER), label="disc")
    assert codes(answer) == ["input.nothing_inside"] and not answer["cases"]
    (refusal,) = answer["refusals"]
    assert refusal["error"]["message"].startswith("None of 10 files in disc is a scan: ")
    assert refusal["label"] == "disc" and sorted(refusal["files"]) == sorted(VIEWER)


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [("a.png", b"\x89PNG", "input.unknown_format"), ("notes.txt", b"", "input.empty")],
)
def test_one_file_alone_is_refused_as_what_it_is(name: str, data: bytes, code: str, tmp_path: Path) -> None:
    answer = look_at(tmp_path, name, data)
    assert codes(answer) == [code] and name in answer["refusals"][0]["error"]["message"]


def test_slices_that_share_a_reason_are_one_refusal_with_count_and_names(tmp_path: Path) -> None:
    paths = slices(tmp_path / "in" / "series", 12)
    for path in paths:
        path.write_bytes(path.read_bytes()[:1500])
    answer = look(tmp_path / "in")
    assert codes(answer) == ["input.truncated"] and answer["cases"] == []
    (refusal,) = answer["refusals"]
    message = refusal["error"]["message"]
    assert message.startswith("12 files share one reason. S1_0000") and "and 8 more" in message
    assert refusal["label"] == "series: 12 files" and len(refusal["files"]) == 12


def test_slices_of_an_archive_that_share_a_reason_are_one_refusal(tmp_path: Path) -> None:
    paths = slices(tmp_path / "made")
    members = [(f"st/{path.name}", path.read_bytes()[:1500]) for path in paths]
    answer = look_at(tmp_path, "study.zip", packed(*members))
    (refusal,) = answer["refusals"]
    assert refusal["files"] == ["study.zip"] and refusal["label"] == "study.zip: 10 files"
    assert "S1_0000" in refusal["error"]["message"]


def test_reasons_that_differ_stay_apart_and_what_is_good_goes_on(tmp_path: Path) -> None:
    files = {
        "good.nii": nifti_bytes(),
        "cut.nii": nifti_bytes()[:-100],
        "short.nii": nifti_bytes()[:-200],
        "flat.nii": nifti_bytes(np.zeros((12, 11, 10), "<i2")),
        "gone.mhd": meta_bytes(ElementDataFile="gone.raw"),
        "empty.nii": b"",
        "lost.raw": bytes(500),
    }
    answer = look(fill(tmp_path / "in", files), label="ward")
    assert [case["label"] for case in answer["cases"]] == ["good.nii"]
    assert codes(answer) == sorted(
        [
            "input.truncated",
            "input.constant",
            "input.missing_data_file",
            "input.empty",
            "input.unknown_format",
        ]
    )
    labels = {row["error"]["code"]: row["label"] for row in answer["refusals"]}
    assert labels["input.truncated"] == "ward: 2 files" and labels["input.constant"] == "flat.nii"


@pytest.mark.parametrize("data", [b"", b"\0" * 3000])
def test_a_broken_slice_is_known_by_the_names_beside_it(data: bytes, tmp_path: Path) -> None:
    paths = slices(tmp_path / "in" / "SE0")
    broken = paths[0].with_name("S1_0099")
    broken.write_bytes(data)
    answer = look(tmp_path / "in")
    assert len(answer["cases"]) == 1 and [row["label"] for row in answer["refusals"]] == ["SE0/S1_0099"]


def test_one_file_that_ends_early_sinks_only_itself(tmp_path: Path) -> None:
    paths = slices(tmp_path / "in")
    other = field_slices(tmp_path / "other", [(-30, -30, 0)], AXIAL, SeriesNumber=2,
                         SeriesInstanceUID="1.2.3.9")[0]  # fmt: skip
    (tmp_path / "in" / "Z_aborted.dcm").write_bytes(other.read_bytes()[:1200])
    answer = look(tmp_path / "in")
    assert len(answer["cases"]) == 1 and len(paths) == len(answer["cases"][0]["files"])
    assert codes(answer) == ["input.truncated"]
    assert "Z_aborted.dcm" in answer["refusals"][0]["error"]["message"]


def test_options_beside_a_scan_are_no_file_that_is_passed_by(tmp_path: Path) -> None:
    files = {"a.nii": nifti_bytes(sform=RAS), "a.options.json": b"{}", "options.json": b"{}"}
    answer = look(fill(tmp_path / "in", files))
    assert answer["cases"][0]["warnings"] == []
