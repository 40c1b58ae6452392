"""The same picture twice is left out with one warning; another picture at the same place is not."""

from __future__ import annotations

import shutil

import numpy as np
import pydicom
import pytest
from support.dicom import UIDS, brighter, edit, edit_all, warned, write_as
from support.intake import codes, field_slices, look, only_case, save, worst_error

AXIAL = (1, 0, 0, 0, 1, 0)
PLACES = [[-40, -38, 10 + 3.0 * n] for n in range(20)]


def copies(made, which, folder=None):
    found = []
    for path in (made[n] for n in which):
        copy = (folder or path.parent) / (path.name + "_again")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
        found.append(copy)
    return found


def new_uids(paths):
    edit_all(paths, SOPInstanceUID=lambda n: f"1.2.3.99.{n}")


def other_rescale(path):
    """The same values, stored otherwise."""
    data = pydicom.dcmread(path)
    stored = np.frombuffer(data.PixelData, dtype="<u2").astype("i4") - 1024
    edit(path, PixelRepresentation=1, RescaleIntercept=0, PixelData=stored.astype("<i2").tobytes())


def rounded(path):
    x, y, z = pydicom.dcmread(path).ImagePositionPatient
    edit(path, ImagePositionPatient=[x, y, f"{float(z) + 0.004:.4f}"])


ALIKE = {
    "byte by byte": lambda paths: None,
    "new instance UIDs": new_uids,
    "another header": lambda paths: edit_all(paths, InstanceCreationDate="20240101", WindowWidth="400"),
    "another header and UID": lambda paths: edit_all(
        paths, SOPInstanceUID=lambda n: f"1.9.{n}", EchoTime="7", AcquisitionNumber="4", InstanceNumber=700
    ),
    "no UIDs": lambda paths: edit_all(paths, SOPInstanceUID="", StudyInstanceUID=""),
    "another rescale": lambda paths: [other_rescale(path) for path in paths],
    "a rounded place": lambda paths: [rounded(path) for path in paths],
    "RLE": lambda paths: [write_as(path, "RLELossless") for path in paths],
    "RLE and UIDs": lambda paths: [new_uids(paths), *(write_as(path, "RLELossless") for path in paths)],
    "deflated": lambda paths: [write_as(path, "DeflatedExplicitVRLittleEndian") for path in paths],
    "big endian": lambda paths: [write_as(path, "ExplicitVRBigEndian") for path in paths],
    "implicit": lambda paths: [write_as(path, "ImplicitVRLittleEndian") for path in paths],
}


@pytest.mark.parametrize("kind", ALIKE)
@pytest.mark.parametrize("which", [(4, 5, 6), range(20)], ids=["a few", "all"])
def test_twins_are_left_out_with_one_warning(kind, which, tmp_path):
    made = field_slices(tmp_path / "in", PLACES, AXIAL)
    alone = only_case(look(tmp_path / "in", tmp_path / "alone"))
    ALIKE[kind](copies(made, which, tmp_path / "in" / "again"))
    case = only_case(look(tmp_path / "in"))
    expected = ["dicom.duplicates"] + (["dicom.uids_missing"] if kind == "no UIDs" else [])
    assert sorted(warned(case)) == expected
    text = next(one["message"] for one in case["warnings"] if one["code"] == "dicom.duplicates")
    assert f"{len(which)} files" in text and "_again" in text
    assert case["shape"] == [40, 40, 20] and worst_error(case) <= 0.51
    assert len(case["files"]) == 20 + len(which)
    assert (case["stem"], case["affine"]) == (alone["stem"], alone["affine"])


def test_another_picture_at_the_same_place_is_a_time_series(tmp_path):
    made = field_slices(tmp_path / "in", PLACES, AXIAL)
    later = copies(made, range(20))
    new_uids(later)
    for path in later:
        brighter(path, 1)
    assert codes(look(tmp_path / "in")) == ["input.four_dimensional"]


def test_the_same_stored_pixels_with_another_rescale_are_another_picture(tmp_path):
    made = field_slices(tmp_path / "in", PLACES, AXIAL)
    later = copies(made, range(20))
    new_uids(later)
    edit_all(later, RescaleSlope=2)
    assert codes(look(tmp_path / "in")) == ["input.four_dimensional"]


@pytest.mark.parametrize("change", [brighter, lambda path: edit(path, ImagePositionPatient=[-40, -38, 200])])
def test_one_uid_with_two_pictures_is_a_conflict(change, tmp_path):
    made = field_slices(tmp_path / "in", PLACES, AXIAL)
    change(copies(made, [7])[0])
    assert codes(look(tmp_path / "in")) == ["dicom.conflicting_instances"]


def test_equal_pixels_at_another_place_are_slices(tmp_path):
    made = field_slices(tmp_path / "in", PLACES, AXIAL)
    edit(made[5], PixelData=pydicom.dcmread(made[4]).PixelData)
    assert warned(only_case(look(tmp_path / "in"))) == []


