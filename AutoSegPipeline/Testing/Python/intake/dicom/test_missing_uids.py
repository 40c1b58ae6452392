"""Anonymised series: UIDs, modality and patient emptied or removed."""

from __future__ import annotations

import shutil

import pydicom
import pytest
from AutoSegPipelineLib.intake.dicom.modalities import modality_of
from AutoSegPipelineLib.intake.examine import examine_one
from support.dicom import UIDS, brighter, edit, edit_all, warned
from support.intake import codes, field_slices, look, only_case, worst_error

AXIAL = (1, 0, 0, 0, 1, 0)
CORONAL = (1, 0, 0, 0, 0, -1)


def places(count=20, step=3.0, start=(-40, -38, 10), axis=2):
    return [[start[r] + (n * step if r == axis else 0) for r in range(3)] for n in range(count)]


def anonymised(folder, where=None, orientation=AXIAL, gone="", uids=UIDS, **tags):
    made = field_slices(folder, where or places(), orientation, **tags)
    edit_all(made, **dict.fromkeys(uids, gone))
    return made


def forget_meta(paths):
    for path in paths:
        data = pydicom.dcmread(path)
        data.file_meta.MediaStorageSOPInstanceUID = ""
        data.save_as(path)


@pytest.mark.parametrize("gone", ["", ..., "ANONYMIZED", "0"])
@pytest.mark.parametrize("uids", [UIDS, UIDS[:1], UIDS[1:2], UIDS[2:3]])
def test_a_series_without_uids_is_one_case_with_one_warning(gone, uids, tmp_path):
    anonymised(tmp_path / "in", gone=gone, uids=uids)
    case = only_case(look(tmp_path / "in"))
    assert warned(case) == ["dicom.uids_missing"]
    assert case["shape"] == [40, 40, 20] and len(case["files"]) == 20 and worst_error(case) <= 0.51


def test_a_missing_frame_of_reference_changes_nothing(tmp_path):
    anonymised(tmp_path / "in", uids=UIDS[3:])
    assert warned(only_case(look(tmp_path / "in"))) == []


def test_instances_without_any_uid_are_known_by_their_content(tmp_path):
    made = anonymised(tmp_path / "in")
    forget_meta(made)
    first = only_case(look(tmp_path / "in"))
    assert warned(first) == ["dicom.uids_missing"] and first["shape"] == [40, 40, 20]
    made[3].rename(tmp_path / "in" / "zzz")
    again = only_case(look(tmp_path / "in"))
    assert (again["sha256"], again["stem"]) == (first["sha256"], first["stem"])


def test_one_meta_uid_for_all_files_is_no_conflict(tmp_path):
    for path in anonymised(tmp_path / "in"):
        data = pydicom.dcmread(path)
        data.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        data.save_as(path)
    assert warned(only_case(look(tmp_path / "in"))) == ["dicom.uids_missing"]


def test_uids_that_conform_to_no_rule_still_tell_series_apart(tmp_path):
    for number in (1, 2):
        edit_all(
            field_slices(tmp_path / "in", places(), AXIAL, SeriesNumber=number),
            SeriesInstanceUID=f"1.002.03.{number}",
            SOPInstanceUID=lambda n, number=number: f"01.2.{number}.00{n}.",
        )
    answer = look(tmp_path / "in")
    assert [warned(case) for case in answer["cases"]] == [[], []]
    assert [case["series_key"] for case in answer["cases"]] == ["1.002.03.1", "1.002.03.2"]


APART = {
    "folder": ({"folder": "a"}, {"folder": "b"}),
    "number": ({"SeriesNumber": 4}, {"SeriesNumber": 5}),
    "description": ({"SeriesDescription": "Lung"}, {"SeriesDescription": "Soft"}),
    "kernel": ({"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": ["B70f", "3"]}),
    "orientation": ({}, {"orientation": CORONAL, "axis": 1}),
    "matrix": ({}, {"size": 32}),
    "spacing": ({}, {"spacing": 1.5}),
    "acquisition": ({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}),
    "patient": ({"PatientID": "P1"}, {"PatientID": "P2"}),
    "study": ({"StudyInstanceUID": "1.2.7"}, {"StudyInstanceUID": "1.2.8"}),
}


