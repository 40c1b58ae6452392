"""Every class of volume file that cannot be taken, each with a real file and its own code."""

from __future__ import annotations

import gzip
import math
import os
import struct

import numpy as np
import pytest
from support.intake import (
    RAS,
    SHAPE,
    codes,
    ct_array,
    look,
    look_at,
    meta_bytes,
    nifti_bytes,
    nrrd_bytes,
    only_case,
)

labels = np.zeros((20, 20, 20), dtype="u1")
labels[4:12, 4:14, 4:14] = 3
labels[12:16, 5:15, 5:15] = 7
sheared = RAS.copy()
sheared[0, 1] = 0.7
flat = RAS.copy()
flat[:3, 2] = 0
nan = ct_array().astype("<f4")
nan[3, 4, 5] = np.nan
infinite = ct_array().astype("<f4")
infinite[9, 10, 11] = np.inf
colour = np.zeros((10, 11, 12, 3), dtype="u1")

REFUSED = {
    "one slice": ("input.two_dimensional", "a.nii", nifti_bytes(ct_array((12, 11, 1)))),
    "a 2D header": ("input.two_dimensional", "a.nii", nifti_bytes(dim=[2, 12, 11, 1, 1, 1, 1, 1])),
    "a time series": ("input.four_dimensional", "a.nii", nifti_bytes(np.stack([ct_array()] * 2))),
    "NRRD with time": (
        "input.four_dimensional", "a.nrrd",
        nrrd_bytes(np.stack([ct_array()] * 2), space_directions="(2,0,0) (0,2,0) (0,0,3) none"),
    ),
    "colour NIfTI": ("input.colour", "a.nii", nifti_bytes(datatype=128, bitpix=24)),
    "colour NRRD": (
        "input.colour", "a.nrrd",
        nrrd_bytes(
            colour, space_directions="none (2,0,0) (0,2,0) (0,0,3)", kinds="RGB-color domain domain domain"
        ),
    ),
    "colour MetaImage": (
        "input.colour", "a.mha", meta_bytes(ct_array().astype("u1"), ElementNumberOfChannels="3"),
    ),
    "NaN": ("input.non_finite", "a.nii", nifti_bytes(nan)),
    "infinity in the last voxel": ("input.non_finite", "a.nii.gz", gzip.compress(nifti_bytes(infinite))),
    "constant": ("input.constant", "a.nii", nifti_bytes(np.full((10, 11, 12), -1000, dtype="<i2"))),
    "cut": ("input.truncated", "a.nii", nifti_bytes()[:-100]),
    "cut gzip": ("input.truncated", "a.nii.gz", gzip.compress(nifti_bytes())[:-100]),
    "cut NRRD": ("input.truncated", "a.nrrd", nrrd_bytes()[:-1]),
    "cut gzip NRRD": ("input.truncated", "a.nrrd", nrrd_bytes(encoding="gzip")[:-9]),
    "cut MetaImage": ("input.truncated", "a.mha", meta_bytes()[:-1]),
    "whole gzip, too little": ("input.claims_too_much", "a.nii.gz", gzip.compress(nifti_bytes()[:-100])),
    "a huge claim": ("input.claims_too_much", "a.nii", nifti_bytes(dim=[3, 2000, 2000, 200, 1, 1, 1, 1])),
    "broken gzip": ("input.corrupt", "a.nii.gz", gzip.compress(nifti_bytes())[:300] + b"\xff" * 2000),
    "broken dimensions": ("input.corrupt", "a.nii", nifti_bytes(dim=[3, -12, 11, 10, 1, 1, 1, 1])),
    "a field twice": ("input.corrupt", "a.nrrd", nrrd_bytes(extra="encoding: raw\n")),
    "a key twice": ("input.corrupt", "a.mha", b"NDims = 3\n" + meta_bytes()),
    "empty": ("input.empty", "a.nii", b""),
    "text": ("input.unknown_format", "a.nii", b"this is no scan at all\n" * 30),
    "a picture": ("input.unknown_format", "a.png", b"\x89PNG\r\n\x1a\n" + bytes(500)),
    "half of a pair": ("input.missing_data_file", "a.hdr", nifti_bytes(magic=b"ni1\0")[:352]),
    "complex numbers": ("input.unknown_format", "a.nii", nifti_bytes(datatype=32, bitpix=64)),
    "unknown encoding": ("input.unknown_format", "a.nrrd", nrrd_bytes(encoding="zrl")),
    "broken bzip2": ("input.corrupt", "a.nrrd", nrrd_bytes(encoding="bzip2")),
    "sheared": ("input.bad_affine", "a.nii", nifti_bytes(sform=sheared)),
    "singular": ("input.bad_affine", "a.nii", nifti_bytes(sform=flat)),
    "NaN in the affine": ("input.bad_affine", "a.mha", meta_bytes(Offset="nan 0 0")),
    "sheared MetaImage": ("input.bad_affine", "a.mha", meta_bytes(TransformMatrix="1 0 0 0.4 1 0 0 0 1")),
    "no codes": ("input.orientation_unstated", "a.nii", nifti_bytes(scode=0)),
    "NRRD without space": ("input.orientation_unstated", "a.nrrd", nrrd_bytes(drop="space")),
    "NRRD of another space": ("input.orientation_unstated", "a.nrrd", nrrd_bytes(space="scanner-xyz")),
    "MetaImage without matrix": ("input.orientation_unstated", "a.mha", meta_bytes(drop="TransformMatrix")),
    "forms that disagree": ("input.orientation_conflict", "a.nii", nifti_bytes(qcode=1)),
    "labels": ("input.label_map", "a.nii", nifti_bytes(labels)),
    "labels as floats": ("input.label_map", "a.nii", nifti_bytes(labels.astype("<f4"))),
    "label intent": ("input.label_map", "a.nii", nifti_bytes(intent=1002)),
    "a seg.nrrd": ("input.label_map", "a.seg.nrrd", nrrd_bytes(extra="Segment0_ID:=Segment_1\n")),
    "our NIfTI": ("input.own_output", "a.nii", nifti_bytes(labels, descrip=b"AutoSegPipeline 0.1")),
    "our NRRD": ("input.own_output", "a.nrrd", nrrd_bytes(labels, extra="AutoSegPipeline:=0.1\n")),
    "too thin": ("input.too_thin", "a.nii", nifti_bytes(ct_array((12, 11, 5)))),
    "absolute data file": ("input.external_data", "a.mhd", meta_bytes(ElementDataFile="/etc/hostname")),
    "data file above": ("input.external_data", "a.mhd", meta_bytes(ElementDataFile="../a.raw")),
    "data file below": ("input.external_data", "a.nhdr", nrrd_bytes(data_file="sub/a.raw")),
    "data file on a drive": ("input.external_data", "a.nhdr", nrrd_bytes(data_file="C:\\a.raw")),
    "a list of files": ("input.external_data", "a.nhdr", nrrd_bytes(data_file="LIST")),
    "a list in MetaImage": ("input.external_data", "a.mhd", meta_bytes(ElementDataFile="LIST")),
    "a pattern": ("input.external_data", "a.nhdr", nrrd_bytes(data_file="a%03d.raw 1 9 1")),
    "a pattern in MetaImage": ("input.external_data", "a.mhd", meta_bytes(ElementDataFile="a%03d.raw 1 9 1")),
    "data file not there": ("input.missing_data_file", "a.mhd", meta_bytes(ElementDataFile="a.raw")),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_it_is_refused_with_its_own_code(kind, tmp_path):
    code, name, data = REFUSED[kind]
    answer = look_at(tmp_path, name, data)
    assert answer["cases"] == []
    assert codes(answer) == [code]
    assert answer["refusals"][0]["files"] == [name]


def test_a_scan_above_the_limit_of_voxels_is_refused(tmp_path):
    answer = look_at(tmp_path, "a.nii", nifti_bytes(), limits={"max_voxels": 1000})
    assert codes(answer) == ["input.too_large"]


@pytest.mark.skipif(os.name == "nt", reason="Windows lets only administrators make symbolic links")
def test_a_link_is_refused_and_not_followed(tmp_path):
    (tmp_path / "secret.nii").write_bytes(nifti_bytes())
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "a.nii").symlink_to(tmp_path / "secret.nii")
    (tmp_path / "input" / "folder").symlink_to(tmp_path, target_is_directory=True)
    answer = look(tmp_path / "input")
    assert codes(answer) == ["input.link"] and answer["refusals"][0]["count"] == 2 and not answer["cases"]


