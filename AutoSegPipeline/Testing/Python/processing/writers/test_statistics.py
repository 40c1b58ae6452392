"""What is measured of a structure, against numbers that follow from how it was made."""

from __future__ import annotations

import csv
import json

import nibabel
import numpy as np
import pytest
import SimpleITK
from AutoSegPipelineLib.core.segmentation import Segment, Segmentation
from AutoSegPipelineLib.processing.layers import drop_empty, flatten
from AutoSegPipelineLib.processing.measure import measure
from AutoSegPipelineLib.processing.volume import Volume
from AutoSegPipelineLib.processing.writers.labels import write_labels
from AutoSegPipelineLib.processing.writers.statistics import COLUMNS, write_csv, write_json
from support.processing import DIRECTIONS, centroid_ras, grid, two_layers


def hounsfield(segmentation):
    """A scan whose intensity is 2 i - 100 everywhere."""
    array = np.zeros(segmentation.grid.array_shape, np.int16) - 100
    array += 2 * np.arange(segmentation.grid.shape[0], dtype=np.int16)
    return Volume(array, segmentation.grid, "CT")


@pytest.mark.parametrize("handed", list(DIRECTIONS))
def test_volume_centroid_and_bounds_follow_the_affine(handed):
    segmentation = two_layers(grid((20, 16, 12), DIRECTIONS[handed]))
    for one, segment in zip(measure(segmentation, None), segmentation.segments):
        mask = segmentation.layers[segment.layer] == segment.value
        assert one.voxels == np.count_nonzero(mask)
        assert one.volume_ml == pytest.approx(np.count_nonzero(mask) * 12.0 / 1000)
        assert one.centroid_ras_mm == pytest.approx(tuple(centroid_ras(segmentation, segment)))
        assert one.centroid_lps_mm[:2] == pytest.approx([-one.centroid_ras_mm[0], -one.centroid_ras_mm[1]])
        low, high = np.array(one.bounds_lps_mm[:3]), np.array(one.bounds_lps_mm[3:])
        assert (low < one.centroid_lps_mm).all() and (one.centroid_lps_mm < high).all()
        assert one.intensity is None


def test_bounds_enclose_the_outer_faces_of_the_voxels():
    segmentation = two_layers(grid((20, 16, 12), spacing=(1.0, 2.0, 3.0), origin=(0.0, 0.0, 0.0)))
    lung = measure(segmentation, None)[1]
    assert lung.index_min == (3, 3, 2) and lung.index_max == (5, 7, 5)
    assert lung.bounds_lps_mm == (2.5, 5.0, 4.5, 5.5, 15.0, 16.5)


def test_intensities_are_those_of_the_voxels_inside():
    segmentation = two_layers(grid((20, 16, 12)))
    scan = hounsfield(segmentation)
    for one, segment in zip(measure(segmentation, scan), segmentation.segments):
        inside = scan.array[segmentation.layers[segment.layer] == segment.value].astype(float)
        assert one.intensity.mean == pytest.approx(inside.mean())
        assert one.intensity.sd == pytest.approx(inside.std())
        assert (one.intensity.min, one.intensity.max) == (inside.min(), inside.max())
        assert one.intensity.median == np.median(inside)


def test_only_what_reaches_the_edge_touches_the_border():
    on = grid((6, 6, 6))
    layer = np.zeros(on.array_shape, np.uint8)
    layer[1:5, 1:5, 1:5] = 1
    layer[2, 2, 5] = 2
    segments = (Segment(0, 1, "inside", "Inside", (1, 0, 0)), Segment(0, 2, "edge", "Edge", (0, 1, 0)))
    touching = [one.touches_border for one in measure(Segmentation(on, [layer], segments), None)]
    assert touching == [False, True]


