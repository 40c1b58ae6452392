"""DICOM objects that are no scans: each by its true name, with what to do."""

from __future__ import annotations

import pydicom
import pytest
from AutoSegPipelineLib.intake.dicom.objects import not_an_image
from AutoSegPipelineLib.intake.examine import examine_one
from support.intake import codes, field_slices, look, save

STORAGE = "1.2.840.10008.5.1.4.1.1."
AXIAL = (1, 0, 0, 0, 1, 0)
OBJECTS = {
    "481.3": ("RTSTRUCT", "dicom.no_voxels", "an RT structure set (contours, not voxels)"),
    "481.5": ("RTPLAN", "dicom.not_an_image", "an RT plan or treatment record"),
    "66.5": ("SEG", "dicom.no_voxels", "a surface segmentation (meshes, not voxels)"),
    "66.1": ("REG", "dicom.not_an_image", "a registration or fiducials"),
    "66": ("OT", "dicom.not_an_image", "raw data"),
    "67": ("OT", "dicom.not_an_image", "a real world value mapping"),
    "88.33": ("SR", "dicom.not_an_image", "a structured report"),
    "88.59": ("KO", "dicom.not_an_image", "a key object selection"),
    "104.1": ("DOC", "dicom.not_an_image", "an encapsulated document"),
    "11.1": ("PR", "dicom.not_an_image", "a presentation state"),
    "9.1.1": ("ECG", "dicom.not_an_image", "a waveform"),
}


def made(path, sop_class, modality):
    """An object of that class beside nothing: a slice without its pixels."""
    (slice_,) = field_slices(path.parent / "slices", [(0, 0, 0)], AXIAL)
    data = pydicom.dcmread(slice_)
    for key in ("PixelData", "Rows", "Columns", "ImagePositionPatient", "ImageOrientationPatient"):
        delattr(data, key)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = STORAGE + sop_class
    data.Modality, data.SeriesInstanceUID, data.SOPInstanceUID = modality, "1.2.9", "1.2.9.1"
    save(data, path)
    slice_.unlink()
    return path


@pytest.mark.parametrize("sop_class", OBJECTS)
def test_an_object_is_called_by_its_name(sop_class, tmp_path):
    modality, code, what = OBJECTS[sop_class]
    (tmp_path / "in").mkdir()
    path = made(tmp_path / "in" / "object.dcm", sop_class, modality)
    answer = look(tmp_path / "in")
    assert codes(answer) == [code] and answer["cases"] == []
    error = answer["refusals"][0]["error"]
    assert what in error["message"] and "no voxels to segment" not in error["hint"]
    # The inbox refuses it before any inspection, in the same words.
    header = examine_one(str(path)).dicom
    refused = not_an_image("object.dcm", header.sop_class, header.modality)
    assert not header.image and refused.code == code and refused.message == f"object.dcm is {what}."


@pytest.mark.parametrize("expect", ["scan", "segmentation"])
def test_a_structure_set_says_how_to_convert_it(expect, tmp_path):
    (tmp_path / "in").mkdir()
    made(tmp_path / "in" / "rs.dcm", "481.3", "RTSTRUCT")
    (refusal,) = look(tmp_path / "in", expect=expect)["refusals"]
    hint = refusal["error"]["hint"]
    assert "SlicerRT" in hint and "Segmentations" in hint and "NRRD" in hint and "NIfTI" in hint


def test_a_dose_has_voxels_and_is_no_scan(tmp_path):
    paths = field_slices(tmp_path / "in", [(0, 0, 3 * n) for n in range(20)], AXIAL)
    for path in paths:
        data = pydicom.dcmread(path)
        data.SOPClassUID, data.Modality = STORAGE + "481.2", "RTDOSE"
        data.save_as(path)
    answer = look(tmp_path / "in")
    assert codes(answer) == ["dicom.not_an_image"]
    assert "an RT dose distribution" in answer["refusals"][0]["error"]["message"]


def test_what_nobody_knows_is_named_by_its_modality():
    assert not_an_image("x", "1.2.3", "XY").message == "x is no scan (XY)."
    assert not_an_image("x", "", "").message == "x is no scan (it states no modality)."
    assert not_an_image("x", "", "RTSTRUCT").code == "dicom.no_voxels"
