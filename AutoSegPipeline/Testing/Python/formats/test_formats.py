"""Geometry of NIfTI, NRRD and MetaImage headers against other readers, and headers that were damaged."""

from __future__ import annotations

import gzip
import math
import random
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.incoming import plan, stage
from AutoSegPipelineLib.formats import metaimage, nifti, nrrd
from AutoSegPipelineLib.formats.volume_file import completeness, read_volume_file
from AutoSegPipelineLib.intake.examine import examine_one
from AutoSegPipelineLib.intake.header_checks import check_header
from AutoSegPipelineLib.intake.sniff import sniff
from AutoSegPipelineLib.intake.voxel_content import scan_content
from hypothesis import given, settings
from hypothesis import strategies as st
from support.intake import RAS, SHAPE, ct_array, look, meta_bytes, nifti_bytes, nrrd_bytes, only_case

TURNS = [
    np.eye(3),
    np.diag([-1.0, -1, 1]),
    np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]]),
    np.array([[0, 1.0, 0], [1, 0, 0], [0, 0, 1]]),  # left-handed
    np.array([[math.cos(0.3), -math.sin(0.3), 0], [math.sin(0.3), math.cos(0.3), 0], [0, 0, 1]]),
]
LPS = np.diag([-1.0, -1, 1, 1])


def lps_affine(turn: np.ndarray) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = turn * np.array([0.8, 1.5, 2.5])
    affine[:3, 3] = (11, -22, 33)
    return affine


ENDINGS = [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"]
# SimpleITK writes a left-handed NIfTI with forms that disagree; nibabel's test below has that case.
PAIRS = [(t, e) for t in TURNS for e in ENDINGS if np.linalg.det(t) > 0 or not e.startswith(".nii")]


@pytest.mark.parametrize(("turn", "ending"), PAIRS)
def test_the_affine_is_what_simpleitk_reads_from_its_own_file(turn, ending, tmp_path):
    import SimpleITK

    affine = lps_affine(turn)
    image = SimpleITK.GetImageFromArray(ct_array())
    image.SetSpacing((0.8, 1.5, 2.5))
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection(turn.ravel().tolist())
    (tmp_path / "input").mkdir()
    SimpleITK.WriteImage(image, str(tmp_path / "input" / f"a{ending}"))
    case = only_case(look(tmp_path / "input"))
    assert np.allclose(case["affine"], affine, atol=1e-4)
    assert np.allclose(case["spacing"], (0.8, 1.5, 2.5), atol=1e-5)
    # What is staged is read back by SimpleITK with the same voxels.
    staged = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(case["path"]))
    assert np.array_equal(staged, ct_array())
    assert Path(case["path"]).name.isascii() and Path(case["path"]).parent.name.startswith("case-")


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("kind", ["sform", "qform"])
def test_both_nifti_forms_mean_what_nibabel_says(turn, kind, tmp_path):
    import nibabel

    ras = LPS @ lps_affine(turn)
    image = nibabel.Nifti1Image(np.ascontiguousarray(ct_array().T), ras)
    image.set_sform(ras, 1 if kind == "sform" else 0)
    image.set_qform(ras, 1 if kind == "qform" else 0)
    (tmp_path / "input").mkdir()
    nibabel.save(image, tmp_path / "input" / "a.nii.gz")
    case = only_case(look(tmp_path / "input"))
    assert np.allclose(case["affine"], lps_affine(turn), atol=1e-3)


def test_nifti_2_and_big_endian_files_are_read(tmp_path):
    import nibabel

    ras = LPS @ lps_affine(TURNS[4])
    (tmp_path / "input").mkdir()
    nibabel.save(nibabel.Nifti2Image(np.ascontiguousarray(ct_array().T), ras), tmp_path / "input" / "a.nii")
    (tmp_path / "input" / "b.nii").write_bytes(nifti_bytes(ct_array().astype(">i2")))
    one, two = look(tmp_path / "input")["cases"]
    assert np.allclose(one["affine"], lps_affine(TURNS[4]), atol=1e-3)
    assert (
        two["facts"]["dtype"] == ">i2" and two["facts"]["intensity_range"] == one["facts"]["intensity_range"]
    )


def test_metres_and_micrometres_become_millimetres():
    for units, factor in ((1, 1000.0), (2, 1.0), (3, 0.001)):
        written = np.diag([1 / factor, 1 / factor, 1 / factor, 1]) @ RAS
        header = nifti.parse(nifti_bytes(units=units, sform=written)[:544], "a.nii")
        assert np.allclose(header.affine, LPS @ RAS)


@pytest.mark.parametrize(
    ("space", "signs"), [("LPS", (1, 1)), ("RAS", (-1, -1)), ("left-anterior-superior", (1, -1))]
)
def test_every_anatomical_space_of_nrrd_becomes_lps(space, signs):
    header = nrrd.parse(nrrd_bytes(space=space), "a.nrrd")
    assert header.affine is not None
    assert header.affine[0] == (2.0 * signs[0], 0, 0, -30.0 * signs[0])
    assert header.affine[1] == (0, 2.5 * signs[1], 0, -40.0 * signs[1])


