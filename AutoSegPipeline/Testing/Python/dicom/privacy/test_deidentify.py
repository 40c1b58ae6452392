"""What leaves says nothing of the patient, at no depth; the table leads what comes back to him again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Iterator

import pydicom
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.dicom.privacy.deidentify import (
    deidentify,
    deidentify_file,
    reidentify,
    reidentify_file,
)
from AutoSegPipelineLib.dicom.privacy.table import FILE, Pseudonyms
from AutoSegPipelineLib.processing.phantom import spheres, write_dicom_series
from pydicom.dataset import Dataset

WHO = {
    "PatientName": "Mustermann^Erika^^Dr.", "PatientID": "KIS-471108154711", "PatientBirthDate": "19580314",
    "PatientSex": "F", "AccessionNumber": "ACC90210", "ReferringPhysicianName": "Hausarzt^Peter",
    "StudyID": "77", "InstitutionName": "Klinikum Nord", "StationName": "CT-KELLER",
    "OperatorsName": "Kraft^Anna", "DeviceSerialNumber": "SN-555122003190", "PatientAge": "066Y",
    "PatientComments": "Nachbarin von Frau Schulze",
}  # fmt: skip
# Digits long enough that no random UID has them by chance.
SECRETS = ("Mustermann", "Erika", "471108154711", "19580314", "ACC90210", "Hausarzt", "Klinikum", "KELLER",
           "Kraft", "555122003190", "066Y", "Schulze", "Geheim")  # fmt: skip


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Pseudonyms]:
    found = Pseudonyms(tmp_path / FILE)
    yield found
    found.close()


def item(**values: Any) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def written(folder: Path, **tags: Any) -> Path:
    volume = spheres(shape=(8, 8, 8), spacing=(9.0, 9.0, 3.0)).volume
    return write_dicom_series(volume, folder, **{**WHO, **tags})[0]


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """A slice whose patient stands at every place where scanners and archives write him."""
    path = written(tmp_path / "in")
    data = pydicom.dcmread(path)
    data.RequestAttributesSequence = [item(RequestedProcedureDescription="CT Mustermann, Erika")]
    data.ReferencedStudySequence = [item(ReferencedSOPInstanceUID=data.StudyInstanceUID)]
    data.ReferencedImageSequence = [
        item(ReferencedSOPClassUID=data.SOPClassUID, ReferencedSOPInstanceUID=data.SOPInstanceUID)
    ]
    # The profile speaks of none of these sequences, and of what lies in them.
    data.AnatomicRegionSequence = [item(CodeValue="T-D3000", CodeMeaning="Chest")]
    data.ProcedureCodeSequence = [item(CodeMeaning="Thorax", PatientName="Mustermann^Erika")]
    data.RTDoseROISequence = [
        item(RTDoseROISequence=[item(PatientID="KIS-471108154711", OperatorsName="Kraft^A")])
    ]
    block = data.private_block(0x0099, "GEHEIM", create=True)
    block.add_new(1, "LO", "Geheim Mustermann")
    data.add_new(0x60000010, "US", 8)
    data.add_new(0x60003000, "OW", b"Mustermann")
    data.add_new(0x60004000, "LT", "Mustermann")
    data.file_meta.SourceApplicationEntityTitle = "CT-KELLER"
    data.preamble = b"Mustermann".ljust(128, b"\0")
    data.save_as(path)
    return path


def test_nothing_of_the_patient_is_in_the_bytes_that_leave(
    told: Path, table: Pseudonyms, tmp_path: Path
) -> None:
    before = pydicom.dcmread(told)
    changed = deidentify_file(told, tmp_path / "out", table)
    bytes_out = changed.path.read_bytes()
    assert [word for word in SECRETS if word.upper().encode() in bytes_out.upper()] == []
    for uid in (before.StudyInstanceUID, before.SeriesInstanceUID, before.SOPInstanceUID):
        assert uid.encode() not in bytes_out
    for part in changed.path.relative_to(tmp_path).parts:
        assert not any(word in part for word in SECRETS)


def test_it_is_still_the_same_picture_and_says_what_was_done(
    told: Path, table: Pseudonyms, tmp_path: Path
) -> None:
    before = pydicom.dcmread(told)
    after = pydicom.dcmread(deidentify_file(told, tmp_path / "out", table).path)
    assert (after.pixel_array == before.pixel_array).all()
    assert after.ImagePositionPatient == before.ImagePositionPatient
    assert (after.Modality, after.Manufacturer) == ("CT", before.Manufacturer)
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    assert after.ReferencedImageSequence[0].ReferencedSOPInstanceUID == after.SOPInstanceUID
    assert after.AnatomicRegionSequence[0].CodeMeaning == "Chest"
    assert (after.PatientIdentityRemoved, after.DeidentificationMethodCodeSequence[0].CodeValue) == (
        "YES", "113100",
    )  # fmt: skip
    assert after.PatientID == after.PatientName and str(after.PatientID).startswith("ANON-")
    assert after.StudyDate == "" and after.AccessionNumber == ""
    # The library's own dummies are of the year 1, which readers take for a mistake.
    assert (after.SeriesDate, after.ContentDate, after.ContentTime) == ("19000101", "19000101", "000000")


def test_one_patient_has_one_pseudonym_and_two_have_two(table: Pseudonyms, tmp_path: Path) -> None:
    first, again = deidentify_file(written(tmp_path / "a"), tmp_path / "out", table), None
    again = deidentify_file(written(tmp_path / "b", SeriesNumber=2), tmp_path / "out", table)
    other = deidentify_file(written(tmp_path / "c", PatientID="KIS-4712"), tmp_path / "out", table)
    assert first.pseudonym == again.pseudonym != other.pseudonym
    assert first.study == again.study != other.study
    assert first.series != again.series


def test_another_table_gives_other_pseudonyms(table: Pseudonyms, tmp_path: Path) -> None:
    path = written(tmp_path / "a")
    elsewhere = Pseudonyms(tmp_path / "other.sqlite")
    try:
        ours, theirs = (deidentify_file(path, tmp_path / "out", one) for one in (table, elsewhere))
    finally:
        elsewhere.close()
    assert (ours.pseudonym, ours.sop_instance) != (theirs.pseudonym, theirs.sop_instance)


def test_a_table_opened_again_gives_the_same_and_still_leads_back(told: Path, tmp_path: Path) -> None:
    found = []
    for _ in range(2):
        table = Pseudonyms(tmp_path / "t.sqlite")
        changed = deidentify_file(told, tmp_path / "out", table)
        found.append((changed.pseudonym, changed.sop_instance, table.original(changed.sop_instance)))
        table.close()
    assert found[0] == found[1]
    assert found[0][2] == pydicom.dcmread(told).SOPInstanceUID


def test_what_comes_back_is_the_patients_again(told: Path, table: Pseudonyms, tmp_path: Path) -> None:
    """A stranger's new object about our study: a series of its own that refers to our slices."""
    before = pydicom.dcmread(told)
    sent = pydicom.dcmread(deidentify_file(told, tmp_path / "out", table).path)
    sent.ReferencedImageSequence[0].ReferencedSOPInstanceUID = sent.SOPInstanceUID
    sent.SOPInstanceUID = sent.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    sent.SeriesInstanceUID = "1.2.3.4"
    sent.save_as(tmp_path / "back.dcm")
    after = pydicom.dcmread(reidentify_file(tmp_path / "back.dcm", tmp_path / "in2", table, "anna").path)
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID",
                    "AccessionNumber", "StudyDate", "ReferringPhysicianName", "StudyID",
                    "FrameOfReferenceUID"):  # fmt: skip
        assert after[keyword].value == before[keyword].value, keyword
    assert after.ReferencedImageSequence[0].ReferencedSOPInstanceUID == before.SOPInstanceUID
    assert (after.SOPInstanceUID, after.SeriesInstanceUID) == ("1.2.3.4.5", "1.2.3.4")
    assert "PatientIdentityRemoved" not in after and "DeidentificationMethod" not in after
    assert [(one["by"], one["pseudonym"]) for one in table.uses()] == [("anna", str(sent.PatientID))]


