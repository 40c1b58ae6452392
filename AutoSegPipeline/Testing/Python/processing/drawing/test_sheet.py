"""The sheet of the picture: it fits, its panels stand apart, and its letters cover nothing."""

from __future__ import annotations

import numpy as np
import pytest
from AutoSegPipelineLib.processing.drawing.sheet import (
    BORDER,
    GROUND,
    HEIGHT,
    WIDTH,
    Panel,
    arrange,
    assemble,
    plan_sheet,
)
from scipy.ndimage import find_objects, label

PATIENTS = {
    "torso": (360, 230, 300),
    "whole body": (420, 260, 1000),
    "flat": (330, 300, 90),
    "lesion": (6, 6, 6),
    "long": (10, 10, 900),
}
LETTERS = ("R", "L", "S", "I")


def sheet_of(patient, letters=LETTERS):
    """Panels full of white."""
    x, y, z = np.array(PATIENTS[patient], float)
    scale, in_a_row = plan_sheet(np.array((x, y, z)), np.array((x + 10, y + 10, z)))
    sizes = [(x, z), (y, z), (x + 10, y + 10), (x + 10, z), (y + 10, z)]
    panels = [
        Panel(np.full((max(round(h / scale), 1), max(round(w / scale), 1), 3), 255, np.uint8), letters)
        for w, h in sizes
    ]
    return panels, in_a_row, scale


@pytest.mark.parametrize("patient", PATIENTS)
def test_the_picture_fits_and_its_panels_keep_their_margins(patient):
    panels, in_a_row, _ = sheet_of(patient)
    (wide, high), places = arrange([panel.size for panel in panels], in_a_row)
    assert wide <= WIDTH and high <= HEIGHT
    taken = np.zeros((high, wide), int)
    for panel, (x, y) in zip(panels, places):
        w, h = panel.size
        assert x >= BORDER and y >= BORDER and x + w + BORDER <= wide and y + h + BORDER <= high
        taken[y - BORDER : y + h + BORDER, x - BORDER : x + w + BORDER] += 1
    assert taken.max() == 1
    assert in_a_row == (patient in ("whole body", "long"))


@pytest.mark.parametrize("patient", PATIENTS)
def test_letters_and_scale_cover_nothing_and_all_are_there(patient):
    panels, in_a_row, scale = sheet_of(patient)
    drawn = assemble(panels, in_a_row, scale)
    (wide, high), places = arrange([panel.size for panel in panels], in_a_row)
    bare = np.empty((high, wide, 3), np.uint8)
    bare[...] = GROUND
    for panel, (x, y) in zip(panels, places):
        bare[y : y + panel.size[1], x : x + panel.size[0]] = panel.pixels
    written, count = label((drawn != bare).any(axis=-1), np.ones((3, 3)))
    assert count >= 5 * len(LETTERS)
    for box in find_objects(written):
        assert (bare[box] == GROUND).all()
    for x, y in places:  # a letter in each margin
        assert written[y:, x - BORDER : x].any() and written[y - BORDER : y, x:].any()


def test_the_bar_is_as_long_as_it_says():
    panels, in_a_row, scale = sheet_of("torso", ("",) * 4)
    drawn = assemble(panels, in_a_row, scale)
    ink = (drawn[..., 0] > 200) & (drawn[..., 2] < 150)
    longest = max(np.ptp(np.flatnonzero(row)) + 1 for row in ink if row.any())
    assert longest * scale == pytest.approx(100.0, abs=scale)
