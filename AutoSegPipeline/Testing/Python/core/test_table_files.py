"""Which files may name a label map's labels, by their own names."""

from __future__ import annotations

import pytest
from AutoSegPipelineLib.core.table_files import (
    FolderNames,
    map_stem,
    structure_of,
    table_files,
    tables_beside,
)


def names(label_map, *folders):
    return [
        (one.name, one.above) for one in table_files(label_map, [FolderNames(names) for names in folders])
    ]


@pytest.mark.parametrize(
    ("label_map", "table"),
    [
        ("map.nii.gz", "map.csv"),
        ("map.NII.GZ", "MAP.CSV"),
        ("map.seg.nrrd", "map.ctbl"),
        ("map.nhdr", "map.txt"),
        ("map.mha", "map.label"),
        ("map.nii", "map.lut"),
        ("Segmentation-label.nrrd", "Segmentation_ColorTable.ctbl"),
        ("Segmentation.nrrd", "Segmentation_ColorTable.csv"),
        ("sub-01_dseg.nii.gz", "sub-01_dseg.tsv"),
        ("sub-01_space-T1w_desc-aseg_dseg.nii.gz", "desc-aseg_dseg.tsv"),
        ("seg.nii.gz", "dseg.tsv"),
        ("case_001.nii.gz", "dataset.json"),
        ("aparc+aseg.nii.gz", "FreeSurferColorLUT.txt"),
        ("case_001.nii.gz", "labels.csv"),
    ],
)
def test_a_table_is_found_by_its_name(label_map, table):
    assert names(label_map, ["other.csv", label_map, table]) == [(table, 0)]


@pytest.mark.parametrize(
    ("label_map", "table"),
    [
        ("map.nii.gz", "other.csv"),
        ("sub-01_dseg.nii.gz", "sub-02_dseg.tsv"),
        ("sub-01_dseg.nii.gz", "sub-01_desc-aseg_dseg.tsv"),
        ("map.nii.gz", "map.pdf"),
    ],
)
def test_a_table_of_another_label_map_is_not(label_map, table):
    assert names(label_map, [label_map, table]) == []


def test_the_nearest_and_most_specific_comes_first():
    here = ["dataset.json", "dseg.tsv", "sub-01_dseg.tsv", "sub-01_dseg.csv", "labels.csv"]
    above = ["dataset.json", "labels.csv", "dseg.tsv"]
    assert names("sub-01_dseg.nii.gz", here, above) == [
        ("sub-01_dseg.csv", 0), ("sub-01_dseg.tsv", 0), ("dseg.tsv", 0), ("dataset.json", 0),
        ("labels.csv", 0), ("dseg.tsv", 1), ("dataset.json", 1),
    ]  # fmt: skip


def test_what_is_called_as_the_label_map_must_be_a_table_and_other_files_may_be():
    found = table_files("a.nii", [FolderNames(["a.csv", "a.json", "dataset.json"])])
    assert [(one.name, one.own) for one in found] == [
        ("a.csv", True), ("a.json", False), ("dataset.json", False),
    ]  # fmt: skip


def test_on_the_disk_folders_above_are_looked_into_for_what_belongs_there(tmp_path):
    folder = tmp_path / "set" / "sub-01" / "ses-1" / "anat"
    folder.mkdir(parents=True)
    for place in (
        tmp_path / "set" / "dseg.tsv",
        folder.parent / "dataset.json",
        folder.parent / "labels.csv",
    ):
        place.write_text("x")
    assert tables_beside(folder / "sub-01_ses-1_dseg.nii.gz") == (
        folder.parent / "dataset.json", tmp_path / "set" / "dseg.tsv",
    )  # fmt: skip
    assert tables_beside(folder / "map.nii.gz") == (folder.parent / "dataset.json",)
    assert tables_beside(tmp_path / "nowhere" / "map.nii.gz") == ()


def test_a_label_map_is_called_by_its_file():
    calls = {
        "a/liver.nii.gz": "liver",
        "Liver.SEG.NRRD": "Liver",
        "c\\left lung.nhdr": "left lung",
        "x.csv": "x.csv",
    }
    assert {name: map_stem(name) for name in calls} == calls


def test_a_name_all_in_capitals_says_its_structure_in_small_letters():
    said = {"a/KIDNEY_LEFT.NII.GZ": "kidney_left", "vertebrae_L2.nii.gz": "vertebrae_L2", "IVC.nii": "IVC"}
    assert {name: structure_of(name) for name in said} == said
