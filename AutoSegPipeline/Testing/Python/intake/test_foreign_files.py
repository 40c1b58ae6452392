"""Files that are no scan: the refusal says what they are and how their content gets in."""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.messages.reader import plain
from AutoSegPipelineLib.intake.examine import examine_one
from AutoSegPipelineLib.intake.foreign_files import FOREIGN, unknown_format, what_it_is
from support.intake import codes, look_at

KINDS = {
    "study.rar": (b"Rar!\x1a\x07\x01\0" + bytes(400), "a RAR archive", "Unpack it"),
    "study.7z": (b"7z\xbc\xaf\x27\x1c" + bytes(400), "a 7-Zip archive", "Unpack it"),
    "photo.dcm": (b"\xff\xd8\xff\xe0" + bytes(400), "a JPEG picture", "DICOM, NIfTI"),
    "report": (b"%PDF-1.7\n" + bytes(400), "a PDF document", "DICOM, NIfTI"),
    "brain.mnc": (b"CDF\x01" + bytes(400), "a MINC volume", "mnc2nii"),
    "aseg.mgz": (gzip.compress(os.urandom(9000)), "a FreeSurfer volume", "mri_convert"),
    "T1.PAR": (b"# === DATA DESCRIPTION FILE" + bytes(400), "half of a Philips", "dcm2niix"),
    "a+orig.HEAD": (b"\ntype = string-attribute" + bytes(600), "half of an AFNI", "3dAFNItoNIFTI"),
    "slice.dcm.gz": (gzip.compress(os.urandom(9000)), "compressed", "Decompress"),
    "volume.npy": (b"\x93NUMPY\x01\0" + bytes(600), "a NumPy array", "affine"),
    "Scene.mrb": (b"x" * 600, "a scene of 3D Slicer", "3D Slicer"),
    "leg.stl": (b"solid leg" + bytes(600), "a surface model", "scan itself"),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_refusal_says_what_the_file_is_and_what_to_do(name: str, tmp_path: Path) -> None:
    data, what, remedy = KINDS[name]
    answer = look_at(tmp_path, name, data)
    assert codes(answer) == ["input.unknown_format"]
    error = answer["refusals"][0]["error"]
    assert name in error["message"] and what in error["message"] and remedy in error["hint"]
    row = plain(examine_one(str(tmp_path / "input" / name)))
    assert row["error"] == error


def test_a_compressed_tar_is_an_archive(tmp_path: Path) -> None:
    for name in ("study.tar.gz", "study.tgz", "study.tar.bz2"):
        path = tmp_path / name
        with tarfile.open(path, "w:bz2" if name.endswith("bz2") else "w:gz"):
            pass
        found = what_it_is(path.read_bytes(), name)
        assert found is not None and found.what == "a tar archive"


def test_what_nobody_knows_is_said_so() -> None:
    error = unknown_format(b"\x01\x02\x03", "strange")
    assert error.message == "strange is no scan that is known here."


def test_every_row_can_be_found_and_is_found() -> None:
    for one in FOREIGN:
        assert one.starts or one.endings
        for start in one.starts:
            assert what_it_is(start + bytes(20), "file") is one
        for ending in one.endings:
            assert what_it_is(b"nothing", f"A Name{ending}".upper()) is one
