"""Values as vendors and tools write them, and values that cannot be read."""

from __future__ import annotations

import struct

import pydicom
import pytest
from AutoSegPipelineLib.intake.dicom import cases
from support.dicom import edit_bytes, replaced, warned
from support.intake import codes, field_slices, look, only_case, worst_error

AXIAL = (1, 0, 0, 0, 1, 0)
PLACES = [[-40, -38, 10.5 + 3.0 * n] for n in range(20)]


@pytest.fixture
def made(tmp_path):
    return field_slices(tmp_path / "in", PLACES, AXIAL, RescaleSlope="1.00", ImageComments="here",
                        PixelSpacing=["2.000", "2.000"])  # fmt: skip


def rewritten(paths, old, new):
    for path in paths:
        edit_bytes(path, replaced(old, new))


def raw(path, keyword, value, vr=None):
    """Write ``value`` (bytes) as it is, with another VR."""
    data = pydicom.dcmread(path)
    tag = pydicom.datadict.tag_for_keyword(keyword)
    kind = vr or pydicom.datadict.dictionary_VR(tag)
    value += b"\0" * (len(value) % 2)
    raw_element = pydicom.dataelem.RawDataElement(
        pydicom.tag.Tag(tag), kind, len(value), value, 0, False, True
    )
    data[tag] = raw_element
    data.save_as(path)


def commas(path):
    data = pydicom.dcmread(path)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope"):
        value = data[keyword].value
        words = [str(v) for v in value] if keyword != "RescaleSlope" else [str(value)]
        raw(path, keyword, "\\".join(words).replace(".", ",").encode())


def test_decimal_commas_are_read_with_one_warning(made, tmp_path):
    for path in made:
        commas(path)
    assert b"10,5" in made[0].read_bytes() and b"2,000\\2,000" in made[0].read_bytes()
    case = only_case(look(tmp_path / "in"))
    assert warned(case) == ["dicom.odd_values"] and case["spacing"] == pytest.approx([2, 2, 3])
    assert "PixelSpacing (0028,0030)" in case["warnings"][0]["message"]
    assert worst_error(case) <= 0.51
    assert not (tmp_path / "in.work" / "mended").exists()


def test_a_rescale_with_a_decimal_comma_is_applied(made, tmp_path):
    for path in made:
        raw(path, "RescaleSlope", b"0,5 ")
        raw(path, "RescaleIntercept", b"-512,0")
    case = only_case(look(tmp_path / "in"))
    assert warned(case) == ["dicom.odd_values"]
    low, high = case["facts"]["intensity_range"]
    for path in made:
        raw(path, "RescaleSlope", b"0.5 ")
        raw(path, "RescaleIntercept", b"-512.0")
    plain = only_case(look(tmp_path / "in"))
    assert plain["facts"]["intensity_range"] == [low, high] and warned(plain) == []


def test_a_file_that_cannot_be_mended_is_refused_alone(made, tmp_path):
    for path in made:
        raw(path, "RescaleSlope", b"1,0 ")
    edit_bytes(
        made[19], lambda data: data + struct.pack("<HH2sHI", 0x9001, 1, b"SQ", 0, 0xFFFFFFFF) + b"odd..."
    )
    answer = look(tmp_path / "in")
    assert codes(answer) == ["input.corrupt"] and answer["refusals"][0]["files"] == [made[19].name]
    assert len(answer["cases"]) == 1


SILENT = {
    "small letters": ("Modality", b"ct", None),
    "NUL padding": ("Modality", b"CT\0\0", None),
    "a space before": ("Modality", b" CT ", None),
    "an image type in one value": ("ImageType", b"ORIGINAL / PRIMARY / AXIAL", None),
    "a backslash at the end of a code": ("ImageType", b"ORIGINAL\\PRIMARY\\", None),
    "a backslash at the end of a spacing": ("PixelSpacing", b"2.000\\2.000\\", None),
    "NUL after a spacing": ("PixelSpacing", b"2.0\\2.0\0\0\0", None),
    "spaces around a spacing": ("PixelSpacing", b" 2.0 \\ 2.0  ", None),
    "an exponent": ("PixelSpacing", b"2.0E+00\\0.2e1", None),
    "a plus": ("PixelSpacing", b"+2.0\\+2.0", None),
    "doubles": ("PixelSpacing", struct.pack("<dd", 2, 2), "FD"),
    "a long decimal": ("PixelSpacing", b"2.0000000000000000000001\\2.0000000000000000000001", None),
    "an integer with a fraction": ("SeriesNumber", b"1.0", None),
    "an instance number with a fraction": ("InstanceNumber", b"12.0", None),
    "an empty instance number": ("InstanceNumber", b"", None),
    "an empty series number": ("SeriesNumber", b"  ", None),
    "an empty tilt": ("GantryDetectorTilt", b"", None),
    "an empty image type": ("ImageType", b"", None),
    "an empty acquisition": ("AcquisitionNumber", b" ", None),
    "an empty number of frames": ("NumberOfFrames", b"", None),
    "an empty slope": ("RescaleIntercept", b"-1024.0 ", None),
    "a text as UN": ("SeriesDescription", b"Thorax", "UN"),
    "a number as UN": ("SeriesNumber", b"1 ", "UN"),
    "a value with a wrong character set": ("SpecificCharacterSet", b"NO_SUCH_SET", None),
    "bytes of no character set": ("SeriesDescription", b"Thor\xe4x\xff\xfe", None),
    "an age that is none": ("PatientAge", b"forty", None),
    "a date that is none": ("PatientBirthDate", b"1.1.1970", None),
    "a UID with leading zeros": ("SeriesInstanceUID", b"1.02.003", None),
    "a UID with spaces": ("SeriesInstanceUID", b"1.2.3.1  ", None),
}


