"""The data files that pydicom and nibabel ship for their own tests: each has the answer that it should have.

The tables give patterns and codes; the first that fits a file's name below the folder counts. A release with
more files is no failure as long as each of them gets an answer in words.
"""

from __future__ import annotations

import fnmatch
import importlib.util
from pathlib import Path

import pytest
from support.fuzz import judge
from support.programs import missing

CASE = "case"
PYDICOM = [
    ("charset_files/chrJap*", "input.truncated"),  # headers only, without pixels
    ("charset_files/chrKor*", "input.truncated"),
    ("charset_files/chrSQ*", "input.truncated"),
    ("charset_files/*.dcm", "dicom.unsupported_modality"),  # OT
    ("palettes/*.dcm", "dicom.not_an_image"),
    ("test_files/693_J2KI.dcm", "input.too_thin"),
    ("test_files/CT_small.dcm", "input.too_thin"),
    ("test_files/MR_truncated.dcm", "input.truncated"),
    ("test_files/MR_small*", "input.too_thin"),  # eight encodings of one slice
    ("test_files/emri_*", "input.too_thin"),
    ("test_files/J2K_pixelrep_mismatch.dcm", "input.too_thin"),
    ("test_files/JPEG*2000*", "dicom.unsupported_modality"),  # NM
    ("test_files/SC_*", "input.colour"),
    ("test_files/ExplVR_BigEnd.dcm", "input.colour"),
    ("test_files/GDCMJ2K_TextGBR.dcm", "input.colour"),
    ("test_files/rtplan_truncated.dcm", "input.truncated"),
    ("test_files/rtplan*.dcm", "dicom.not_an_image"),
    ("test_files/rtdose*", "dicom.not_an_image"),
    ("test_files/rtstruct.dcm", "dicom.no_voxels"),
    ("test_files/reportsi*", "dicom.not_an_image"),
    ("test_files/test-SR.dcm", "dicom.not_an_image"),
    ("test_files/waveform_ecg.dcm", "dicom.not_an_image"),
    ("test_files/badVR.dcm", "input.corrupt"),
    ("test_files/dicomdirtests/*/CR?/*", "dicom.unsupported_modality"),
    ("test_files/dicomdirtests/*/CT2N/*", "dicom.scout"),
    ("test_files/dicomdirtests/*/MR1/*", "dicom.scout"),
    ("test_files/dicomdirtests/*/CT*/*", "input.too_thin"),
    ("test_files/dicomdirtests/*/MR700/*", "input.too_thin"),
    ("test_files/dicomdirtests/DICOMDIR*", "dicom.not_an_image"),
    ("test_files/dicomdirtests/TINY_ALPHA/DICOMDIR", "dicom.not_an_image"),
    ("test_files/dicomdirtests/TINY_ALPHA/PT*", "input.truncated"),  # without pixels
    ("*.json", "input.unknown_format"),
    ("*.txt", "input.unknown_format"),
    ("*.md", "input.unknown_format"),
    ("*.dump", "input.unknown_format"),
    ("test_files/zipMR.gz", "input.unknown_format"),
]
NIBABEL = [
    ("anatomical.nii", CASE),
    ("reoriented_anat_moved.nii", CASE),
    ("resampled_anat_moved.nii", "input.too_thin"),
    ("functional.nii", "input.four_dimensional"),
    ("example4d.nii.gz", "input.four_dimensional"),
    ("example_nifti2.nii.gz", "input.four_dimensional"),
    ("row_major.dconn.nii", "input.four_dimensional"),
    ("standard.nii.gz", "input.too_thin"),
    ("analyze.hdr", "input.orientation_unstated"),
    ("nifti?.hdr", "input.missing_data_file"),
    ("?.dcm", "input.too_thin"),
    ("*.PAR", "input.unknown_format"),
    ("*.REC", "input.unknown_format"),
    ("*.mnc", "input.unknown_format"),
    ("*.mgz", "input.unknown_format"),
    ("*.tr?", "input.unknown_format"),
    ("*.tck", "input.unknown_format"),
    ("*.HEAD", "input.unknown_format"),
    ("*.BRIK*", "input.unknown_format"),
]
WHEELS = {"pydicom": ("data", PYDICOM, 180), "nibabel": ("tests/data", NIBABEL, 60)}


def data_files(wheel: str, below: str) -> list[tuple[str, Path]]:
    """(name below the folder, path) of every data file of an installed wheel."""
    found = importlib.util.find_spec(wheel)
    if found is None or found.origin is None:
        missing(f"{wheel} is not installed")
    root = Path(found.origin).parent / below
    paths = [path for path in sorted(root.rglob("*")) if path.is_file()]
    kept = [path for path in paths if path.suffix not in {".py", ".pyc"} and not path.name.startswith(".")]
    return [(path.relative_to(root).as_posix(), path) for path in kept]


def outcome(path: Path) -> str:
    """``case``, or the code of the refusal; raises AssertionError for a message that is no message."""
    answer = judge({path.name: path.read_bytes()}, "scan")
    assert answer is not None and len(answer["cases"]) + len(answer["refusals"]) == 1, answer
    return CASE if answer["cases"] else answer["refusals"][0]["error"]["code"]


@pytest.mark.parametrize("wheel", WHEELS)
def test_every_data_file_has_the_answer_that_it_should_have(wheel: str) -> None:
    below, table, least = WHEELS[wheel]
    files = data_files(wheel, below)
    assert len(files) >= least
    wrong, used = {}, set()
    for name, path in files:
        got = outcome(path)
        fits = next((row for row in table if fnmatch.fnmatchcase(name, row[0])), None)
        if fits is not None:
            used.add(fits)
            if got != fits[1]:
                wrong[name] = (got, fits[1])
    assert wrong == {}
    assert len(used) > 0.8 * len(table), sorted(set(table) - used)


def test_a_complete_disc_of_a_wheel_is_one_answer_for_each_series() -> None:
    found = importlib.util.find_spec("pydicom")
    assert found is not None and found.origin is not None
    disc = Path(found.origin).parent / "data" / "test_files" / "dicomdirtests" / "98892001"
    files = {
        path.relative_to(disc).as_posix().replace("/", "_"): path.read_bytes()
        for path in sorted(disc.rglob("*"))
        if path.is_file()
    }
    answer = judge(files, "scan")
    assert answer is not None
    (case,) = answer["cases"]
    assert (case["modality"], case["shape"]) == ("CT", [16, 16, 5])
    assert [one["error"]["code"] for one in answer["refusals"]] == ["dicom.scout"]