@pytest.mark.parametrize("kind", APART)
def test_two_stacks_without_uids_are_two_cases(kind, tmp_path):
    for number, tags in enumerate(APART[kind]):
        tags = dict(tags)
        folder = tmp_path / "in" / tags.pop("folder", "one")
        orientation = tags.pop("orientation", AXIAL)
        where = places(axis=tags.pop("axis", 2))
        study = tags.pop("StudyInstanceUID", "")
        made = field_slices(folder, where, orientation, offset=100 * number, **tags)
        edit_all(made, **dict.fromkeys(UIDS, ""))
        edit_all(made, StudyInstanceUID=study)
    answer = look(tmp_path / "in")
    assert answer["refusals"] == [] and len(answer["cases"]) == 2
    assert len({case["stem"] for case in answer["cases"]}) == 2
    for case in answer["cases"]:
        assert warned(case) == ["dicom.uids_missing"] and len(case["files"]) == 20
        assert worst_error(case) <= 0.51
    again = look(tmp_path / "in")
    assert [case["stem"] for case in again["cases"]] == [case["stem"] for case in answer["cases"]]


def test_a_scanner_that_counts_acquisitions_up_makes_one_series(tmp_path):
    anonymised(tmp_path / "in", AcquisitionNumber=lambda n: n // 2)
    assert only_case(look(tmp_path / "in"))["shape"] == [40, 40, 20]


def test_a_scout_beside_a_stack_is_refused_alone(tmp_path):
    anonymised(tmp_path / "in")
    scout = field_slices(tmp_path / "in", places(1), CORONAL, offset=100, size=64)
    edit(scout[0], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], **dict.fromkeys(UIDS, ""))
    answer = look(tmp_path / "in")
    assert codes(answer) == ["dicom.scout"] and answer["refusals"][0]["files"] == [scout[0].name]
    assert [case["shape"] for case in answer["cases"]] == [[40, 40, 20]]
    assert warned(answer["cases"][0]) == ["dicom.uids_missing"]


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "FrameOfReferenceUID"])
def test_other_uids_that_each_file_has_of_its_own_tell_nothing_apart(keyword, tmp_path):
    edit_all(anonymised(tmp_path / "in"), **{keyword: lambda n: f"1.2.{n}.5"})
    assert warned(only_case(look(tmp_path / "in"))) == ["dicom.uids_missing"]


def test_a_turned_slice_of_a_series_without_uids_is_left_out_as_of_any_series(tmp_path):
    made = anonymised(tmp_path / "in")
    edit(made[-1], ImageOrientationPatient=list(CORONAL))
    answer = look(tmp_path / "in")
    assert codes(answer) == ["dicom.odd_slices"] and answer["refusals"][0]["files"] == [made[-1].name]
    assert [case["shape"] for case in answer["cases"]] == [[40, 40, 19]]
    assert sorted(warned(answer["cases"][0])) == ["dicom.odd_slices", "dicom.uids_missing"]


def test_slices_that_alone_lost_their_uids_stay_with_their_series(tmp_path):
    made = field_slices(tmp_path / "in", places(), AXIAL)
    edit_all(made[4:9], **dict.fromkeys(UIDS[:2], ""))
    case = only_case(look(tmp_path / "in"))
    assert warned(case) == ["dicom.uids_missing"] and case["shape"] == [40, 40, 20]
    assert case["stem"].startswith("CT_1_")


def test_two_phases_without_uids_are_not_put_together(tmp_path):
    made = anonymised(tmp_path / "in")
    for path in made:
        copy = path.with_name(path.name + "b")
        shutil.copy(path, copy)
        brighter(copy)
    assert codes(look(tmp_path / "in")) == ["input.four_dimensional"]


def test_slices_that_come_one_by_one_are_gathered_by_folder_and_kind(tmp_path):
    one = anonymised(tmp_path / "in")
    other = anonymised(tmp_path / "in", offset=100, SeriesDescription="Lung")
    elsewhere = anonymised(tmp_path / "there")

    def names(paths):
        rows = [examine_one(str(path)) for path in paths]
        assert all(row.state == "complete" and not row.dicom.series_stated for row in rows)
        return {row.dicom.series_uid for row in rows}

    found = names(one), names(other), names(elsewhere)
    assert all(len(uids) == 1 for uids in found) and len(set.union(*found)) == 3


# --- modality --------------------------------------------------------------------------------


