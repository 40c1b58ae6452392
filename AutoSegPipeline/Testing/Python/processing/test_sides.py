"""The check of sides: which is left, read off what was found."""

from __future__ import annotations

import numpy as np
from AutoSegPipelineLib.core.segmentation import Segmentation
from AutoSegPipelineLib.processing.sides import check_sides
from support.tissue import (
    masks,
    mirrored,
    segment,
    with_array,
)


def test_sides_are_read_off_named_organs_without_looking_at_intensities(torso):
    blank = with_array(torso.volume, np.zeros_like(torso.volume.array), "MR")
    assert check_sides(torso.truth, blank).verdict == "ok"
    flipped = Segmentation(mirrored(torso.volume).grid, torso.truth.layers, torso.truth.segments)
    assert check_sides(flipped, blank).verdict == "swapped"


def test_paired_structures_in_the_right_order_alone_prove_nothing(torso):
    pair = tuple(s for s in torso.truth.segments if s.name.startswith(("kidney", "lung")))
    blank = with_array(torso.volume, np.zeros_like(torso.volume.array), "MR")
    assert (
        check_sides(Segmentation(torso.volume.grid, torso.truth.layers, pair), blank).verdict == "unverified"
    )
    flipped = Segmentation(mirrored(torso.volume).grid, torso.truth.layers, pair)
    assert check_sides(flipped, blank).verdict == "swapped"


def test_sides_of_a_trunk_without_organs_are_not_verified(torso):
    array = torso.volume.array.copy()
    truth = masks(torso.truth)
    for name in ("heart", "aorta", "liver", "spleen", "stomach", "kidney_left", "kidney_right"):
        array[truth[name]] = -100
    volume = with_array(torso.volume, array)
    assert check_sides(segment(volume, quality="fastest"), volume).verdict == "unverified"