@pytest.mark.skipif(os.name == "nt", reason="Windows lets only administrators make symbolic links")
def test_a_data_file_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "outside").write_bytes(ct_array().tobytes())
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "a.raw").symlink_to(tmp_path / "outside")
    answer = look_at(tmp_path, "a.mhd", meta_bytes(ElementDataFile="a.raw"))
    assert not answer["cases"] and set(codes(answer)) == {"input.link"}


def test_what_this_pipeline_wrote_is_known_by_its_hash(tmp_path):
    case = only_case(look_at(tmp_path, "a.nii", nifti_bytes()))
    again = look(tmp_path / "input", tmp_path / "work2", own_outputs=[case["sha256"]])
    assert codes(again) == ["input.own_output"]


def test_the_option_decides_an_orientation_that_nobody_stated(tmp_path):
    case = only_case(look_at(tmp_path, "a.nii", nifti_bytes(scode=0), options={"assume_orientation": "RAS"}))
    assert [case["affine"][n][n] for n in range(3)] == [-2.0, -2.5, 3.0]
    assert case["facts"]["orientation"] == "assumed RAS"


@pytest.mark.parametrize(("form", "x"), [("sform", 2.0), ("qform", -2.0)])
def test_the_option_decides_between_two_forms(form, x, tmp_path):
    case = only_case(look_at(tmp_path, "a.nii", nifti_bytes(qcode=1), options={"assume_orientation": form}))
    assert case["affine"][0][0] == pytest.approx(x)