def test_a_pseudonym_of_another_table_and_a_study_of_another_patient_are_refused(
    table: Pseudonyms, tmp_path: Path
) -> None:
    one = pydicom.dcmread(deidentify_file(written(tmp_path / "a"), tmp_path / "out", table).path)
    path = written(tmp_path / "b", PatientID="KIS-9", PatientName="Other^Person")
    two = pydicom.dcmread(deidentify_file(path, tmp_path / "out", table).path)
    two.StudyInstanceUID = one.StudyInstanceUID
    for wrong in (two, item(PatientID="ANON-000000000000", StudyInstanceUID=one.StudyInstanceUID)):
        with pytest.raises(PipelineError) as caught:
            reidentify(wrong, table, "anna")
        assert caught.value.code == "dicom.unknown_pseudonym"
    assert table.uses() == []


def test_a_name_that_survives_the_profile_stops_the_object(table: Pseudonyms, tmp_path: Path) -> None:
    path = written(tmp_path / "a", ManufacturerModelName="Mustermann CT")
    with pytest.raises(PipelineError) as caught:
        deidentify_file(path, tmp_path / "out", table)
    assert caught.value.code == "dicom.identity_left"
    assert "ManufacturerModelName" in caught.value.message
    assert "Mustermann" not in caught.value.message
    assert not (tmp_path / "out").exists()