def test_a_detached_header_is_staged_so_that_only_its_checked_data_can_be_opened(tmp_path):
    import SimpleITK

    (tmp_path / "input").mkdir()
    for name, data in (
        ("größe.mhd", meta_bytes(ElementDataFile="voxels.raw")),
        ("b.nhdr", nrrd_bytes(data_file="voxels.raw")),
    ):
        (tmp_path / "input" / name).write_bytes(data)
    (tmp_path / "input" / "voxels.raw").write_bytes(ct_array().tobytes())
    answer = look(tmp_path / "input")
    assert answer["refusals"] == [] and [c["stem"] for c in answer["cases"]] == ["b", "größe"]
    for case in answer["cases"]:
        assert len(case["files"]) == 2 and "voxels.raw" in case["files"]
        assert "scan.raw" in Path(case["path"]).read_text()
        assert np.array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(case["path"])), ct_array())


GOOD = {
    "nii": nifti_bytes(),
    "nii.gz": gzip.compress(nifti_bytes()),
    "nrrd": nrrd_bytes(),
    "gz.nrrd": nrrd_bytes(encoding="gzip"),
    "mha": meta_bytes(),
    "mhd": meta_bytes(ElementDataFile="a.raw"),
    "nhdr": nrrd_bytes(data_file="a.raw"),
}


@pytest.mark.parametrize("ending", [".csv", ".ctbl", ".txt", ".label"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_table_beside_a_label_map_goes_where_its_reader_looks(ending, packed, tmp_path):
    labels = np.zeros(SHAPE, "u1")
    labels[3:8, 3:8, 3:8] = 1
    files = {"a/map.nii": nifti_bytes(labels), f"a/map{ending}": b"1,Liver", "b/map.nii": nifti_bytes(labels)}
    folder = tmp_path / "input"
    folder.mkdir()
    if packed:
        with zipfile.ZipFile(folder / "all.zip", "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    else:
        for name, data in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)
    answer = look(folder, expect="segmentation")
    assert answer["refusals"] == []
    first, second = (Path(case["path"]) for case in answer["cases"])
    assert first.with_name(answer["cases"][0]["table"]).read_bytes() == b"1,Liver"
    assert answer["cases"][1]["table"] is None and not list(second.parent.glob("map*"))
    own = ["all.zip"] if packed else ["a/map.nii", f"a/map{ending}"]
    assert answer["cases"][0]["files"] == own


def test_a_staged_label_map_and_its_table_are_known_by_the_names_of_their_source(tmp_path):
    home = Home.at(tmp_path / "home")
    home.create()
    labels = np.zeros(SHAPE, "u1")
    labels[3:8, 3:8, 3:8] = 1
    (tmp_path / "map.nii").write_bytes(nifti_bytes(labels))
    (tmp_path / "map.csv").write_bytes(b"1,Liver")
    named = plan(tmp_path / "map.nii", expect="segmentation", labels=str(tmp_path / "other.csv"))
    assert len(named.files) == len(plan(tmp_path / "map.nii").files) == 1
    folder = home.incoming / stage(home, tmp_path / "map.nii", expect="segmentation")
    (tmp_path / "map.csv").unlink()  # what was handed over does not depend on it any more
    (case,) = look(folder / "input", folder / "work", expect="segmentation")["cases"]
    assert Path(case["path"]).with_name(case["table"]).read_bytes() == b"1,Liver"


def take(path: Path) -> None:
    """Everything that the inspection does with a volume; only errors with a code may come out."""
    examine_one(str(path))
    fmt = sniff(path.read_bytes()[:4096])
    if fmt not in ("nifti", "nrrd", "metaimage"):
        return
    try:
        volume = read_volume_file(str(path), fmt)
        check_header(volume.header, "x", {"min_slices": 2, "assume_orientation": "RAS"}, "scan", 10**7)
        problem = completeness(volume)
        if problem is None:
            scan_content(volume)
    except PipelineError as error:
        assert error.code and error.hint


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", GOOD)
def test_a_damaged_file_gives_an_error_with_a_code_and_nothing_else(kind, tmp_path):
    path = tmp_path / "damaged"
    dice = random.Random(kind)
    (tmp_path / "a.raw").write_bytes(ct_array().tobytes())
    for _ in range(150):
        data = bytearray(GOOD[kind])
        for _ in range(dice.randint(1, 6)):
            at = dice.randrange(min(len(data), 420))
            action = dice.randrange(4)
            if action == 0:
                data[at] = dice.randrange(256)
            elif action == 1:
                data[at : at + 4] = struct.pack(
                    "<i", dice.choice([-1, 0, 1, 2**31 - 1, -(2**31), 0x7F800000])
                )
            elif action == 2:
                del data[at : at + dice.randint(1, 40)]
            else:
                data[at:at] = bytes(
                    dice.choice(b"0123456789-.: =()ne\n%\xff") for _ in range(dice.randint(1, 9))
                )
        path.write_bytes(bytes(data))
        take(path)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=700))
def test_any_bytes_are_sniffed_and_parsed_without_another_error(data):
    sniff(data)
    for parse in (nifti.parse, nrrd.parse, metaimage.parse):
        for start in (
            b"",
            b"NRRD0004\n",
            b"NDims = 3\nDimSize = ",
            struct.pack("<i", 348) + bytes(340) + b"n+1\0",
        ):
            try:
                parse(start + data, "x")
            except PipelineError as error:
                assert error.code.startswith("input.")
