"""Labels of another program on the scan's grid: exactly, or not at all."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from AutoSegPipelineLib.core.segmentation import Grid, Segment, Segmentation
from AutoSegPipelineLib.processing.same_grid import placement, put_onto
from support.processing import DIRECTIONS, grid

SCAN = grid((7, 6, 5), DIRECTIONS["oblique left-handed"], (1.0, 1.5, 2.5))
TRUTH = np.zeros(SCAN.array_shape, np.uint8)
TRUTH[1:4, 2:5, 1:6] = 1
TRUTH[2, 3, 2] = 2


def moved(affine: np.ndarray, shape: tuple[int, ...]) -> Grid:
    return Grid(shape, tuple(tuple(float(x) for x in row) for row in affine))


def labels(on: Grid, array: np.ndarray) -> Segmentation:
    segments = tuple(Segment(0, value, f"s{value}", f"S{value}", (1.0, 0.0, 0.0)) for value in (1, 2))
    return Segmentation(on, [np.ascontiguousarray(array)], segments)


def turned(axes: tuple[int, ...], flips: tuple[bool, ...]) -> Segmentation:
    """The same labels in the same place, stored with other axes; made voxel by voxel."""
    shape = tuple(SCAN.shape[axis] for axis in axes)
    change = np.zeros((4, 4))
    change[3, 3] = 1
    for own, (axis, flip) in enumerate(zip(axes, flips)):
        change[axis, own] = -1 if flip else 1
        change[axis, 3] = SCAN.shape[axis] - 1 if flip else 0
    array = np.zeros(shape[::-1], np.uint8)
    for index in itertools.product(*(range(count) for count in shape)):
        i, j, k = (change @ [*index, 1]).astype(int)[:3]
        array[index[::-1]] = TRUTH[k, j, i]
    return labels(moved(np.asarray(SCAN.affine) @ change, shape), array)


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", list(itertools.product((False, True), repeat=3)))
def test_every_order_and_direction_of_axes_comes_back_exactly(axes, flips):
    put = put_onto(turned(axes, flips), SCAN)
    assert put is not None and put.grid is SCAN and put.layers[0].flags["C_CONTIGUOUS"]
    assert np.array_equal(put.layers[0], TRUTH)


def shifted(mm: float, shape: tuple[int, int, int] = SCAN.shape) -> Grid:
    affine = np.array(SCAN.affine)
    affine[:3, 3] += mm * affine[:3, 0]
    return moved(affine, shape)


def test_a_hundredth_of_a_voxel_is_rounding_and_half_a_voxel_is_elsewhere():
    assert put_onto(labels(shifted(0.01), TRUTH), SCAN) is not None
    assert put_onto(labels(shifted(0.5), TRUTH), SCAN) is None
    stretched = np.array(SCAN.affine)
    stretched[:3, 0] *= 1.03  # less than a tenth of a voxel at first, more at the far end
    assert placement(moved(stretched, SCAN.shape), SCAN) is None
    sheared = np.array(SCAN.affine)
    sheared[:3, 1] += 0.5 * sheared[:3, 0]
    assert placement(moved(sheared, SCAN.shape), SCAN) is None


def test_a_part_of_the_grid_needs_a_format_that_crops():
    part = labels(shifted(1.0, (5, 6, 5)), TRUTH[:, :, 1:6])
    assert put_onto(part, SCAN) is None
    put = put_onto(part, SCAN, cropped=True)
    assert put is not None and np.array_equal(put.layers[0], TRUTH)


def test_what_reaches_beyond_the_scan_may_only_be_background():
    wider = np.pad(TRUTH, ((0, 0), (0, 0), (2, 0)))
    beyond = labels(shifted(-2.0, (9, 6, 5)), wider)
    put = put_onto(beyond, SCAN, cropped=True)
    assert put is not None and np.array_equal(put.layers[0], TRUTH)
    wider[0, 0, 0] = 1
    assert put_onto(labels(beyond.grid, wider), SCAN, cropped=True) is None
    assert put_onto(labels(shifted(50.0), TRUTH), SCAN, cropped=True) is None
