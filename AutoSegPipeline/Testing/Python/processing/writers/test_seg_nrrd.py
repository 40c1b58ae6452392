"""The .seg.nrrd: what we write comes back to us and to Slicer, and we read what Slicer wrote."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.segmentation import Segment, Segmentation
from AutoSegPipelineLib.processing.anatomy import likely_colour
from AutoSegPipelineLib.processing.read_seg_nrrd import read_facts, read_seg_nrrd
from AutoSegPipelineLib.processing.writers.seg_nrrd import write_seg_nrrd
from support.processing import DIRECTIONS, centroid_ras, grid, two_layers
from support.slicer_core import READ, WRITE, run_slicer


def test_every_layer_segment_and_code_comes_back(tmp_path):
    segmentation = two_layers(grid((20, 16, 12), DIRECTIONS["oblique left-handed"]))
    write_seg_nrrd(tmp_path / "a.seg.nrrd", segmentation, {"engine": "tissue", "text": 'a "b" \\ \n c'})
    read = read_seg_nrrd(tmp_path / "a.seg.nrrd")
    assert read.segments == segmentation.segments
    assert np.allclose(read.grid.affine, segmentation.grid.affine, rtol=0, atol=1e-12)
    assert all(np.array_equal(a, b) for a, b in zip(read.layers, segmentation.layers))
    assert read_facts(tmp_path / "a.seg.nrrd") == {"engine": "tissue", "text": 'a "b" \\ \n c'}


def test_labels_above_255_and_one_layer_come_back(tmp_path):
    on = grid((5, 6, 7))
    layer = np.zeros(on.array_shape, np.uint32)
    layer[2, 3, 4] = 70000
    layer[1] = 300
    segments = (Segment(0, 300, "a", "A", (0, 0, 1)), Segment(0, 70000, "b", "B", (0, 1, 0)))
    write_seg_nrrd(tmp_path / "a.seg.nrrd", Segmentation(on, [layer], segments))
    read = read_seg_nrrd(tmp_path / "a.seg.nrrd")
    assert np.array_equal(read.layers[0], layer)
    assert [s.value for s in read.segments] == [300, 70000]


@pytest.mark.parametrize("handed", ["oblique", "left-handed"])
def test_slicer_reads_the_same_names_colours_layers_and_volumes(tmp_path, handed):
    segmentation = two_layers(grid((20, 16, 12), DIRECTIONS[handed]))
    write_seg_nrrd(tmp_path / "a.seg.nrrd", segmentation)
    told = run_slicer(READ, str(tmp_path / "a.seg.nrrd"))
    assert told["layers"] == 2
    assert [row["id"] for row in told["segments"]] == [s.name for s in segmentation.segments]
    for row, segment in zip(told["segments"], segmentation.segments):
        voxels = np.count_nonzero(segmentation.layers[segment.layer] == segment.value)
        assert row["name"] == segment.title
        assert row["layer"] == segment.layer
        assert row["color"] == pytest.approx(segment.colour, abs=1e-6)
        assert row["ml"] == pytest.approx(voxels * segmentation.grid.voxel_ml, rel=1e-6)
        assert row["ras"] == pytest.approx(centroid_ras(segmentation, segment), abs=1e-3)
    assert "~SCT^39607008^Lung~SCT^7771000^Left~" in told["segments"][1]["terminology"]


def test_a_file_that_slicer_wrote_is_read_whole(tmp_path):
    path = tmp_path / "slicer.seg.nrrd"
    assert run_slicer(WRITE, str(path))["written"]
    read = read_seg_nrrd(path)
    assert [s.title for s in read.segments] == ["Left lung", "Schnitt; a:b|c"]
    assert [s.name for s in read.segments] == ["left_lung", "schnitt_a_b_c"]
    assert read.segments[1].colour == pytest.approx((0.25, 0.5, 0.75))
    assert read.segments[0].code.value == "39607008" and read.segments[0].modifier.meaning == "Left"
    assert len(read.layers) == 2  # they overlap
    for segment in read.segments:
        assert np.count_nonzero(read.layers[segment.layer] == segment.value) == 2 * 3 * 3
    # Voxels 3..5 along i, 2..4 along j, 1..2 along k of spacing 2, 3, 4 from (5, 6, 7) RAS.
    assert centroid_ras(read, read.segments[0]) == pytest.approx([13, 15, 13])


def test_a_cut_off_file_and_a_foreign_one_are_told_apart(tmp_path):
    path = tmp_path / "a.seg.nrrd"
    write_seg_nrrd(path, two_layers(grid((20, 16, 12))))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(PipelineError) as caught:
        read_seg_nrrd(path)
    assert caught.value.code == "input.truncated"
    path.write_bytes(gzip.compress(b"no NRRD"))
    with pytest.raises(PipelineError) as caught:
        read_seg_nrrd(path)
    assert caught.value.code == "input.corrupt"


def test_a_header_that_points_elsewhere_is_refused(tmp_path):
    (tmp_path.parent / "secret").write_bytes(bytes(8))
    path = tmp_path / "a.seg.nrrd"
    path.write_text(
        "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 2 2 2\nencoding: raw\nspace: lps\n"
        "space directions: (1,0,0) (0,1,0) (0,0,1)\ndata file: ../secret\nSegment0_ID:=a\n\n"
    )
    with pytest.raises(PipelineError) as caught:
        read_seg_nrrd(path)
    assert caught.value.code == "input.external_data"


def test_a_file_of_an_old_slicer_has_one_layer_for_each_segment(tmp_path):
    path = tmp_path / "old.seg.nrrd"
    head = (
        "NRRD0004\ntype: unsigned char\ndimension: 4\nspace: right-anterior-superior\nsizes: 2 3 1 1\n"
        "space directions: none (1,0,0) (0,1,0) (0,0,1)\nkinds: vector domain domain domain\nencoding: raw\n"
        "space origin: (1,2,3)\nSegment0_ID:=Segment_1\nSegment0_Name:=Liver\nSegment0_Color:=1 0 0\n"
        "Segment1_ID:=Segment_2\nSegment1_Name:=Spleen\n\n"
    )
    path.write_bytes(head.encode() + bytes([1, 0, 1, 1, 0, 1]))
    read = read_seg_nrrd(path)
    assert [(s.name, s.layer, s.value) for s in read.segments] == [("liver", 0, 1), ("spleen", 1, 1)]
    # Without a colour of its own a structure gets the one that its name means.
    assert [s.colour for s in read.segments] == [(1.0, 0.0, 0.0), likely_colour("spleen", 1)]
    assert read.layers[0].ravel().tolist() == [1, 1, 0] and read.layers[1].ravel().tolist() == [0, 1, 1]
    assert read.grid.origin == (-1.0, -2.0, 3.0)