def test_a_letter_option_does_not_overrule_a_stated_orientation(tmp_path):
    case = only_case(look_at(tmp_path, "a.nii", nifti_bytes(), options={"assume_orientation": "RAS"}))
    assert case["affine"][0][0] == 2.0 and case["facts"]["orientation"] == "stated"


def test_equal_forms_are_no_conflict(tmp_path):
    half_turn = (0.0, 0.0, 1.0, 30, 40, -50)  # about z: RAS diagonal (-, -, +), as in RAS
    case = only_case(look_at(tmp_path, "a.nii", nifti_bytes(qcode=1, quatern=half_turn)))
    assert np.allclose(case["affine"], np.diag([-1, -1, 1, 1]) @ RAS)


def test_a_real_ct_with_few_values_is_no_label_map(tmp_path):
    clipped = np.clip(ct_array(), -1000, -980)
    assert len(np.unique(clipped)) < 30
    only_case(look_at(tmp_path, "a.nii", nifti_bytes(clipped.astype("<i2"))))


def test_an_eight_bit_mr_is_no_label_map(tmp_path):
    random = np.random.default_rng(1)
    values = np.clip(ct_array((32, 32, 20)) / 10 + 110 + random.normal(0, 6, (20, 32, 32)), 0, 255).astype(
        "u1"
    )
    only_case(look_at(tmp_path, "a.nii", nifti_bytes(values)))


def test_a_label_map_is_welcome_where_one_is_expected(tmp_path):
    case = only_case(look_at(tmp_path, "a.nii", nifti_bytes(labels), expect="segmentation"))
    assert case["kind"] == "segmentation"