@pytest.mark.parametrize("kind", SILENT)
def test_it_is_read_without_a_warning(kind, made, tmp_path):
    keyword, value, vr = SILENT[kind]
    for path in made:
        raw(path, keyword, value, vr)
    case = only_case(look(tmp_path / "in"))
    assert warned(case) == [] and case["spacing"] == pytest.approx([2, 2, 3])
    assert case["modality"] == "CT" and worst_error(case) <= 0.51


ODD = {
    "capitals": struct.pack("<HH2sH", 0x0009, 0x1001, b"ZZ", 2) + b"\1\2",
    "question marks": struct.pack("<HH2sH", 0x0009, 0x1001, b"??", 2) + b"\1\2",
    "blanks": struct.pack("<HH2sH", 0x0009, 0x1001, b"  ", 2) + b"\1\2",
    "zeros": struct.pack("<HH2sH", 0x0009, 0x1001, b"\0\0", 2) + b"\1\2",
    "an odd length": struct.pack("<HH2sHI", 0x0009, 0x1002, b"UN", 0, 3) + b"odd",
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("converter", [True, False])
def test_private_elements_of_unknown_kinds_are_passed_by(kind, converter, made, tmp_path, monkeypatch):
    if not converter:
        monkeypatch.setattr(cases, "dcm2niix_path", lambda: None)
    for path in made:
        data = path.read_bytes()
        at = data.index(b"\x18\0\x50\0DS")  # before SliceThickness
        owner = struct.pack("<HH2sH", 0x0009, 0x0010, b"LO", 4) + b"WHO?"
        path.write_bytes(data[:at] + owner + ODD[kind] + data[at:])
    case = only_case(look(tmp_path / "in"))
    assert warned(case) == [] and worst_error(case) <= 0.51


def test_a_short_file_with_unknown_kinds_is_a_short_file(made, tmp_path):
    data = made[3].read_bytes()
    at = data.index(b"\x18\0\x50\0DS")
    made[3].write_bytes((data[:at] + ODD["blanks"] + data[at:])[:-100])
    assert codes(look(tmp_path / "in")) == ["input.truncated"]


@pytest.mark.parametrize("keyword", ["InstanceNumber", "SeriesNumber", "GantryDetectorTilt"])
def test_a_number_that_is_not_needed_is_left_out_with_one_warning(keyword, made, tmp_path):
    for path in made:
        raw(path, keyword, b"n/a ")
    case = only_case(look(tmp_path / "in"))
    assert warned(case) == ["dicom.odd_values"] and worst_error(case) <= 0.51
    assert f"{keyword} (" in case["warnings"][0]["message"] and '"n/a"' in case["warnings"][0]["message"]


@pytest.mark.parametrize(
    ("keyword", "value", "tag"),
    [
        ("PixelSpacing", b"7,5,0\\7.5", "0028,0030"),
        ("PixelSpacing", b"wide\\wide", "0028,0030"),
        ("PixelSpacing", b"2.0", "0028,0030"),
        ("ImagePositionPatient", b"1\\2\\1e999", "0020,0032"),
        ("ImagePositionPatient", b"1\\nan\\3", "0020,0032"),
        ("ImageOrientationPatient", b"1\\0\\0\\0\\1_0\\0", "0020,0037"),
        ("RescaleSlope", b"one", "0028,1053"),
        ("NumberOfFrames", b"some", "0028,0008"),
        ("Rows", b"", "0028,0010"),
    ],
)
def test_a_needed_number_that_cannot_be_read_is_named(keyword, value, tag, made, tmp_path):
    raw(made[3], keyword, value)
    answer = look(tmp_path / "in")
    assert codes(answer) == ["input.corrupt"] and answer["refusals"][0]["files"] == [made[3].name]
    text = answer["refusals"][0]["error"]["message"]
    assert keyword in text and tag in text and value.decode() in text and made[3].name in text
    assert "Error" not in text and len(answer["cases"]) == 1
