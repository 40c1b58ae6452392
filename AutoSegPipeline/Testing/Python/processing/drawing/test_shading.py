"""Depth cues: hollows are dark, slopes alone are not, what is far is dimmer."""

from __future__ import annotations

import numpy as np
import pytest
from AutoSegPipelineLib.processing.drawing.shading import occlusion, shaded

ROWS, COLUMNS = np.indices((90, 120)).astype(np.float32)


def test_a_slope_and_a_hill_are_in_full_light():
    slope = 100.0 + 0.7 * COLUMNS + 0.3 * ROWS
    assert occlusion(slope, 1.0)[30:60, 30:90].max() < 0.01
    hill = 100.0 + 0.01 * ((COLUMNS - 60) ** 2 + (ROWS - 45) ** 2)
    assert occlusion(hill, 1.0)[25:65, 35:85].max() < 0.01


def test_the_floor_of_a_hole_is_darker_than_the_plain_and_evenly_so_all_around():
    depth = np.full(ROWS.shape, 100.0, np.float32)
    depth[40:50, 50:60] = 120.0
    shade = occlusion(depth, 1.0)
    assert shade[45, 55] > 0.5 and shade[20, 20] == 0.0
    assert np.allclose(shade[40:50, 50:60], shade[40:50, 50:60][::-1, ::-1], atol=0.05)


def test_a_bar_in_front_shades_what_lies_behind_it_and_not_itself():
    depth = np.full(ROWS.shape, 130.0, np.float32)
    depth[:, 55:65] = 110.0
    shade = occlusion(depth, 1.0)
    assert shade[45, 52] > shade[45, 30] + 0.1 and shade[45, 60] == 0.0


def test_nothing_stays_as_it_is_and_the_far_is_dimmer():
    image = np.full((*ROWS.shape, 3), 100, np.uint8)
    depth = np.where(COLUMNS < 40, 100.0, 200.0).astype(np.float32)
    depth[:, 80:] = np.inf
    seen = shaded(image, depth, 1.0)
    assert (seen[:, 80:] == 100).all()
    assert seen[45, 10, 0] > seen[45, 75, 0] + 10
    assert (shaded(image, np.full(ROWS.shape, np.inf, np.float32), 1.0) == image).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (40, 2)])
def test_small_pictures_have_shade_too(shape):
    assert occlusion(np.full(shape, 5.0, np.float32), 0.5).shape == shape
