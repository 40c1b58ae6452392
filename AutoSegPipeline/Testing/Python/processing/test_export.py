"""Existing segmentations: names from every place that people keep them in, and errors that help."""

from __future__ import annotations

import numpy as np
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.segmentation import Segment, Segmentation
from AutoSegPipelineLib.core.structure_names import machine_name
from AutoSegPipelineLib.processing.anatomy import guess_group, readable_title
from AutoSegPipelineLib.processing.label_tables import read_table
from AutoSegPipelineLib.processing.layers import flatten
from AutoSegPipelineLib.processing.phantom import write_metaimage, write_nifti, write_nrrd
from AutoSegPipelineLib.processing.read_segmentation import read_segmentation
from AutoSegPipelineLib.processing.volume import Volume
from AutoSegPipelineLib.processing.writers.labels import write_labels
from AutoSegPipelineLib.processing.writers.seg_nrrd import write_seg_nrrd
from support.processing import DIRECTIONS, grid, two_layers

WRITERS = {".nii": write_nifti, ".nii.gz": write_nifti, ".nrrd": write_nrrd, ".mha": write_metaimage}


def label_map(dtype=np.uint8) -> Volume:
    on = grid((9, 8, 7), DIRECTIONS["left-handed"])
    array = np.zeros(on.array_shape, dtype)
    array[1:3, 2:5, 2:6] = 1
    array[4:6, 2:5, 2:6] = 5
    return Volume(array, on)


def table(folder, text, name="t.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", list(WRITERS))
def test_a_label_map_of_any_format_gets_the_names_of_its_table(tmp_path, ending):
    path = tmp_path / f"map{ending}"
    volume = label_map()
    WRITERS[ending](volume, path)
    read = read_segmentation(path, table(tmp_path, "value,name,color\n1,Liver,#ff8000\n5,rib_left_4,\n"))
    assert [(s.name, s.title, s.value, s.group) for s in read.segments] == [
        ("liver", "Liver", 1, "organs"), ("rib_left_4", "Left rib 4", 5, "bones"),
    ]  # fmt: skip
    assert read.segments[0].colour == pytest.approx((1, 128 / 255, 0))
    assert np.array_equal(read.layers[0], volume.array)
    assert np.allclose(read.grid.affine, volume.grid.affine, atol=1e-4)


@pytest.mark.parametrize(
    "text",
    [
        "value,name,color\n1,Liver,255 0 0\n2,Left lung,#0000ff\n",
        "Label;Structure;Colour\n1;Liver;rgb(255, 0, 0)\n2;Left lung;0000FF\n",
        "name\tred\tgreen\tblue\tindex\nLiver\t255\t0\t0\t1\nLeft lung\t0\t0\t255\t2\n",
        "\ufeff1,Liver,1.0 0.0 0.0\n\n2,Left lung,0.0 0.0 1.0\n",
        '0,background\n1,Liver,255,0,0\n2,"Left lung",0,0,255\n',
        '# ITK-SnAP Label Description File\n 0 0 0 0 0 0 0 "Clear Label"\n 1 255 0 0 1 1 1 "Liver"\n'
        ' 2 0 0 255 1 1 1 "Left lung"\n',
        "# Color table file\n0 Background 0 0 0 0\n1 Liver 255 0 0 255\n2 Left_lung 0 0 255 255\n",
    ],
)
def test_tables_are_read_in_the_dialects_that_people_have(tmp_path, text):
    entries = read_table(table(tmp_path, text))
    assert [(e.value, e.name) for e in entries] == [(1, "Liver"), (2, "Left lung")]
    assert [e.colour for e in entries] == [pytest.approx((1, 0, 0)), pytest.approx((0, 0, 1))]


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("value,name\n1,Liver\none,Spleen\n", 3, "'one'"),
        ("value,name\n1,Liver\n\n1,Spleen\n", 4, "twice"),
        ("value,name\n1\n", 2, "name"),
        ("value,name\n1,\n", 2, "no name"),
        ("value,name,color\n1,Liver,reddish\n", 2, "colour"),
        ("value,name,color\n1,Liver,300 0 0\n", 2, "255"),
        ("organ,size\nliver,3\n", 1, "value and name"),
        (' 1 255 0 0 1 1 1 "Liver"\n nonsense\n', 2, "understood"),
    ],
)
def test_a_bad_table_names_its_line(tmp_path, text, line, word):
    with pytest.raises(PipelineError) as caught:
        read_table(table(tmp_path, text))
    assert caught.value.code == "export.bad_table"
    assert f"t.csv, line {line}:" in caught.value.message and word in caught.value.message


