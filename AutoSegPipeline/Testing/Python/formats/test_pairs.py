"""Volumes in two files: NIfTI and Analyze pairs, and text headers that name the file beside them."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.incoming import data_files, plan, stage
from AutoSegPipelineLib.formats.volume_file import read_volume_file
from AutoSegPipelineLib.formats.voxels import read_voxels
from AutoSegPipelineLib.intake.examine import examine
from AutoSegPipelineLib.intake.received.client_input import CaseRequest
from AutoSegPipelineLib.intake.received.grouping import ReceivedFile, group
from AutoSegPipelineLib.processing.volume import read_volume
from support.intake import codes, ct_array, look, meta_bytes, nifti_bytes, nrrd_bytes, only_case


def pair(folder: Path, stem: str = "scan", header: str = ".hdr", data: str = ".img", **change) -> Path:
    """A NIfTI-1 pair in ``folder``; endings in ``.gz`` are compressed. The header's path."""
    folder.mkdir(exist_ok=True)
    whole = nifti_bytes(magic=b"ni1\0", **change)
    head = bytearray(whole[:348])
    head[108:112] = b"\0\0\0\0"  # vox_offset: the data begin where their own file does
    for ending, content in ((header, bytes(head)), (data, whole[352:])):
        packed = gzip.compress(content) if ending.lower().endswith(".gz") else content
        (folder / (stem + ending)).write_bytes(packed)
    return folder / (stem + header)


@pytest.mark.parametrize(("header", "data"), [
    (".hdr", ".img"), (".hdr", ".img.gz"), (".hdr.gz", ".img.gz"), (".HDR", ".IMG"),
])  # fmt: skip
def test_a_nifti_pair_is_one_case_with_the_voxels_of_its_second_file(header, data, tmp_path):
    pair(tmp_path / "input", header=header, data=data)
    case = only_case(look(tmp_path / "input"))
    assert sorted(case["files"]) == sorted(["scan" + header, "scan" + data])
    volume = read_volume(case["path"], case["affine"])
    assert np.array_equal(volume.array, ct_array())


def test_a_pair_is_read_as_nibabel_reads_it(tmp_path):
    import nibabel

    image = nibabel.Nifti1Pair(ct_array().T, np.diag([-2.0, 2.5, 3.0, 1.0]))
    image.header["scl_slope"], image.header["scl_inter"] = 2.0, -5.0
    (tmp_path / "input").mkdir()
    nibabel.save(image, tmp_path / "input" / "a.hdr")
    case = only_case(look(tmp_path / "input"))
    read = read_volume(case["path"], case["affine"])
    expected = np.asarray(nibabel.load(tmp_path / "input" / "a.hdr").dataobj).T
    assert np.allclose(read.array, expected)
    assert np.allclose(np.array(case["affine"]), np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine)


def test_one_half_of_a_pair_waits_for_the_other_and_is_named_as_it_was_given(tmp_path):
    header = pair(tmp_path / "input", stem="knee")
    os.remove(tmp_path / "input" / "knee.img")
    (row,) = examine([str(header)]).files
    assert (row.state, row.missing) == ("incomplete", ["knee.img"])
    answer = look(tmp_path / "input", names={"knee.hdr": "study/left knee.hdr"})
    assert codes(answer) == ["input.missing_data_file"]
    assert "left knee.img is not there" in answer["refusals"][0]["error"]["message"]


def test_the_data_of_a_pair_wait_for_their_header(tmp_path):
    header = pair(tmp_path / "input", data=".img.gz")
    rows = examine([str(header), str(tmp_path / "input" / "scan.img.gz")]).files
    assert [row.format for row in rows] == ["nifti", "data"]


def test_both_files_of_a_pair_go_with_a_submitted_header(tmp_path):
    header = pair(tmp_path / "input")
    assert [path.name for path in data_files(header)] == ["scan.img"]
    home = Home.at(tmp_path / "home")
    home.create()
    job = stage(home, header)
    assert sorted(os.listdir(home.incoming / job / "input")) == ["scan.hdr", "scan.img"]
    assert [one.name for one in plan(header).files] == ["scan.hdr"]


@pytest.mark.parametrize("prefix", ["", "study/"])
def test_the_files_of_a_pair_stay_a_pair_under_the_names_of_an_upload(prefix, tmp_path):
    root = tmp_path / "received"
    header = pair(root, stem="Mein Scan", data=".img.gz")
    received = [
        ReceivedFile(path.name, prefix + path.name, path.stat().st_size)
        for path in (root / "Mein Scan.img.gz", header)
    ]
    (grouped,) = group(root, received, "scan")
    names = {one.name.rpartition("/")[2]: staged.rpartition("/")[2] for one, staged in grouped.files}
    stem = names["Mein Scan.hdr"][: -len(".hdr")]
    assert names["Mein Scan.img.gz"] == stem + ".img.gz"
    intent = grouped.intent("web", "", CaseRequest())
    place = tmp_path / "input"
    for one, staged in grouped.files:
        (place / staged).parent.mkdir(parents=True, exist_ok=True)
        os.rename(root / one.file, place / staged)
    case = only_case(look(place, names={item.name: item.original for item in intent.files}))
    assert np.array_equal(read_volume(case["path"], case["affine"]).array, ct_array())


def test_an_analyze_header_states_no_orientation_and_is_read_once_it_is_given(tmp_path):
    import nibabel

    (tmp_path / "input").mkdir()
    image = nibabel.AnalyzeImage(ct_array().T, np.diag([2.0, 2.5, 3.0, 1.0]))
    nibabel.save(image, tmp_path / "input" / "old.hdr")
    answer = look(tmp_path / "input")
    assert codes(answer) == ["input.orientation_unstated"]
    assert "old.hdr" in answer["refusals"][0]["error"]["message"]
    case = only_case(look(tmp_path / "input", options={"min_slices": 8, "assume_orientation": "LAS"}))
    assert case["spacing"] == [2.0, 2.5, 3.0]
    assert np.array_equal(read_volume(case["path"], case["affine"]).array, ct_array())


@pytest.mark.parametrize("data", ["./ct.raw", ".\\ct.raw", "././ct.raw"])
@pytest.mark.parametrize("kind", ["mhd", "nhdr"])
def test_a_header_may_say_that_its_data_lie_here(kind, data, tmp_path):
    folder = tmp_path / "input"
    folder.mkdir()
    text = meta_bytes(ElementDataFile=data) if kind == "mhd" else nrrd_bytes(data_file=data)
    (folder / f"ct.{kind}").write_bytes(text)
    (folder / "ct.raw").write_bytes(ct_array().tobytes())
    case = only_case(look(folder))
    assert np.array_equal(read_voxels(read_volume_file(case["path"]))[0], ct_array())
    assert [path.name for path in data_files(folder / f"ct.{kind}")] == ["ct.raw"]


@pytest.mark.parametrize("data", ["../ct.raw", "./../ct.raw", "/etc/passwd", "sub/ct.raw", "./", "C:ct.raw"])
def test_a_header_never_reaches_out_of_its_folder(data, tmp_path):
    folder = tmp_path / "input"
    folder.mkdir()
    (tmp_path / "ct.raw").write_bytes(ct_array().tobytes())
    (folder / "ct.mhd").write_bytes(meta_bytes(ElementDataFile=data))
    assert codes(look(folder)) == ["input.external_data"]
    (folder / "ct.mhd").unlink()
    (folder / "ct.nhdr").write_bytes(nrrd_bytes(data_file=data))
    assert codes(look(folder)) == ["input.external_data"]