def test_layers_of_a_segmentation_are_welcome_where_one_is_expected(tmp_path):
    layers = np.stack([labels, labels[::-1]], axis=-1)
    data = nrrd_bytes(
        layers, space_directions="none (2,0,0) (0,2,0) (0,0,3)", kinds="list domain domain domain",
        extra="Segment0_ID:=Segment_1\n",
    )  # fmt: skip
    case = only_case(look_at(tmp_path, "a.seg.nrrd", data, expect="segmentation"))
    assert case["shape"] == [20, 20, 20] and case["facts"]["layers"] == 2
    assert case["path"].endswith(".seg.nrrd") and case["stem"] == "a"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (nifti_bytes(), "input.not_labels"),
        (nifti_bytes(np.zeros((10, 11, 12), dtype="u1")), "export.empty"),
        (nifti_bytes(labels, sform=sheared), "input.bad_affine"),
        (nifti_bytes(labels, scode=0), "input.orientation_unstated"),
    ],
)
def test_an_export_still_checks_what_it_gets(data, code, tmp_path):
    assert codes(look_at(tmp_path, "a.nii", data, expect="segmentation")) == [code]


def test_nothing_inside_is_said(tmp_path):
    (tmp_path / "input").mkdir()
    assert codes(look(tmp_path / "input")) == ["input.nothing_inside"]


def test_one_bad_file_does_not_spoil_the_others(tmp_path):
    folder = tmp_path / "input" / "study"
    folder.mkdir(parents=True)
    (folder / "good.nii").write_bytes(nifti_bytes())
    (folder / "bad.nii").write_bytes(nifti_bytes()[:-5])
    (folder / "README.txt").write_text("made by a scanner")
    answer = look(tmp_path / "input")
    assert [case["stem"] for case in answer["cases"]] == ["study_good"]
    assert codes(answer) == ["input.truncated"]
    assert answer["cases"][0]["facts"]["ignored"] == ["study/README.txt"]


def test_a_nan_slope_means_no_scaling(tmp_path):
    case = only_case(look_at(tmp_path, "a.nii", nifti_bytes(slope=math.nan)))
    assert case["facts"]["intensity_range"][0] < -900


def test_voxels_past_the_end_of_the_first_piece_are_looked_at(tmp_path):
    large = np.tile(ct_array((64, 64, 10)), (8, 4, 4)).astype("<f4")
    large[-1, -1, -1] = np.nan
    assert large.nbytes > 16 << 20
    assert codes(look_at(tmp_path, "a.nii.gz", gzip.compress(nifti_bytes(large), 1))) == ["input.non_finite"]


def test_the_same_bytes_have_the_same_hash_under_another_name(tmp_path):
    one = only_case(
        look_at(tmp_path / "x" if (tmp_path / "x").mkdir() is None else tmp_path, "a.nii", nifti_bytes())
    )
    other = only_case(
        look_at(tmp_path / "y" if (tmp_path / "y").mkdir() is None else tmp_path, "b.nii", nifti_bytes())
    )
    changed = nifti_bytes()[:-2] + struct.pack("<h", 7)
    (tmp_path / "z").mkdir()
    third = only_case(look_at(tmp_path / "z", "a.nii", changed))
    assert one["sha256"] == other["sha256"] != third["sha256"]


def test_shape_and_spacing_are_told_in_file_order(tmp_path):
    case = only_case(look_at(tmp_path, "a.nii", nifti_bytes()))
    assert tuple(case["shape"]) == SHAPE and case["spacing"] == [2.0, 2.5, 3.0]
    assert case["modality"] == "CT" and case["facts"]["modality_source"] == "intensities"


def test_what_the_writers_of_this_pipeline_make_is_known(tmp_path):
    from AutoSegPipelineLib.processing.layers import flatten
    from AutoSegPipelineLib.processing.phantom import torso
    from AutoSegPipelineLib.processing.writers.labels import write_labels
    from AutoSegPipelineLib.processing.writers.seg_nrrd import write_seg_nrrd

    truth = torso(shape=(32, 24, 20), spacing=(12.0, 12.0, 16.0)).truth
    (tmp_path / "input").mkdir()
    write_seg_nrrd(tmp_path / "input" / "a.seg.nrrd", truth)
    write_labels(tmp_path / "input" / "b.labels.nii.gz", truth, flatten(truth))
    assert codes(look(tmp_path / "input")) == ["input.own_output"]
    again = look(tmp_path / "input", tmp_path / "work2", expect="segmentation")
    assert again["refusals"] == [] and len(again["cases"]) == 2