@pytest.mark.parametrize("says", ["", ..., "UNKNOWN"])
@pytest.mark.parametrize(("tail", "modality"), [("2", "CT"), ("4", "MR")])
def test_a_missing_modality_is_that_of_the_sop_class(says, tail, modality, tmp_path):
    made = field_slices(tmp_path / "in", places(), AXIAL, SOPClassUID=f"1.2.840.10008.5.1.4.1.1.{tail}")
    edit_all(made, Modality=says)
    case = only_case(look(tmp_path / "in"))
    assert case["modality"] == modality and warned(case) == ["dicom.modality_assumed"]
    assert case["stem"].startswith(f"{modality}_1_") and worst_error(case) <= 0.51


def test_a_modality_that_nothing_states_is_refused(tmp_path):
    made = field_slices(tmp_path / "in", places(), AXIAL, SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    edit_all(made, Modality="")
    answer = look(tmp_path / "in")
    assert codes(answer) == ["dicom.unsupported_modality"] and len(answer["refusals"][0]["files"]) == 20
    assert "no modality" in answer["refusals"][0]["error"]["message"]


@pytest.mark.parametrize(
    ("stated", "tail", "expected"),
    [
        ("ct", "", ("CT", False)),
        (" MRI", "2", ("MR", False)),
        ("PT", "2", ("PT", False)),
        ("", "128", ("PT", True)),
        ("", "6.1", ("US", True)),
        ("", "", ("", False)),
        ("???", "99", ("???", False)),
    ],
)
def test_words_for_modalities(stated, tail, expected):
    assert modality_of(stated, "1.2.840.10008.5.1.4.1.1." + tail if tail else "") == expected


# --- patients --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tags",
    [
        {"PatientID": ""}, {"PatientID": ..., "PatientName": ...}, {"PatientID": "", "PatientName": ""},
        {"IssuerOfPatientID": lambda n: "Ward" if n % 2 else ""},
        {"PatientID": lambda n: "P1" if n % 2 else ""},
        {"PatientName": lambda n: "Doe^Jane" if n % 2 else ""},
    ],
)  # fmt: skip
def test_an_emptied_patient_contradicts_nobody(tags, tmp_path):
    edit_all(field_slices(tmp_path / "in", places(), AXIAL), **tags)
    assert warned(only_case(look(tmp_path / "in"))) == []


@pytest.mark.parametrize(
    "tags",
    [
        {"PatientID": lambda n: f"P{n % 2}"}, {"PatientID": lambda n: ("", "P1", "P2")[n % 3]},
        {"PatientID": "", "PatientName": lambda n: ("A", "B")[n % 2]},
        {"IssuerOfPatientID": lambda n: ("Ward", "House")[n % 2]},
        {"PatientID": lambda n: ("", "P1")[n % 2], "PatientName": lambda n: ("A", "B")[n % 2]},
    ],
)  # fmt: skip
def test_two_patients_in_one_series_are_refused(tags, tmp_path):
    edit_all(field_slices(tmp_path / "in", places(), AXIAL), **tags)
    assert codes(look(tmp_path / "in")) == ["dicom.two_patients"]


def test_a_series_of_its_own_for_each_slice_tells_nothing(tmp_path):
    edit_all(field_slices(tmp_path / "in", places(), AXIAL), SeriesInstanceUID=lambda n: f"1.2.9.{n}")
    case = only_case(look(tmp_path / "in"))
    assert warned(case) == ["dicom.uids_missing"]
    assert "each of 20 files states a series of its own" in case["warnings"][0]["message"]
    assert case["shape"] == [40, 40, 20] and worst_error(case) <= 0.51


def test_a_single_slice_is_told_to_bring_its_folder_and_a_folder_is_not(tmp_path):
    (tmp_path / "in").mkdir()
    made = field_slices(tmp_path / "in" / "one", [(-40, -38, 500)], AXIAL)
    (refusal,) = look(tmp_path / "in")["refusals"]
    assert refusal["error"]["code"] == "input.too_thin" and "Give the folder" in refusal["error"]["hint"]
    edit_all(
        field_slices(tmp_path / "in" / "all", places(), AXIAL, SeriesNumber=4),
        SeriesInstanceUID="1.2.7",
        SOPInstanceUID=lambda n: f"1.2.7.{n}",
    )
    edit_all(made, SeriesInstanceUID="1.2.8", SeriesNumber=9)
    (refusal,) = look(tmp_path / "in")["refusals"]
    assert refusal["error"]["code"] == "input.too_thin" and "folder" not in refusal["error"]["hint"]
