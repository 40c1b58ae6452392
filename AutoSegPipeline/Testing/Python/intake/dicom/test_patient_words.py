"""Words of the patient are taken out of descriptions, warnings and refusals, however files are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.intake.dicom.patients import without_words, words_of
from AutoSegPipelineLib.processing.phantom import spheres, write_dicom_series
from support import dicom
from support.identity import WHO, named_in
from support.intake import look


@pytest.mark.parametrize(
    "text, left",
    [
        ("Mustermann", "***"),
        ("THORAX MUSTERMANN 1.0", "THORAX *** 1.0"),
        ("MUSTERMANN_ERIKA_IM0001.dcm", "***_***_IM0001.dcm"),
        ("nr KIS-4711/2", "nr ***/2"),
        ("Mustermanns Erikaceen", "Mustermanns Erikaceen"),
        ("li of 12", "li of 12"),
    ],
)
def test_only_complete_words_are_taken_out(text: str, left: str) -> None:
    assert without_words(text, words_of("Mustermann^Erika^Li", "KIS-4711")) == left


def test_a_patient_without_a_name_takes_nothing_out() -> None:
    assert without_words("THORAX 1.0", words_of("", "", "")) == "THORAX 1.0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as an archive exports it: called as the patient is, and so is each file."""
    inside = tmp_path / "in" / "MUSTERMANN_ERIKA"
    volume = spheres(shape=(20, 20, 12), spacing=(8.0, 8.0, 4.0)).volume
    for path in write_dicom_series(volume, inside, SeriesDescription="THX Mustermann 1.0", **WHO):
        path.rename(inside / f"MUSTERMANN_{path.name}")
    return tmp_path / "in"


def texts(answer: Any) -> bytes:
    return repr(answer).encode()


def test_a_case_says_nothing_of_her(folder: Path) -> None:
    slices = sorted(folder.rglob("*.dcm"))
    (slices[0].parent / "MUSTERMANN_again.dcm").write_bytes(slices[0].read_bytes())
    (slices[0].parent / "Brief an Mustermann.txt").write_text("no scan")
    answer = look(folder)
    (case,) = answer["cases"]
    assert {one["code"] for one in case["warnings"]} == {"dicom.duplicates", "input.passed_by"}
    assert any("***" in one["message"] for one in case["warnings"])
    assert case["label"] == "CT series 1 THX *** 1.0"
    assert named_in(texts({key: value for key, value in case.items() if key != "files"})) == []


def test_a_refusal_says_nothing_of_her(folder: Path) -> None:
    path = sorted(folder.rglob("*.dcm"))[3]
    path.write_bytes(path.read_bytes()[:-100])
    answer = look(folder)
    (refusal,) = answer["refusals"]
    assert refusal["error"]["message"].startswith("***_IM0004.dcm")
    assert named_in(texts(refusal["error"])) == []


def test_text_in_the_pixels_is_a_warning(folder: Path) -> None:
    slices = sorted(folder.rglob("*.dcm"))
    dicom.edit(slices[5], BurnedInAnnotation="YES")
    (case,) = look(folder)["cases"]
    assert [one["code"] for one in case["warnings"]] == ["dicom.text_in_pixels"]