def test_a_patient_called_heart_stops_no_code_meaning(table: Pseudonyms, tmp_path: Path) -> None:
    path = written(tmp_path / "a", PatientName="Heart^Ann")
    data = pydicom.dcmread(path)
    data.AnatomicRegionSequence = [item(CodeValue="T-32000", CodeMeaning="Heart")]
    assert deidentify(data, table).startswith("ANON-")


@pytest.mark.parametrize(
    "tags, says",
    [
        ({"BurnedInAnnotation": "YES"}, "burned into its pixels"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "picture of a screen"),
        ({"Modality": "US"}, "modality US"),
        ({"SamplesPerPixel": 3}, "colour picture"),
    ],
)
def test_pixels_that_may_show_a_name_do_not_leave(
    table: Pseudonyms, tmp_path: Path, tags: dict[str, Any], says: str
) -> None:
    data = pydicom.dcmread(written(tmp_path / "a"))
    for keyword, value in tags.items():
        setattr(data, keyword, value)
    with pytest.raises(PipelineError, match=says) as caught:
        deidentify(data, table)
    assert caught.value.code == "dicom.burned_in"
    if "BurnedInAnnotation" not in tags:
        data.BurnedInAnnotation = "NO"
        assert deidentify(data, table)


def test_reports_and_documents_of_others_do_not_leave_and_our_own_do(
    table: Pseudonyms, tmp_path: Path
) -> None:
    for keyword, value in (
        ("ContentSequence", [item(ValueType="TEXT", TextValue="liver", PersonName="Kraft^Anna")]),
        ("EncapsulatedDocument", b"solid liver"),
    ):
        own, foreign = (pydicom.dcmread(written(tmp_path / "a")) for _ in range(2))
        setattr(own, keyword, value)
        setattr(foreign, keyword, value)
        foreign.Manufacturer = "ACME"
        with pytest.raises(PipelineError) as caught:
            deidentify(foreign, table)
        assert caught.value.code == "dicom.cannot_deidentify"
        deidentify(own, table)
        if keyword == "EncapsulatedDocument":
            assert own.EncapsulatedDocument == b"solid liver"
        else:
            assert own.ContentSequence[0].TextValue == "liver"
            assert "Kraft" not in str(own.ContentSequence[0].PersonName)
            assert own.DeidentificationMethodCodeSequence[1].CodeValue == "113104"


@pytest.mark.skipif(sys.platform == "win32", reason="rights of Windows are those of the user's folder")
def test_nobody_else_may_read_the_table(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.touch(mode=0o644)
    path.chmod(0o644)
    table = Pseudonyms(path)
    table.note_use("anna", "x", "y")
    try:
        modes = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.glob(FILE + "*")}
    finally:
        table.close()
    assert len(modes) > 1
    assert set(modes.values()) == {0o600}
