"""DICOM segmentations among the files given: cases of their own, exported and never segmented."""

from __future__ import annotations

import hashlib
import shutil
import sys

import numpy as np
import pydicom
import pytest
from support.dicom_seg import dicom_seg, segment
from support.intake import codes, field_slices, look, only_case
from support.processing import grid
from support.programs import package

package("highdicom")

ON = grid((12, 10, 8), spacing=(2.0, 2.0, 3.0))
AXIAL = (1, 0, 0, 0, 1, 0)


def seg(path, **tags):
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(ON.array_shape, np.uint8)
    mask[2:6, 3:7, 2:9] = 1
    return dicom_seg(path, ON, {1: mask}, [segment(1, "Liver")], **tags)


def slices(folder):
    return field_slices(folder, [(-40, -38, 10 + 3 * n) for n in range(20)], AXIAL)


@pytest.mark.parametrize("expect", ["scan", "segmentation"])
def test_a_segmentation_is_a_case_to_export_whatever_was_expected(expect, tmp_path):
    seg(tmp_path / "in" / "liver.dcm", SeriesDescription="Liver by hand")
    case = only_case(look(tmp_path / "in", expect=expect))
    assert case["kind"] == "segmentation" and case["modality"] == ""
    assert case["label"] == "SEG series 300 Liver by hand" and case["stem"].startswith("SEG_300_")
    assert case["shape"] == [12, 10, 4] and case["spacing"] == pytest.approx([2, 2, 3])
    assert np.allclose(np.array(case["affine"])[:3, 3], np.array(ON.affine)[:3] @ [0, 0, 2, 1])
    assert case["files"] == ["liver.dcm"] and case["facts"]["segmentation_type"] == "BINARY"
    assert not case["warnings"]


def test_beside_its_ct_the_segmentation_is_another_case(tmp_path):
    slices(tmp_path / "in" / "ct")
    seg(tmp_path / "in" / "ct" / "seg.dcm")
    answer = look(tmp_path / "in")
    assert [(case["kind"], len(case["files"])) for case in answer["cases"]] == [
        ("segmentation", 1),
        ("scan", 20),
    ]
    assert answer["refusals"] == []


def test_where_a_segmentation_is_expected_its_ct_is_passed_by(tmp_path):
    slices(tmp_path / "in" / "ct")
    seg(tmp_path / "in" / "seg.dcm")
    case = only_case(look(tmp_path / "in", expect="segmentation"))
    assert case["kind"] == "segmentation" and len(case["facts"]["ignored"]) == 20


def test_several_objects_of_one_series_keep_apart_and_a_copy_counts_once(tmp_path):
    seg(tmp_path / "in" / "a.dcm")
    seg(tmp_path / "in" / "b.dcm", SOPInstanceUID="1.2.7.2", InstanceNumber=2)
    shutil.copy(tmp_path / "in" / "a.dcm", tmp_path / "in" / "copy.dcm")
    cases = look(tmp_path / "in")["cases"]
    assert [case["files"] for case in cases] == [["a.dcm"], ["b.dcm"]]
    assert len({case["label"] for case in cases}) == len({case["stem"] for case in cases}) == 2
    (tmp_path / "in" / "a.dcm").unlink()  # a retry of one case has its own files only
    again = look(tmp_path / "in", only=[cases[1]["label"]])
    assert [case["files"] for case in again["cases"]] == [["b.dcm"]]


def test_two_objects_that_call_themselves_alike_get_labels_of_their_own(tmp_path):
    seg(tmp_path / "in" / "a.dcm")
    seg(tmp_path / "in" / "b.dcm", SOPInstanceUID="1.2.7.2")
    assert len({case["label"] for case in look(tmp_path / "in")["cases"]}) == 2


def test_a_result_of_this_pipeline_is_not_taken_again(tmp_path):
    path = seg(tmp_path / "in" / "a.dcm")
    own = [hashlib.sha256(path.read_bytes()).hexdigest()]
    assert codes(look(tmp_path / "in", own_outputs=own)) == ["input.own_output"]


def test_what_is_too_large_or_in_no_place_is_refused(tmp_path):
    seg(tmp_path / "large" / "a.dcm")
    assert codes(look(tmp_path / "large", limits={"max_voxels": 100})) == ["input.too_large"]
    seg(tmp_path / "nowhere" / "a.dcm", SharedFunctionalGroupsSequence=[])
    assert codes(look(tmp_path / "nowhere")) == ["input.orientation_unstated"]


def test_without_highdicom_the_ct_goes_on_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom.io", None)
    slices(tmp_path / "in" / "ct")
    seg(tmp_path / "in" / "seg.dcm")
    answer = look(tmp_path / "in")
    assert codes(answer) == ["dicom.no_segmentation_reader"] and len(answer["cases"]) == 1


def test_a_compression_that_cannot_be_decoded_is_refused(tmp_path):
    path = seg(tmp_path / "in" / "a.dcm")
    data = pydicom.dcmread(path)
    data.PixelData = pydicom.encaps.encapsulate([b"no picture at all " * 4] * int(data.NumberOfFrames))
    data["PixelData"].is_undefined_length = True
    data.BitsAllocated = data.BitsStored = 8
    data.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLSLossless
    data.save_as(path)
    (refusal,) = look(tmp_path / "in")["refusals"]
    assert (
        refusal["error"]["code"] == "dicom.compressed"
        and "1.2.840.10008.1.2.4.80" in refusal["error"]["message"]
    )


def test_a_number_of_bits_that_is_none_is_refused(tmp_path):
    path = seg(tmp_path / "in" / "a.dcm")
    raw = bytearray(path.read_bytes())
    at = raw.index(b"\x28\x00\x00\x01US\x02\x00")  # BitsAllocated
    raw[at + 4 : at + 6] = b"CS"
    raw[at + 8 : at + 10] = b"? "
    path.write_bytes(raw)
    assert codes(look(tmp_path / "in")) == ["input.corrupt"]
