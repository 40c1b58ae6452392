"""The first look: complete or not, what it is, and never an exception for one bad file."""

from __future__ import annotations

import gzip
import io
import json
import os
import zipfile

import pytest
from AutoSegPipelineLib.core.errors import Refused
from AutoSegPipelineLib.core.safe_open import Locked
from AutoSegPipelineLib.intake import examine as examine_module
from AutoSegPipelineLib.intake.examine import examine, examine_one
from AutoSegPipelineLib.processing.phantom import torso, write_dicom_series
from support.intake import ct_array, meta_bytes, nifti_bytes, nrrd_bytes


def state(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    row = examine_one(str(tmp_path / name))
    return row.state, row.format


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.nii", nifti_bytes())
    return out.getvalue()


@pytest.fixture(scope="module")
def dicom(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dicom")
    phantom = torso(shape=(24, 20, 9), spacing=(12.0, 12.0, 12.0))
    return write_dicom_series(phantom.volume, folder)


WHOLE = {
    "a.nii": ("nifti", nifti_bytes()),
    "a.nii.gz": ("nifti", gzip.compress(nifti_bytes())),
    "members.nii.gz": ("nifti", gzip.compress(nifti_bytes()[:900]) + gzip.compress(nifti_bytes()[900:])),
    "a.nrrd": ("nrrd", nrrd_bytes()),
    "gz.nrrd": ("nrrd", nrrd_bytes(encoding="gzip")),
    "a.mha": ("metaimage", meta_bytes()),
    "a.zip": ("zip", zipped()),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_is_complete_and_every_beginning_of_it_is_not(name, tmp_path):
    fmt, data = WHOLE[name]
    assert state(tmp_path, name, data) == ("complete", fmt)
    for part in (0, 3, 100, 400, len(data) // 2, len(data) - 1):
        assert state(tmp_path, name, data[:part])[0] == "incomplete", part


def test_a_dicom_file_is_complete_with_its_last_pixel(dicom, tmp_path):
    data = dicom[0].read_bytes()
    (tmp_path / "IM1").write_bytes(data)
    row = examine_one(str(tmp_path / "IM1"))
    assert (row.state, row.format) == ("complete", "dicom")
    assert row.dicom.image and row.dicom.modality == "CT" and row.dicom.series_uid
    for part in (len(data) - 1, len(data) // 2, len(data) - 24 * 20 * 2 - 4):
        assert state(tmp_path, "IM1", data[:part]) == ("incomplete", "dicom"), part


def test_dicom_is_known_without_extension_and_without_preamble(dicom, tmp_path):
    import pydicom

    data = pydicom.dcmread(dicom[0])
    data.file_meta = pydicom.dataset.FileMetaDataset()
    out = io.BytesIO()
    pydicom.filewriter.write_dataset(_implicit(out), data)
    row = state(tmp_path, "bare", out.getvalue())
    assert row == ("complete", "dicom")
    assert examine_one(str(tmp_path / "bare")).dicom.series_uid == data.SeriesInstanceUID


def _implicit(out):
    from pydicom.filebase import DicomFileLike

    stream = DicomFileLike(out)
    stream.is_little_endian, stream.is_implicit_VR = True, True
    return stream


def test_the_name_decides_nothing(tmp_path):
    assert state(tmp_path, "a.nii.gz", zipped()) == ("complete", "zip")
    assert state(tmp_path, "a.dcm", nrrd_bytes()) == ("complete", "nrrd")
    row = examine([str(tmp_path / "a.dcm")]).files[0]
    assert row.error is None


def test_a_header_waits_for_its_data_file_and_names_it(tmp_path):
    (tmp_path / "a.mhd").write_bytes(meta_bytes(ElementDataFile="a.raw"))
    row = examine_one(str(tmp_path / "a.mhd"))
    assert (row.state, row.missing, row.error["code"]) == (
        "incomplete",
        ["a.raw"],
        "input.missing_data_file",
    )
    (tmp_path / "a.raw").write_bytes(ct_array().tobytes()[:-2])
    row = examine_one(str(tmp_path / "a.mhd"))
    assert (row.state, row.missing) == ("incomplete", [])
    (tmp_path / "a.raw").write_bytes(ct_array().tobytes())
    header, data = examine([str(tmp_path / "a.mhd"), str(tmp_path / "a.raw")]).files
    assert header.state == "complete" and header.companions == [str(tmp_path / "a.raw")]
    assert (data.format, data.state, data.error) == ("data", "complete", None)


def test_data_without_a_header_is_data_that_waits_with_a_reason(tmp_path):
    (tmp_path / "a.raw").write_bytes(ct_array().tobytes())
    (row,) = examine([str(tmp_path / "a.raw")]).files
    assert row.format == "data" and row.error["code"] == "input.unknown_format"


def test_options_are_checked_at_once(tmp_path):
    (tmp_path / "a.options.json").write_text(json.dumps({"quality": "fast"}))
    (tmp_path / "options.json").write_text(json.dumps({"qualty": "fast"}))
    (tmp_path / "b.options.json").write_text("{")
    good, unknown, broken = examine(
        [str(tmp_path / name) for name in ("a.options.json", "options.json", "b.options.json")]
    ).files
    assert {row.format for row in (good, unknown, broken)} == {"options"}
    assert good.error is None
    assert unknown.error["code"] == "options.unknown_key" and "quality" in unknown.error["message"]
    assert broken.error["code"] == "options.unreadable"


def test_a_file_that_is_gone_or_a_folder_or_a_pipe_is_a_row_and_no_exception(tmp_path):
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert examine_one(str(tmp_path / "pipe")).error["code"] == "input.unknown_format"
    rows = examine([str(tmp_path / "nowhere"), str(tmp_path)]).files
    assert rows[0].state == "gone" and rows[1].error["code"] == "input.unknown_format"


def test_a_file_that_another_program_holds_is_locked(tmp_path, monkeypatch):
    (tmp_path / "a.nii").write_bytes(nifti_bytes())

    def held(path, exclusive=False):
        assert exclusive
        raise Locked("a.nii is open in another program.")

    monkeypatch.setattr(examine_module, "open_input", held)
    row = examine_one(str(tmp_path / "a.nii"))
    assert row.state == "locked" and row.error["code"] == "input.unreadable"
    assert issubclass(Locked, Refused)


def test_size_and_time_are_those_of_the_file(tmp_path):
    (tmp_path / "a.nii").write_bytes(nifti_bytes())
    row = examine_one(str(tmp_path / "a.nii"))
    info = (tmp_path / "a.nii").stat()
    assert (row.size, row.mtime_ns) == (info.st_size, info.st_mtime_ns)
