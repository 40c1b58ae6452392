"""Existing segmentations: names from every place that people keep them in, and errors that help."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.segmentation import Code, Segment, Segmentation
from AutoSegPipelineLib.core.structure_names import machine_name
from AutoSegPipelineLib.processing.anatomy import guess_group, likely_colour, readable_title
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


def test_a_label_map_without_names_goes_on_with_its_labels_and_one_warning(tmp_path):
    write_nifti(label_map(), tmp_path / "map.nii.gz")
    read = read_segmentation(tmp_path / "map.nii.gz")
    assert [(s.name, s.title, s.value) for s in read.segments] == [
        ("label_1", "Label 1", 1), ("label_5", "Label 5", 5),
    ]  # fmt: skip
    assert read.warnings == [
        {
            "code": "export.unnamed_labels",
            "message": "nothing names the labels of map.nii.gz; they are called Label 1, Label 5",
        }
    ]


@pytest.mark.parametrize(
    ("name", "ending"), [("liver", ".nii.gz"), ("LIVER", ".NII.GZ"), ("a folder/Liver", ".nrrd")]
)
@pytest.mark.parametrize("value", [1, 255])
def test_a_mask_alone_is_named_by_its_file(tmp_path, name, ending, value):
    volume = label_map()
    volume.array[:] = np.where(volume.array == 1, value, 0)
    path = tmp_path / f"scan{ending}"
    WRITERS[ending.lower()](volume, path)
    read = read_segmentation(path, name=name + ending)
    assert [(s.name, s.title) for s in read.segments] == [("liver", "Liver")] and read.warnings == []


def test_a_table_beside_the_label_map_gives_the_names(tmp_path):
    write_nrrd(label_map(), tmp_path / "map.nrrd")
    names = table(tmp_path, "value,name\n1,Liver\n5,Spleen\n", "map.csv")
    read = read_segmentation(tmp_path / "map.nrrd", table=names)
    assert [s.name for s in read.segments] == ["liver", "spleen"] and read.warnings == []


def test_a_table_beside_a_file_that_names_its_labels_is_not_used_and_that_is_said(tmp_path):
    segmentation = two_layers(grid((20, 16, 12)))
    write_labels(tmp_path / "a.nii.gz", segmentation, flatten(segmentation))
    write_seg_nrrd(tmp_path / "a.seg.nrrd", segmentation)
    for name in ("a.nii.gz", "a.seg.nrrd"):
        other = table(tmp_path, "value,name\n1,Torso\n", "a.csv")
        read = read_segmentation(tmp_path / name, table=other)
        assert read.segments[0].name == "body"
        (warning,) = read.warnings
        assert warning["code"] == "export.table_not_used" and "a.csv" in warning["message"]
        assert "label 1: body, not torso" in warning["message"]
        coloured = table(tmp_path, "value,name,r,g,b\n1,Body,1,2,3\n", "c.csv")
        assert (
            "another colour of body"
            in read_segmentation(tmp_path / name, table=coloured).warnings[0]["message"]
        )
        same = table(tmp_path, "value,name\n1,Body\n9,Spleen\n", "b.csv")
        assert read_segmentation(tmp_path / name, table=same).warnings == []
    given = read_segmentation(tmp_path / "a.nii.gz", other)
    assert given.segments[0].name == "torso"


def test_a_region_of_several_labels_is_one_structure_that_overlaps_its_parts(tmp_path):
    volume = label_map()
    volume.array[6, 2:5, 2:6] = 2
    write_nifti(volume, tmp_path / "map.nii.gz")
    text = '{"labels": {"background": 0, "tumor": [1, 2], "all": [1, 2, 5], "core": 5, "gone": [7, 8]}}'
    read = read_segmentation(tmp_path / "map.nii.gz", table(tmp_path, text, "dataset.json"))
    found = {s.name: int((read.layers[s.layer] == s.value).sum()) for s in read.segments}
    counts = {n: int((volume.array == n).sum()) for n in (1, 2, 5)}
    assert found == {"core": counts[5], "tumor": counts[1] + counts[2], "all": sum(counts.values())}
    assert read.warnings == []
    flat = flatten(read)
    shown = {name: int((flat.labels == flat.values[name]).sum()) for name in found}
    assert shown == {"core": counts[5], "tumor": counts[1] + counts[2], "all": 0}


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


def test_labels_that_the_table_does_not_name_are_called_by_their_number(tmp_path):
    write_nifti(label_map(), tmp_path / "map.nii.gz")
    read = read_segmentation(tmp_path / "map.nii.gz", table(tmp_path, "value,name\n1,Liver\n9,Spleen\n"))
    assert [(s.name, s.value) for s in read.segments] == [("liver", 1), ("label_5", 5)]
    (warning,) = read.warnings
    assert warning["code"] == "export.unnamed_labels"
    assert warning["message"] == (
        "t.csv does not name 1 of the labels of map.nii.gz; they are called Label 5"
    )


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


def test_labels_beyond_a_million_are_counted_from_1_and_keep_their_names(tmp_path):
    volume = label_map(np.uint32)
    volume.array[volume.array == 5] = 614454277
    volume.array[6, 2:5, 2:6] = 182305689
    image = SimpleITK.GetImageFromArray(volume.array)
    SimpleITK.WriteImage(image, str(tmp_path / "map.nrrd"))
    names = table(tmp_path, "id,name\n614454277,Supraoculomotor\n1,Grey\n312782566,Elsewhere\n")
    read = read_segmentation(tmp_path / "map.nrrd", names)
    assert [(s.name, s.value) for s in read.segments] == [
        ("grey", 1), ("label_182305689", 2), ("supraoculomotor", 3),
    ]  # fmt: skip
    assert read.layers[0].dtype == np.uint8
    assert np.array_equal(read.layers[0] == 3, volume.array == 614454277)
    codes = [warning["code"] for warning in read.warnings]
    assert codes == ["export.labels_renumbered", "export.unnamed_labels"]
    assert read.warnings[1]["message"].endswith("they are called Label 182305689")
    with pytest.raises(PipelineError) as caught:
        volume.array = volume.array.astype(np.float32)
        volume.array[0, 0, 0] = 3e10
        write_nrrd(volume, tmp_path / "far.nrrd")
        read_segmentation(tmp_path / "far.nrrd", names)
    assert caught.value.code == "input.corrupt"


def test_the_name_of_a_task_names_the_labels(tmp_path):
    write_nifti(label_map(), tmp_path / "map.nii.gz")
    read = read_segmentation(tmp_path / "map.nii.gz", Path("total_mr"))
    assert [(s.name, s.value) for s in read.segments] == [("spleen", 1), ("liver", 5)]
    other = read_segmentation(tmp_path / "map.nii.gz", Path("body"))
    assert [s.name for s in other.segments] == ["body_trunc", "label_5"]
    assert other.warnings[0]["message"].startswith("body does not name 1 of the labels")


def test_a_mask_called_as_a_structure_of_the_task_is_that_whatever_its_label(tmp_path):
    volume = label_map()
    volume.array[volume.array != 1] = 0
    write_nifti(volume, tmp_path / "map.nii.gz")
    names = {
        name: read_segmentation(tmp_path / "map.nii.gz", Path("total"), name=name).segments[0].name
        for name in ("p/liver.nii.gz", "p/case_1.nii.gz")
    }
    assert names == {"p/liver.nii.gz": "liver", "p/case_1.nii.gz": "spleen"}


def test_codes_of_the_table_win_over_those_of_the_name_and_are_not_mixed_with_them(tmp_path):
    write_nifti(label_map(), tmp_path / "map.nii.gz")
    text = (
        "LabelValue,Name,Type_CodingScheme,Type_CodeValue,Type_CodeMeaning\n"
        "1,kidney_left,99X,K,My kidney\n5,kidney_right,,,\n"
    )
    mine, usual = read_segmentation(tmp_path / "map.nii.gz", table(tmp_path, text)).segments
    assert mine.code == Code("99X", "K", "My kidney") and mine.modifier is None and mine.category is None
    assert usual.code.value == "64033007" and usual.modifier.meaning == "Right"


def test_a_given_table_renames_segments_with_their_codes_wherever_a_label_means_one(tmp_path):
    segmentation = two_layers(grid((20, 16, 12)))
    write_seg_nrrd(tmp_path / "a.seg.nrrd", segmentation)
    names = table(tmp_path, "value,name,color\n7,kidney_left,#ff0000\n9,spleen,\n")
    body, lung, renamed = read_segmentation(tmp_path / "a.seg.nrrd", names).segments
    assert (body, lung) == segmentation.segments[:2]
    assert (renamed.name, renamed.layer, renamed.value, renamed.priority) == ("kidney_left", 1, 7, 60)
    assert renamed.colour == (1, 0, 0) and renamed.code.meaning == "Kidney" and renamed.group == "organs"
    with pytest.raises(PipelineError) as caught:
        read_segmentation(tmp_path / "a.seg.nrrd", table(tmp_path, "value,name\n1,liver\n"))
    assert caught.value.code == "export.bad_table" and "label 1" in caught.value.message


def test_names_become_titles_groups_and_machine_names():
    assert readable_title("lung_upper_lobe_left") == "Left lung upper lobe"
    assert readable_title("vertebrae_L3") == "Vertebra L3"
    assert machine_name("Left Lung (upper)") == "left_lung_upper"
    assert machine_name("vertebrae_L3") == "vertebrae_L3"
    assert [guess_group(n) for n in ("rib_left_4", "aorta", "iliopsoas_left", "spleen", "body", "xyz")] == [
        "bones", "vessels", "muscles", "organs", "tissue", "other",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name, colour",
    [
        ("left_rib_4", "ivory"), ("Femur", "ivory"), ("hepatic_vessels", "red"), ("renal_artery", "red"),
        ("iliac_trunk", "red"), ("portal_vein", "blue"), ("lungs", "pink"), ("psoas", "red"),
    ],
)  # fmt: skip
def test_what_nobody_coloured_has_the_colour_of_an_atlas(name, colour):
    red, green, blue = likely_colour(name, 3)
    assert {
        "ivory": red > 0.8 and green > 0.75 and 0.6 < blue < green,
        "red": red > 1.8 * green and red > 1.8 * blue,
        "blue": blue > 1.5 * green > 1.5 * red,
        "pink": red > green >= blue > 0.5,
    }[colour]
