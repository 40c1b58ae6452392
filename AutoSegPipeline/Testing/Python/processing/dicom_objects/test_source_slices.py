"""Labels on the slices of a source, wherever its grid and the case's lie to one another."""

from __future__ import annotations

import numpy as np
import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.pacs.source_series import SourceSeries, SourceSlice
from AutoSegPipelineLib.core.segmentation import Grid
from AutoSegPipelineLib.processing.dicom_objects.source_slices import on_source_slices
from support.processing import DIRECTIONS, grid, rotation

SHAPE, SPACING = (13, 11, 9), (1.5, 2.0, 2.5)


def series(axes: np.ndarray, places: list[np.ndarray], position: np.ndarray | None = None) -> SourceSeries:
    """Slices of 10 rows and 12 columns, 1.6 and 1.3 mm apart, along the first two of ``axes``."""
    directions = [*axes[:, 0], *axes[:, 1]]
    slices = [
        SourceSlice(f"1.2.{n}", "1.2", 0, list(one if position is None else position), list(one))
        for n, one in enumerate(places)
    ]
    return SourceSeries(
        "x", "1.2", "1.2.3", 1, "1.2.4", "CT", 10, 12, [1.6, 1.3], directions, directions, 2.5, slices
    )


def by_hand(layer: np.ndarray, on: Grid, of: SourceSeries) -> tuple[np.ndarray, np.ndarray]:
    """The nearest voxel of each pixel, and whether the pixel lies clearly nearer to it than to others."""
    inverse = np.linalg.inv(np.array(on.affine))
    found = np.zeros((len(of.slices), of.rows, of.columns), layer.dtype)
    clear = np.zeros(found.shape, bool)
    for n, one in enumerate(of.slices):
        for r in range(of.rows):
            for c in range(of.columns):
                row, down = np.array(of.straight[:3]), np.array(of.straight[3:])
                point = np.array(one.place) + row * c * of.spacing[1] + down * r * of.spacing[0]
                at = (inverse @ np.array([*point, 1.0]))[:3]
                i, j, k = (int(np.rint(v)) for v in at)
                clear[n, r, c] = np.all(np.abs(np.abs(at - np.floor(at)) - 0.5) > 0.02)
                if 0 <= i < on.shape[0] and 0 <= j < on.shape[1] and 0 <= k < on.shape[2]:
                    found[n, r, c] = layer[k, j, i]
    return found, clear


@pytest.mark.parametrize("turned", [0.0, 0.4, 90.0, 33.0], ids=["along", "nearly along", "across", "askew"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_each_pixel_shows_the_nearest_voxel(direction: str, turned: float) -> None:
    on = grid(SHAPE, DIRECTIONS[direction], SPACING)
    layer = np.random.default_rng(3).integers(1, 200, on.array_shape).astype(np.uint8)
    axes = np.array(on.affine)[:3, :3] / np.array(on.spacing) @ rotation(turned, 2)
    inside = np.array(on.affine) @ np.array([2.2, 1.3, 1.1, 1.0])
    places = [inside[:3] + axes[:, 2] * 2.3 * n for n in range(4)]
    of = series(axes, places)
    wanted, clear = by_hand(layer, on, of)
    found = on_source_slices(layer, on, of)
    assert clear.sum() > 200 and (wanted[clear] > 0).any()
    assert np.array_equal(found[clear], wanted[clear])


def test_a_slice_just_beyond_an_evened_out_grid_shows_its_last_plane() -> None:
    on = grid(SHAPE, None, SPACING)
    layer = np.ones(on.array_shape, np.uint8)
    layer[0], layer[-1] = 5, 7
    heights = [-1.2, -0.8, 0.0, SHAPE[2] - 1, SHAPE[2] - 0.2, SHAPE[2] + 0.2]
    places = [np.array(on.origin) + np.array([0, 0, height * SPACING[2]]) for height in heights]
    found = on_source_slices(layer, on, series(np.eye(3), places))
    assert [int(plane.max()) for plane in found] == [0, 5, 5, 7, 7, 0]


def test_the_place_on_the_grid_counts_and_not_the_stated_position() -> None:
    on = grid(SHAPE, None, SPACING)
    layer = np.arange(SHAPE[2], dtype=np.uint8)[:, None, None] + np.ones(on.array_shape, np.uint8)
    places = [np.array(on.origin) + np.array([0, 0, n * SPACING[2]]) for n in range(3)]
    found = on_source_slices(layer, on, series(np.eye(3), places, position=np.array([9e3, 9e3, 9e3])))
    assert [int(plane.max()) for plane in found] == [1, 2, 3]


def test_halves_go_the_same_way_in_a_slice() -> None:
    on = grid((12, 10, 3), None, (1.3, 1.6, 2.5))
    layer = np.tile(np.arange(12, dtype=np.uint8), (3, 10, 1))
    of = series(np.eye(3), [np.array(on.origin) + np.array([-0.65, 0, 0])])
    (plane,) = on_source_slices(layer, on, of)
    assert plane[0].tolist() == [0, *range(11)]


def test_a_source_elsewhere_is_an_error() -> None:
    on = grid(SHAPE, None, SPACING)
    with pytest.raises(PipelineError) as caught:
        on_source_slices(np.ones(on.array_shape, np.uint8), on, series(np.eye(3), [np.array([0, 0, 900.0])]))
    assert caught.value.code == "pacs.objects_failed"
