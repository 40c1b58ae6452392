"""What the intake takes, processing reads: detached headers, every encoding, layers on any axis."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import numpy as np
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.processing.read_segmentation import read_segmentation
from AutoSegPipelineLib.processing.volume import read_volume
from support.intake import codes, ct_array, look, meta_bytes, nrrd_bytes, only_case

SEGMENTS = (
    "Segment0_ID:=Segment_1\nSegment0_Name:=Liver\nSegment0_LabelValue:=1\nSegment0_Layer:=0\n"
    "Segment1_ID:=Segment_2\nSegment1_Name:=Spleen \\\\ left\nSegment1_LabelValue:=2\nSegment1_Layer:=1\n"
)
DIRECTIONS = ["(2,0,0)", "(0,2.5,0)", "(0,0,3)"]


ELSEWHERE = ["../secret", "sub/v.raw", "/etc/hosts", "C:\\v.raw", "LIST", "v%d.raw 1 2 1"]


def two_layers() -> np.ndarray:
    """Layers (2, k, j, i) that overlap."""
    layers = np.zeros((2, 6, 5, 4), np.uint8)
    layers[0, 1:4, 1:3, 1:3] = 1
    layers[1, 2:5, 1:4, 2:4] = 2
    return layers


def encoded(array: np.ndarray, encoding: str) -> bytes:
    data = array.tobytes()
    if encoding in ("ascii", "text"):
        return " ".join(str(value) for value in array.ravel().tolist()).encode() + b"\n"
    if encoding == "hex":
        return data.hex().encode()
    return {"gzip": gzip.compress, "bzip2": bz2.compress}.get(encoding, bytes)(data)


def seg_files(place: int, encoding: str, detached: bool, skip: str = "") -> dict[str, bytes]:
    """A two-layer segmentation; ``place`` is the layers' axis in the file, 0 the fastest."""
    array = np.ascontiguousarray(np.moveaxis(two_layers(), 0, 3 - place))
    directions, kinds = list(DIRECTIONS), ["domain"] * 3
    directions.insert(place, "none")
    kinds.insert(place, "list")
    lines = [
        "NRRD0004", "type: unsigned char", "dimension: 4", "space: left-posterior-superior",
        "sizes: " + " ".join(str(n) for n in reversed(array.shape)), "kinds: " + " ".join(kinds),
        "space directions: " + " ".join(directions), "space origin: (-30,-40,-50)", "encoding: " + encoding,
    ]  # fmt: skip
    body = encoded(array, encoding)
    if skip:
        lines.append(skip)
        body = b"a line before\n" + body
    head = "\n".join(lines)
    if detached:
        return {
            "liver.seg.nhdr": f"{head}\ndata file: voxels.bin\n{SEGMENTS}".encode(),
            "voxels.bin": body,
        }
    return {"liver.seg.nrrd": f"{head}\n{SEGMENTS}\n".encode() + body}


def inspected(tmp_path: Path, files: dict[str, bytes], **args: str) -> dict:
    folder = tmp_path / "input"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return look(folder, **args)


@pytest.mark.parametrize("detached", [False, True])
@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii", "hex"])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_layered_segmentation_goes_through_inspection_and_processing(tmp_path, place, encoding, detached):
    case = only_case(inspected(tmp_path, seg_files(place, encoding, detached), expect="segmentation"))
    assert case["stem"] == "liver" and case["shape"] == [4, 5, 6]
    read = read_segmentation(Path(case["path"]), name="liver.seg.nrrd")
    assert [(s.name, s.title, s.layer, s.value) for s in read.segments] == [
        ("liver", "Liver", 0, 1), ("spleen_left", "Spleen \\ left", 1, 2),
    ]  # fmt: skip
    assert np.array_equal(np.stack(read.layers), two_layers())
    assert np.allclose(read.grid.affine, case["affine"])
    assert read.grid.spacing == pytest.approx((2, 2.5, 3))


@pytest.mark.parametrize("encoding", ["raw", "gzip", "ascii"])
def test_lines_before_the_voxels_are_skipped(tmp_path, encoding):
    case = only_case(inspected(tmp_path, seg_files(3, encoding, True, "line skip: 1"), expect="segmentation"))
    assert np.array_equal(np.stack(read_segmentation(Path(case["path"])).layers), two_layers())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", ["a.nhdr", "a.mhd"])
def test_a_detached_scan_of_either_byte_order_is_read_as_it_was_inspected(tmp_path, name, order):
    voxels, big = ct_array(), str(order == ">")
    header = (
        nrrd_bytes(data_file="v.raw", endian="big" if order == ">" else "little")
        if name.endswith("nhdr")
        else meta_bytes(ElementDataFile="v.raw", BinaryDataByteOrderMSB=big)
    )
    case = only_case(inspected(tmp_path, {name: header, "v.raw": voxels.astype(order + "i2").tobytes()}))
    read = read_volume(case["path"])
    assert np.array_equal(read.array, voxels) and read.array.dtype.isnative
    assert np.allclose(read.grid.affine, case["affine"])


@pytest.mark.parametrize("data", ELSEWHERE)
def test_voxels_outside_the_headers_folder_are_never_opened(tmp_path, data):
    answer = inspected(tmp_path, {"a.nhdr": nrrd_bytes(data_file=data)})
    assert codes(answer) == ["input.external_data"]
    with pytest.raises(PipelineError) as caught:
        read_volume(tmp_path / "input" / "a.nhdr")
    assert caught.value.code == "input.external_data"


def test_lengths_in_other_units_are_scaled_and_what_is_no_length_is_refused(tmp_path):
    directions = "(.002,0,0) (0,.002,0) (0,0,.003)"
    metres = nrrd_bytes(extra='space units: "m" "m" "m"\n', space_directions=directions)
    case = only_case(inspected(tmp_path, {"a.nrrd": metres}))
    assert case["spacing"] == pytest.approx([2, 2, 3])
    (tmp_path / "input" / "a.nrrd").write_bytes(nrrd_bytes(extra='space units: "s" "mm" "mm"\n'))
    answer = look(tmp_path / "input")
    assert codes(answer) == ["input.corrupt"] and "'s'" in answer["refusals"][0]["error"]["message"]


@pytest.mark.parametrize(("words", "reason"), [("1 2 x", "no numbers"), ("1 2 1.5", "of its type")])
def test_text_that_is_no_voxel_of_its_type_is_refused(tmp_path, words, reason):
    text = nrrd_bytes(np.zeros((8, 8, 8), np.uint8), encoding="ascii").partition(b"\n\n")[0]
    answer = inspected(tmp_path, {"a.nrrd": text + b"\n\n" + b"0 " * 509 + words.encode()})
    assert codes(answer) == ["input.corrupt"] and reason in answer["refusals"][0]["error"]["message"]