def test_a_name_that_a_spreadsheet_would_compute_is_defused(tmp_path):
    on = grid((4, 4, 4))
    layer = np.ones(on.array_shape, np.uint8)
    evil = '=HYPERLINK("x")'
    segmentation = Segmentation(on, [layer], (Segment(0, 1, "-2+3", evil, (1, 0, 0), "@group"),))
    measured = measure(segmentation, None)
    write_csv(tmp_path / "s.csv", measured, "", {one.name: "tissue" for one in measured})
    with open(tmp_path / "s.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert rows[1][:3] == ["'-2+3", "'" + evil, "'@group"]
    assert float(rows[1][COLUMNS.index("centroid_x_lps_mm")]) == pytest.approx(-27.0)
    write_json(tmp_path / "s.json", measured, on, "", {one.name: "tissue" for one in measured})
    row = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))["structures"][0]
    assert row["title"] == evil and row["intensity"] is None and row["touches_border"] is True


@pytest.mark.parametrize("handed", list(DIRECTIONS))
def test_the_label_map_lies_on_the_scan_for_nibabel_and_for_simpleitk(tmp_path, handed):
    segmentation = two_layers(grid((20, 16, 12), DIRECTIONS[handed]))
    flat = flatten(segmentation)
    path = tmp_path / "a.labels.nii.gz"
    write_labels(path, segmentation, flat)
    ras = np.diag([-1, -1, 1, 1]) @ np.asarray(segmentation.grid.affine)
    image = nibabel.load(path)
    assert image.get_data_dtype() == np.uint8
    assert int(image.header["qform_code"]) == int(image.header["sform_code"]) == 1
    assert np.allclose(image.get_sform(), ras, atol=1e-4) and np.allclose(image.get_qform(), ras, atol=1e-4)
    assert np.array_equal(np.asarray(image.dataobj).T, flat.labels)
    other = SimpleITK.ReadImage(str(path))
    assert np.array_equal(SimpleITK.GetArrayFromImage(other), flat.labels)
    assert other.TransformContinuousIndexToPhysicalPoint((1.0, 2.0, 3.0)) == pytest.approx(
        (np.asarray(segmentation.grid.affine) @ [1, 2, 3, 1])[:3].tolist(), abs=1e-3
    )


def test_the_higher_priority_wins_and_the_overlap_is_counted():
    segmentation = two_layers(grid((20, 16, 12)))
    flat = flatten(segmentation)
    # Values 1, 1, 7 are not unique, so the table's order gives 1, 2, 3.
    assert flat.values == {"body": 1, "lung_left": 2, "bones": 3}
    lung, bones = (segmentation.layers[1] == value for value in (1, 7))
    assert (flat.labels[lung] == 2).all() and (flat.labels[bones] == 3).all()
    assert (flat.labels[(segmentation.layers[0] == 1) & ~lung & ~bones] == 1).all()
    assert (flat.labels[(segmentation.layers[0] == 0) & (segmentation.layers[1] == 0)] == 0).all()
    body = segmentation.layers[0] == 1
    assert {(o.winner, o.loser, o.voxels) for o in flat.overlaps} == {
        ("lung_left", "body", np.count_nonzero(lung & body)),
        ("bones", "body", np.count_nonzero(bones & body)),
    }


def test_values_that_are_unique_stay_and_need_no_more_bits_than_they_must():
    on = grid((4, 4, 4))
    layer = np.zeros(on.array_shape, np.uint32)
    layer[0], layer[1] = 500, 3
    segments = (Segment(0, 500, "a", "A", (1, 0, 0)), Segment(0, 3, "b", "B", (1, 0, 0)))
    flat = flatten(Segmentation(on, [layer], segments))
    assert flat.values == {"a": 500, "b": 3} and flat.labels.dtype == np.uint16 and flat.overlaps == ()


def test_a_segment_without_voxels_is_dropped_and_named():
    segmentation = two_layers(grid((20, 16, 12)))
    segmentation.layers[1][segmentation.layers[1] == 7] = 0
    kept, absent = drop_empty(segmentation)
    assert [s.name for s in kept.segments] == ["body", "lung_left"]
    assert [s.name for s in absent] == ["bones"]
