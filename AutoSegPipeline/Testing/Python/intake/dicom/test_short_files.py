"""A DICOM file that ends early is refused alone, whatever it ends in; the rest is processed."""

from __future__ import annotations

import errno

import pydicom
import pytest
from AutoSegPipelineLib.intake.dicom import read
from AutoSegPipelineLib.intake.examine import examine_one
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from support.dicom import edit, warned, write_as
from support.intake import codes, field_slices, look

AXIAL = (1, 0, 0, 0, 1, 0)
PLACES = [[-40, -38, 10 + 3.0 * n] for n in range(20)]


def with_sequence(path, undefined=True):
    items = []
    for n in range(6):
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", f"1.2.77.{n}"
        item.is_undefined_length_sequence_item = undefined
        items.append(item)
    data = pydicom.dcmread(path)
    data.ReferencedImageSequence = Sequence(items)
    data["ReferencedImageSequence"].is_undefined_length = undefined
    data.save_as(path)


def lone(tmp_path):
    (path,) = field_slices(tmp_path / "one", PLACES[:1], AXIAL, SeriesNumber=9)
    return path


@pytest.mark.parametrize(
    "form",
    [
        "ExplicitVRLittleEndian",
        "ImplicitVRLittleEndian",
        "ExplicitVRBigEndian",
        "RLELossless",
        "DeflatedExplicitVRLittleEndian",
    ],
)
@pytest.mark.parametrize("undefined", [True, False])
def test_every_cut_is_an_early_end(form, undefined, tmp_path):
    path = lone(tmp_path)
    with_sequence(path, undefined)
    write_as(path, form)
    complete = path.read_bytes()
    assert examine_one(str(path)).state == "complete"
    header = len(complete) if form.startswith("Deflated") else len(complete) - min(len(complete) // 2, 3300)
    cuts = [
        *range(140, header, 3 if form == "ExplicitVRLittleEndian" else 17),
        len(complete) - 9,
        len(complete) - 2,
    ]
    for cut in cuts:
        path.write_bytes(complete[:cut])
        row = examine_one(str(path))
        assert (row.state, (row.error or {}).get("code")) == ("incomplete", "input.truncated"), (
            cut,
            row,
        )
        assert path.name in row.error["message"]


@pytest.mark.parametrize("at", [b"1.2.77.4", b"\x08\0\x40\x11SQ", b"\x28\0\x30\0DS", b"DICM"])
def test_the_rest_of_the_folder_is_processed(at, tmp_path):
    field_slices(tmp_path / "in", PLACES, AXIAL)
    path = lone(tmp_path)
    with_sequence(path)
    content = path.read_bytes()
    (tmp_path / "in" / "Z_short").write_bytes(content[: content.index(at) + len(at) + 2])
    answer = look(tmp_path / "in")
    assert codes(answer) == ["input.truncated"] and answer["refusals"][0]["files"] == ["Z_short"]
    assert "Z_short" in answer["refusals"][0]["error"]["message"]
    assert [case["shape"] for case in answer["cases"]] == [[40, 40, 20]]
    assert warned(answer["cases"][0]) == []


@pytest.mark.parametrize("length", [1, 60, 131, 132, 133, 150])
def test_a_file_of_a_few_bytes_ends_early(length, tmp_path):
    made = field_slices(tmp_path / "in", PLACES, AXIAL)
    (tmp_path / "in" / "short.dcm").write_bytes(made[0].read_bytes()[:length])
    answer = look(tmp_path / "in")
    assert codes(answer) == ["input.truncated"] and answer["refusals"][0]["files"] == ["short.dcm"]
    assert len(answer["cases"]) == 1


def test_an_error_of_the_system_stays_one(tmp_path, monkeypatch):
    path = lone(tmp_path)

    def broken(*_args, **_more):
        raise OSError(errno.EIO, "Input/output error", str(path))

    monkeypatch.setattr(pydicom, "dcmread", broken)
    with pytest.raises(OSError, match="Input/output"):
        read.read_instance(str(path), path.name, path.name)


def test_an_empty_slope_is_one(tmp_path):
    for path in field_slices(tmp_path / "in", PLACES, AXIAL):
        edit(path, RescaleIntercept="", RescaleSlope="")
    (case,) = look(tmp_path / "in")["cases"]
    assert case["facts"]["intensity_range"][0] >= 0
