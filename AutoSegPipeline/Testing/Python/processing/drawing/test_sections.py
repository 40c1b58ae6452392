"""The slices of the picture: the patient's right on the left, true proportions, the scan in its window."""

from __future__ import annotations

import numpy as np
import pytest
from AutoSegPipelineLib.core.segmentation import Segment, Segmentation
from AutoSegPipelineLib.processing.drawing.sections import PLANES, ct_window, make_sections, smoothed
from AutoSegPipelineLib.processing.measure import measure
from AutoSegPipelineLib.processing.volume import Volume
from support.processing import DIRECTIONS, grid

GREEN, RED = (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)


def places_of(on):
    """LPS mm of each voxel, (k, j, i, 3)."""
    k, j, i = np.indices(on.array_shape)
    affine = np.asarray(on.affine)
    return np.stack([i, j, k], axis=-1) @ affine[:3, :3].T + affine[:3, 3]


def balls(on, *wanted):
    """A segmentation with a ball for each (LPS centre, radius, segment)."""
    lps = places_of(on)
    layer = np.zeros(on.array_shape, np.uint8)
    for centre, radius, segment in wanted:
        layer[np.linalg.norm(lps - centre, axis=-1) < radius] = segment.value
    return Segmentation(on, [layer], tuple(segment for _, _, segment in wanted))


def middle(on):
    return places_of(on).reshape(-1, 3).mean(axis=0)


def one_ball(on, radius=14.0, offset=(0.0, 0.0, 0.0)):
    return balls(on, (middle(on) + offset, radius, Segment(0, 1, "liver", "Liver", GREEN, "organs")))


def cut(segmentation, volume=None, modality="CT"):
    return make_sections(segmentation, measure(segmentation, volume), volume, modality)


def follows(grey, ramp, shown):
    return np.corrcoef(ramp[shown], grey[shown])[0, 1]


def extent(mask):
    rows, columns = np.nonzero(mask)
    return np.ptp(rows) + 1, np.ptp(columns) + 1


@pytest.mark.parametrize("directions", DIRECTIONS)
@pytest.mark.parametrize("axis", range(3))
def test_the_axes_of_a_slice_are_the_patients_and_point_where_radiologists_expect_them(directions, axis):
    on = grid((36, 40, 44), DIRECTIONS[directions], spacing=(2, 2, 2))
    volume = Volume(places_of(on)[..., axis].astype(np.float32), on, "MR")
    sections = cut(one_ball(on, 3.0), volume, "MR")
    for plane, image in zip(PLANES, sections.images):
        grey = image[..., 2].astype(float)  # the ball is green
        rows, columns = (np.arange(n) - n / 2 for n in grey.shape)
        near = np.hypot(rows[:, None], columns[None, :]) * sections.mm_per_pixel
        shown = (near < 20) & (near > 8)  # within the scan however it lies, and beside the ball
        if plane.right[0] == axis:  # columns run to the patient's left, and to the back
            assert follows(grey, np.broadcast_to(columns, grey.shape), shown) > 0.99
        elif plane.down[0] == axis:
            assert follows(grey, np.broadcast_to(rows[:, None], grey.shape), shown) * plane.down[1] > 0.99
        else:
            assert np.ptp(grey[shown]) < 12  # one place along the axis that is cut
    assert [plane.letters for plane in PLANES] == [
        ("R", "L", "A", "P"), ("R", "L", "S", "I"), ("A", "P", "S", "I"),
    ]  # fmt: skip


@pytest.mark.parametrize("directions", ["straight", "permuted", "oblique left-handed"])
def test_a_ball_is_round_whatever_the_spacing(directions):
    on = grid((60, 40, 24), DIRECTIONS[directions], spacing=(1, 1.5, 3))
    sections = cut(one_ball(on))
    for image in sections.images:
        for length in extent(image[..., 1] > 100):
            assert length * sections.mm_per_pixel == pytest.approx(28.0, abs=3.0)


def test_without_a_scan_the_labels_stand_on_black():
    on = grid((40, 40, 40), spacing=(2, 2, 2))
    sections = cut(one_ball(on))
    assert sections.window == ""
    for image in sections.images:
        assert (image[..., (0, 2)] == 0).all() and (image[:4] == 0).all()
        assert image[image.shape[0] // 2, image.shape[1] // 2, 1] > 180


def test_a_ct_is_shown_in_the_window_for_soft_tissue_with_the_structure_over_it():
    on = grid((40, 40, 40), spacing=(2, 2, 2))
    array = np.full(on.array_shape, 40, np.int16)
    array[:, :, :10], array[:, :, 30:] = -1000, 1200
    sections = cut(one_ball(on), Volume(array, on, "CT"))
    assert sections.window == "soft tissue window, \u2212160 to 240 HU"
    axial = sections.images[0]
    row = axial[4]
    assert (row[3] == 0).all() and (row[-3] == 255).all() and abs(int(row[row.shape[0] // 2, 0]) - 128) <= 1
    inside = axial[axial.shape[0] // 2, axial.shape[1] // 2].astype(int)
    assert inside[1] > inside[0] + 30  # the green does not hide the scan
    assert 60 < inside[0] < 120


def test_what_lies_outside_an_oblique_scan_is_black():
    on = grid((40, 40, 40), DIRECTIONS["oblique"], spacing=(2, 2, 2))
    segmentation = one_ball(on, 34.0)
    sections = cut(segmentation, Volume(np.full(on.array_shape, 500, np.int16), on, "CT"))
    assert any((image[:2, :2] == 0).all() for image in sections.images)
    for image in sections.images:
        assert (image == 255).all(axis=-1).sum() > 500


def test_brains_lungs_and_bones_have_windows_of_their_own():
    on = grid((20, 20, 20), spacing=(2, 2, 2))

    def window(name, group):
        segmentation = balls(on, (middle(on), 9.0, Segment(0, 1, name, name, GREEN, group)))
        return ct_window(measure(segmentation, None))

    assert window("brain", "organs") == (0.0, 80.0, "brain")
    assert window("lung_left", "organs") == (-1350.0, 150.0, "lung")
    assert window("femur_left", "bones") == (-450.0, 1050.0, "bone")
    assert window("body", "tissue") == window("liver", "organs") == (-160.0, 240.0, "soft tissue")


def test_the_slices_go_through_what_is_small_and_leave_the_tissue_around_out_of_account():
    on = grid((60, 60, 60), spacing=(2, 2, 2))
    lesion = middle(on) + (20.0, -14.0, 26.0)
    segmentation = balls(
        on,
        (middle(on), 55.0, Segment(0, 1, "body", "Body", (0.9, 0.7, 0.6), "tissue", 0, 0.2)),
        (lesion, 3.0, Segment(0, 2, "liver_tumor", "Tumour", RED, "lesions")),
    )
    assert np.abs(np.array(cut(segmentation).place) - lesion).max() < 3.0


def test_smoothing_takes_steps_away_and_moves_no_edge():
    rows, columns = np.indices((120, 120))
    disc = np.hypot(rows - 59.5, columns - 59.5) < 40
    coarse = np.kron(disc[3::6, 3::6], np.ones((6, 6))).astype(np.int32)
    smooth = smoothed(coarse, (3.0, 3.0))
    assert smooth.sum() == pytest.approx(coarse.sum(), rel=0.02)
    assert (smooth != disc).sum() < 0.75 * (coarse != disc).sum()
    assert (smoothed(coarse * 3, (0.0, 0.0)) == coarse * 3).all()