def test_a_label_map_without_names_is_refused_with_the_way_out(tmp_path):
    write_nifti(label_map(), tmp_path / "map.nii.gz")
    with pytest.raises(PipelineError) as caught:
        read_segmentation(tmp_path / "map.nii.gz")
    assert caught.value.code == "export.no_names" and "--labels" in caught.value.hint


def test_a_table_beside_the_label_map_is_found(tmp_path):
    write_nrrd(label_map(), tmp_path / "map.nrrd")
    table(tmp_path, "value,name\n1,Liver\n5,Spleen\n", "map.csv")
    assert [s.name for s in read_segmentation(tmp_path / "map.nrrd").segments] == ["liver", "spleen"]


def test_our_own_label_map_and_segmentation_come_back_without_a_table(tmp_path):
    segmentation = two_layers(grid((20, 16, 12)))
    flat = flatten(segmentation)
    write_labels(tmp_path / "a.labels.nii.gz", segmentation, flat)
    read = read_segmentation(tmp_path / "a.labels.nii.gz")
    assert [(s.name, s.value) for s in read.segments] == [("body", 1), ("lung_left", 2), ("bones", 3)]
    assert read.segments[2].colour == pytest.approx((1.0, 0.5, 0.25))
    write_seg_nrrd(tmp_path / "a.seg.nrrd", segmentation)
    assert read_segmentation(tmp_path / "a.seg.nrrd").segments == segmentation.segments


def test_colours_that_were_dealt_out_in_turn_are_not_taken_for_chosen_ones(tmp_path):
    on = grid((9, 8, 7))
    array = np.zeros(on.array_shape, np.uint8)
    array[0], array[2], array[4] = 1, 2, 3
    same = (0.0, 1.0, 0.0)
    segments = tuple(
        Segment(0, n, name, name, same) for n, name in ((1, "liver"), (2, "spleen"), (3, "rib_left_1"))
    )
    segmentation = Segmentation(on, [array], segments)
    write_labels(tmp_path / "a.nii.gz", segmentation, flatten(segmentation))
    colours = [s.colour for s in read_segmentation(tmp_path / "a.nii.gz").segments]
    assert same not in colours and len(set(colours)) == 3


def test_labels_that_the_table_does_not_name_are_left_out_with_a_warning(tmp_path):
    write_nifti(label_map(), tmp_path / "map.nii.gz")
    read = read_segmentation(tmp_path / "map.nii.gz", table(tmp_path, "value,name\n1,Liver\n9,Spleen\n"))
    assert [s.name for s in read.segments] == ["liver"]
    assert read.warnings == [
        {"code": "export.unnamed_labels", "message": "labels without a name were left out: 5"}
    ]


@pytest.mark.parametrize(
    ("dtype", "change", "code"),
    [(np.float32, 0.5, "input.corrupt"), (np.int16, -7, "input.corrupt"), (np.uint8, None, "export.empty")],
)
def test_what_is_no_label_map_is_refused(tmp_path, dtype, change, code):
    volume = label_map(dtype)
    if change is None:
        volume.array[:] = 0
    else:
        volume.array[0, 0, 0] = change
    write_nifti(volume, tmp_path / "map.nii.gz")
    with pytest.raises(PipelineError) as caught:
        read_segmentation(tmp_path / "map.nii.gz", table(tmp_path, "value,name\n1,Liver\n"))
    assert caught.value.code == code and "map.nii.gz" in caught.value.message


def test_labels_stored_as_whole_floats_are_taken(tmp_path):
    write_nifti(label_map(np.float32), tmp_path / "map.nii.gz")
    read = read_segmentation(tmp_path / "map.nii.gz", table(tmp_path, "value,name\n1,Liver\n5,Spleen\n"))
    assert read.layers[0].dtype == np.uint8 and len(read.segments) == 2


def test_names_become_titles_groups_and_machine_names():
    assert readable_title("lung_upper_lobe_left") == "Left lung upper lobe"
    assert readable_title("vertebrae_L3") == "Vertebra L3"
    assert machine_name("Left Lung (upper)") == "left_lung_upper"
    assert machine_name("vertebrae_L3") == "vertebrae_L3"
    assert [guess_group(n) for n in ("rib_left_4", "aorta", "iliopsoas_left", "spleen", "body", "xyz")] == [
        "bones", "vessels", "muscles", "organs", "tissue", "other",
    ]  # fmt: skip