def test_two_series_with_the_same_pictures_stay_two_cases(tmp_path):
    made = field_slices(tmp_path / "in", PLACES, AXIAL)
    edit_all(copies(made, range(20)), SeriesInstanceUID="1.2.3.77", SOPInstanceUID=lambda n: f"1.9.{n}")
    answer = look(tmp_path / "in")
    assert [warned(case) for case in answer["cases"]] == [[], []] and answer["refusals"] == []


@pytest.mark.parametrize("other", [False, True])
def test_a_few_copies_under_a_series_uid_of_their_own(other, tmp_path):
    made = field_slices(tmp_path / "in", PLACES, AXIAL)
    again = copies(made, (4, 5, 6))
    edit_all(again, SeriesInstanceUID="1.2.3.77", SOPInstanceUID=lambda n: f"1.9.{n}", SeriesNumber=8)
    if other:
        brighter(again[1])
    answer = look(tmp_path / "in")
    (case,) = answer["cases"]
    assert warned(case) == ([] if other else ["dicom.duplicates"]) and case["stem"].startswith("CT_1_")
    assert codes(answer) == (["input.too_thin"] if other else [])
    assert len(case["files"]) == (20 if other else 23)


def test_copies_that_name_another_patient_are_not_dropped(tmp_path):
    made = field_slices(tmp_path / "in", PLACES, AXIAL)
    again = copies(made, (4, 5, 6))
    edit_all(again, SeriesInstanceUID="1.2.3.77", SOPInstanceUID=lambda n: f"1.9.{n}", PatientID="P2")
    assert codes(look(tmp_path / "in")) == ["input.too_thin"]


def test_twins_of_a_refused_series_are_named_with_it(tmp_path):
    made = field_slices(tmp_path / "in", PLACES[:5], AXIAL)
    copies(made, [0, 1])
    answer = look(tmp_path / "in")
    assert codes(answer) == ["input.too_thin"] and len(answer["refusals"][0]["files"]) == 7


def test_copies_of_a_series_without_uids_are_left_out(tmp_path):
    made = field_slices(tmp_path / "in", PLACES, AXIAL)
    edit_all(made, **dict.fromkeys(UIDS, ""))
    copies(made, [1, 2, 3])
    assert warned(only_case(look(tmp_path / "in"))) == ["dicom.uids_missing", "dicom.duplicates"]


def test_two_reconstructions_under_one_uid_are_two_cases(tmp_path):
    made = field_slices(tmp_path / "in", PLACES, AXIAL, ConvolutionKernel="B30f")
    sharp = copies(made, range(20))
    new_uids(sharp)
    edit_all(sharp, ConvolutionKernel="B70f")
    for path in sharp:
        brighter(path)
    answer = look(tmp_path / "in")
    assert answer["refusals"] == []
    assert [warned(case) for case in answer["cases"]] == [["dicom.several_stacks"]] * 2
    assert answer["cases"][1]["label"].endswith("(another reconstruction)")


@pytest.mark.parametrize("tag", ["EchoTime", "TemporalPositionIdentifier", "TriggerTime"])
def test_equal_pictures_of_another_moment_or_echo_are_no_twins(tag, tmp_path):
    made = field_slices(tmp_path / "in", PLACES, AXIAL, **{tag: "1"})
    later = copies(made, range(20))
    new_uids(later)
    edit_all(later, **{tag: "2"})
    answer = look(tmp_path / "in")
    if tag == "EchoTime":
        assert len(answer["cases"]) == 2 and answer["refusals"] == []
    else:
        assert codes(answer) == ["input.four_dimensional"]


def test_an_enhanced_file_twice_is_one_case(tmp_path):
    made = field_slices(tmp_path / "parts", PLACES, AXIAL)
    frames, pixels = [], b""
    for path in made:
        data, frame = pydicom.dcmread(path), pydicom.Dataset()
        for group, keyword in (("PlanePositionSequence", "ImagePositionPatient"),
                               ("PlaneOrientationSequence", "ImageOrientationPatient"),
                               ("PixelMeasuresSequence", "PixelSpacing")):  # fmt: skip
            item = pydicom.Dataset()
            setattr(item, keyword, data[keyword].value)
            setattr(frame, group, pydicom.Sequence([item]))
        frames.append(frame)
        pixels += data.PixelData
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        del data[keyword]
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    data.NumberOfFrames, data.PixelData = len(frames), pixels
    data.PerFrameFunctionalGroupsSequence = pydicom.Sequence(frames)
    (tmp_path / "in").mkdir()
    save(data, tmp_path / "in" / "E1")
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = "1.2.3.700"
    save(data, tmp_path / "in" / "E2")
    case = only_case(look(tmp_path / "in"))
    assert warned(case) == ["dicom.duplicates"] and case["shape"] == [40, 40, 20]
