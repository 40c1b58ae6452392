"""Positions as scanners write them: rounded, wandering, at several distances, overlapping, tilted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from AutoSegPipelineLib.core.errors import Refused
from AutoSegPipelineLib.intake.dicom.instance import Instance
from AutoSegPipelineLib.intake.dicom.measure import measured
from AutoSegPipelineLib.intake.dicom.parts import stacks_of
from support.intake import codes, field_slices, look, only_case, worst_error

AXIAL = (1, 0, 0, 0, 1, 0)
TURN = math.radians(20)
OBLIQUE = (math.cos(TURN), math.sin(TURN), 0, -math.sin(TURN) * 0.8, math.cos(TURN) * 0.8, 0.6)


def slices(heights, thickness=None, numbers=None, orientation=AXIAL, decimals=6, cosines=8, **more):
    """Instances at heights (mm along the normal), their positions written with so many decimals."""
    normal = np.cross(orientation[:3], orientation[3:])
    found = []
    for n, height in enumerate(heights):
        place = np.array((-40.0, -38.0, 0.0)) + height * normal
        one = Instance(
            f"/{n}", f"{n}", f"{n}", modality="CT", rows=40, columns=40, spacing=(2.0, 2.0), **more
        )
        one.position = tuple(round(float(v), decimals) for v in place)
        one.orientation = tuple(round(float(v), cosines) for v in orientation)
        one.thickness = thickness[n] if isinstance(thickness, (list, tuple)) else thickness
        one.instance = n + 1 if numbers is None else numbers[n]
        found.append(one)
    return found


def even(count, step, start=0.3):
    return [start + step * n for n in range(count)]


def warned(case):
    return [warning["code"] for warning in case["warnings"]]


ROUNDED = [(0.5, 1), (0.6, 1), (0.625, 1), (0.625, 2), (0.7, 0), (0.75, 1), (0.8, 0), (1.25, 0), (1.25, 1),
           (1.5, 0), (2.5, 0), (3.27, 1), (4.8, 0), (0.625, 0)]  # fmt: skip


@pytest.mark.parametrize("step,decimals", ROUNDED)
@pytest.mark.parametrize("start", [0.0, 0.3, -87.61])
@pytest.mark.parametrize("orientation", [AXIAL, OBLIQUE], ids=["axial", "oblique"])
@pytest.mark.parametrize("down", [False, True])
def test_rounded_positions_are_the_even_grid_that_they_were(step, decimals, start, orientation, down):
    heights = even(150, step, start)
    made = slices(heights[::-1] if down else heights, step, None, orientation, decimals)
    stack = measured(made, "CT")
    assert not stack.uneven and not stack.missing and stack.tilt_degrees < 0.2
    assert stack.step == pytest.approx(step, rel=1e-3)
    normal = np.cross(orientation[:3], orientation[3:])
    base = np.array((-40.0, -38.0, 0.0)) @ normal
    worst = max(abs(p - base - h) for p, h in zip(stack.positions, heights))
    assert worst <= max(0.5 * step, 0.87 * 10**-decimals)


@pytest.mark.parametrize("count", [12, 150])
@pytest.mark.parametrize("step", [0.625, 0.7, 1.25, 2.2])
def test_rounded_positions_need_no_thickness(step, count):
    stack = measured(slices(even(count, step), decimals=1), "CT")
    assert not stack.uneven and not stack.missing
    assert (count - 1) * abs(stack.step - step) < 0.1


def test_truncated_positions_are_even_too():
    made = slices([math.floor(10 * h) / 10 for h in even(150, 1.25)], 1.25)
    assert measured(made, "CT").step == pytest.approx(1.25, abs=1e-6)


def test_positions_rounded_beyond_the_step_need_numbers_or_are_several_at_one_place():
    heights = [round(h) for h in even(60, 0.7)]
    assert measured(slices(heights), "CT").step == pytest.approx(0.7, rel=0.01)
    with pytest.raises(Refused, match="same place"):
        measured(slices(heights, numbers=[None] * 60), "CT")
    with pytest.raises(Refused, match="same place"):
        measured(slices([n // 2 for n in range(60)]), "CT")  # everything twice


@pytest.mark.parametrize("step", [0.5, 0.625, 1.0, 3.0])
def test_a_wandering_table_leaves_slices_even(step):
    dice = np.random.default_rng(4)
    for by in (0.01, 0.05):
        stack = measured(slices([h + dice.uniform(-by, by) for h in even(120, step)]), "CT")
        assert not stack.uneven and not stack.missing and stack.step == pytest.approx(step, rel=2e-3)


@pytest.mark.parametrize("step,decimals", [(1.0, 0), (1.25, 1), (2.5, 0), (3.0, 6), (0.625, 2)])
def test_a_missing_slice_is_found_among_rounded_positions(step, decimals):
    heights = even(80, step)
    del heights[33]
    numbers = [n + 1 for n in range(80) if n != 33]
    stack = measured(slices(heights, step, numbers, decimals=decimals), "CT")
    assert stack.missing == 1 and not stack.uneven and stack.depth == 80
    assert stack.step == pytest.approx(step, rel=1e-3)


def test_a_gap_in_whole_millimetres_is_no_rounding_even_where_slices_were_numbered_again():
    heights = [float(n) for n in range(60) if n != 33]
    for thickness in (1.0, None):
        stack = measured(slices(heights, thickness), "CT")
        assert stack.missing == 1 and stack.step == pytest.approx(1.0)


def test_two_scans_that_lie_between_each_other_are_not_taken_for_rounding():
    heights = [3.0 * n for n in range(20)] + [3.0 * n + 1 for n in range(20)]
    stacks, refused = stacks_of(slices(heights), "CT", 8)
    assert not refused and [(len(one.instances), one.step) for one in stacks] == [(20, 3.0), (20, 3.0)]


def test_numbers_place_a_gap_among_slices_that_rounding_put_at_one_place():
    heights, numbers = even(80, 0.625), list(range(1, 81))
    del heights[33], numbers[33]
    stack = measured(slices(heights, None, numbers, decimals=0), "CT")
    assert stack.missing == 1 and stack.step == pytest.approx(0.625, rel=5e-3) and stack.depth == 80


@pytest.mark.parametrize("degrees", range(3, 40, 4))
def test_cosines_with_two_decimals_give_no_tilt_at_any_angle(degrees):
    turn = math.radians(degrees)
    way = (math.cos(turn), math.sin(turn), 0, -math.sin(turn) * 0.8, math.cos(turn) * 0.8, 0.6)
    stack = measured(slices(even(40, 2.5), 2.5, None, way, cosines=2), "CT")
    assert stack.tilt_degrees == 0 and stack.step == pytest.approx(2.5, rel=1e-3)
    assert np.allclose(
        np.cross(stack.orientation[:3], stack.orientation[3:]), np.cross(way[:3], way[3:]), atol=1e-4
    )


def test_a_slice_far_away_is_a_gap_and_takes_no_longer():
    with pytest.raises(Refused, match="gap of"):
        measured(slices([*even(300, 1.0), 1e9]), "CT")


def test_slice_locations_that_disagree_change_nothing():
    made = slices(even(40, 2.0))
    for n, one in enumerate(made):
        one.location = 7.5 * n
    stack = measured(made, "CT")
    assert stack.step == pytest.approx(2.0) and not stack.uneven


def design(kind):
    """Heights and thicknesses of one head CT with several distances."""
    if kind == "fine below":
        return even(24, 4, 0) + [100 + 8.0 * n for n in range(11)], [4.0] * 24 + [8.0] * 11
    if kind == "fine above":
        return [8.0 * n for n in range(11)] + even(24, 4, 86), [8.0] * 11 + [4.0] * 24
    if kind == "three":
        return even(20, 2, 0) + even(10, 4, 42) + even(8, 8, 86), [2.0] * 20 + [4.0] * 10 + [8.0] * 8
    if kind == "thickness unchanged":
        return even(24, 4, 0) + [100 + 8.0 * n for n in range(11)], [4.0] * 35
    if kind == "in turn":
        return [12.0 * (n // 2) + 4 * (n % 2) for n in range(30)], [4.0, 8.0] * 15
    return even(24, 4, 0) + [97.5 + 7.5 * n for n in range(12)], [4.0] * 24 + [7.5] * 12  # no multiple


DESIGNS = ["fine below", "fine above", "three", "thickness unchanged", "in turn", "no multiple"]


@pytest.mark.parametrize("kind", DESIGNS)
def test_several_distances_by_design_are_resampled_with_a_warning(kind, tmp_path):
    heights, thickness = design(kind)
    field_slices(tmp_path / "in", [np.array((-40, -38, z)) for z in heights], AXIAL,
                 SliceThickness=lambda n: thickness[n])  # fmt: skip
    case = only_case(look(tmp_path / "in"))
    assert warned(case) == ["dicom.uneven_slices"] and "mm apart" in case["warnings"][0]["message"]
    fine = min(b - a for a, b in zip(heights, heights[1:]))
    assert case["spacing"][2] == pytest.approx(fine, abs=1e-3)
    low = case["affine"][2][3]
    high = low + (case["shape"][2] - 1) * case["spacing"][2]
    assert abs(low - heights[0]) < fine and abs(high - heights[-1]) < fine
    assert worst_error(case) <= 1.5


def test_numbers_left_out_say_that_slices_are_missing_and_not_further_apart():
    heights, _ = design("thickness unchanged")
    numbers = list(range(1, 25)) + [26 + 2 * n for n in range(11)]
    with pytest.raises(Refused, match="lacks") as refused:
        measured(slices(heights, 4.0, numbers), "CT")
    assert refused.value.code == "dicom.missing_slices"


def test_a_slice_missing_among_several_distances_is_reported_besides(tmp_path):
    heights, thickness = design("fine below")
    del heights[10], thickness[10]
    field_slices(tmp_path / "in", [np.array((-40, -38, z)) for z in heights], AXIAL,
                 SliceThickness=lambda n: thickness[n])  # fmt: skip
    assert warned(only_case(look(tmp_path / "in"))) == ["dicom.missing_slices", "dicom.uneven_slices"]


def test_ten_missing_slices_are_refused_whatever_their_numbers_say():
    heights = even(15, 4) + even(20, 4, 100.3)
    for thickness in (None, 4.0):
        with pytest.raises(Refused, match="lacks 10 slices"):
            measured(slices(heights, thickness), "CT")


@pytest.mark.parametrize("offset", [0.0, 2.0], ids=["at the same places", "between"])
@pytest.mark.parametrize("stated", [True, False], ids=["thickness", "numbers alone"])
def test_where_two_stacks_overlap_the_finer_slices_count(offset, stated, tmp_path):
    fine, coarse = even(24, 4, 0), even(12, 8, 80 + offset)
    thickness = [4.0] * 24 + [8.0] * 12 if stated else [4.0] * 36
    field_slices(tmp_path / "in", [np.array((-40, -38, z)) for z in fine + coarse], AXIAL,
                 SliceThickness=lambda n: thickness[n],
                 RescaleIntercept=lambda n: -1024 if n < 24 else -1023)  # fmt: skip
    case = only_case(look(tmp_path / "in"))
    assert warned(case) == ["dicom.uneven_slices"] and len(case["files"]) == 36
    if stated:
        assert case["facts"]["slices"] == 34 and "left out" in case["warnings"][0]["message"]
    assert case["affine"][2][3] == pytest.approx(0, abs=1e-3) and worst_error(case) <= 2.5


def test_two_thicknesses_that_cover_each_other_are_two_cases():
    thin, thick = even(60, 1.0, 0), even(12, 5.0, 0)
    stacks, refused = stacks_of(slices(thin + thick, [1.0] * 60 + [5.0] * 12), "CT", 8)
    assert not refused and sorted(len(stack.instances) for stack in stacks) == [12, 60]


@pytest.mark.parametrize("cosines", [2, 3])
def test_rounded_cosines_are_no_gantry_tilt_and_keep_lengths(cosines, tmp_path):
    normal = np.cross(OBLIQUE[:3], OBLIQUE[3:])
    field_slices(tmp_path / "in", [np.array((-40, -38, 10)) + 3.0 * n * normal for n in range(20)], OBLIQUE,
                 ImageOrientationPatient=[round(v, cosines) for v in OBLIQUE])  # fmt: skip
    case = only_case(look(tmp_path / "in"))
    axes = np.array(case["affine"])[:3, :3]
    assert not case["warnings"] and np.allclose(np.linalg.norm(axes, axis=0), (2, 2, 3), atol=2e-3)
    assert abs(axes[:, 0] @ axes[:, 1]) < 1e-3 and abs(axes[:, 1] @ axes[:, 2]) < 2e-2
    centre = np.array(case["affine"]) @ [19.5, 19.5, 9.5, 1]
    true = np.array((-40, -38, 10)) + 39 * np.add(OBLIQUE[:3], OBLIQUE[3:]) + 28.5 * normal
    assert np.linalg.norm(centre[:3] - true) < 1.0


def test_rounding_in_a_short_oblique_stack_is_no_tilt():
    stack = measured(slices(even(8, 1.0), 1.0, None, OBLIQUE, decimals=1), "MR")
    assert stack.tilt_degrees == 0 and not stack.uneven
    line = np.subtract(stack.places[-1], stack.places[0])
    assert np.allclose(line / np.linalg.norm(line), np.cross(OBLIQUE[:3], OBLIQUE[3:]), atol=2e-3)


@pytest.mark.parametrize("decimals", [6, 1])
def test_a_tilt_stays_a_tilt_when_positions_are_rounded(decimals):
    angle = math.radians(12)
    made = slices(even(40, 3.0))
    for n, one in enumerate(made):
        one.orientation = (1, 0, 0, 0, math.cos(angle), -math.sin(angle))
        one.position = (-40.0, -38.0, round(0.3 + 1.27 * n, decimals))
    stack = measured(made, "CT")
    assert stack.tilt_degrees == pytest.approx(12, abs=0.05) and not stack.uneven
    assert stack.step == pytest.approx(1.27 * math.cos(angle), rel=1e-3)


def ball(folder, heights, written, radius=31.0, thickness=None):
    """A ball of 1000 HU in air, sampled at true heights under written positions."""
    import pydicom
    from support.intake import save

    made = field_slices(folder, [np.array((-40, -40, z)) for z in heights], AXIAL,
                        ImagePositionPatient=lambda n: [-40, -40, written[n]],
                        SliceThickness=lambda n: thickness[n] if thickness else 3)  # fmt: skip
    j, i = np.meshgrid(np.arange(40) * 2.0 - 40, np.arange(40) * 2.0 - 40, indexing="ij")
    for path, z in zip(made, heights):
        data = pydicom.dcmread(path)
        inside = np.clip((radius - np.sqrt(i**2 + j**2 + z**2)) / 2 + 0.5, 0, 1)
        data.PixelData = np.rint(inside * 1000).astype("<u2").tobytes()
        save(data, path)


@pytest.mark.parametrize("kind", ["exact", "rounded", "two distances", "wandering"])
def test_volume_and_centre_of_a_ball_are_those_of_the_truth(kind, tmp_path):
    import SimpleITK

    heights, thickness = even(65, 1.25, -40), None
    if kind == "two distances":
        heights = even(36, 1.0, -40) + even(22, 2.0, -3)
        thickness = [1.0] * 36 + [2.0] * 22
    dice = np.random.default_rng(1)
    moved = dice.uniform(-0.05, 0.05, len(heights)) if kind == "wandering" else np.zeros(len(heights))
    written = [round(z + m, 1 if kind == "rounded" else 6) for z, m in zip(heights, moved)]
    ball(tmp_path / "in", heights, written, thickness=thickness)
    case = only_case(look(tmp_path / "in"))
    array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(case["path"]))
    share = np.clip((array.astype(float) + 1024) / 1000, 0, 1)
    volume = share.sum() * np.prod(case["spacing"])
    assert volume == pytest.approx(4 / 3 * math.pi * 31**3, rel=0.01)
    k, j, i = (float((share * n).sum() / share.sum()) for n in np.indices(array.shape))
    assert np.allclose((np.array(case["affine"]) @ [i, j, k, 1])[:3], 0, atol=0.5 * min(case["spacing"]))


def test_one_slice_of_another_orientation_is_refused_alone(tmp_path):
    made = [np.array((-40, -38, 3.0 * n)) for n in range(30)]
    field_slices(tmp_path / "in", made, AXIAL,
                 ImageOrientationPatient=lambda n: list(AXIAL) if n else [0, 1, 0, 0, 0, -1])  # fmt: skip
    answer = look(tmp_path / "in")
    (case,), (refusal,) = answer["cases"], answer["refusals"]
    assert case["label"] == "CT series 1 Thorax" and warned(case) == ["dicom.odd_slices"]
    assert case["shape"] == [40, 40, 29] and worst_error(case) <= 0.51 and len(case["files"]) == 29
    assert codes(answer) == ["dicom.odd_slices"] and len(refusal["files"]) == 1
    assert refusal["label"] == "CT series 1 Thorax (another orientation)"
    warning = case["warnings"][0]["message"]
    assert warning == "CT series 1: 1 slice with another orientation was left out."
    assert "1 slice of CT series 1 has another orientation" in refusal["error"]["message"]


def test_a_slice_beside_the_others_lies_where_its_header_says(tmp_path):
    aside = {9: 6.0, 10: 3.0}
    field_slices(tmp_path / "in", [np.array((-40 + aside.get(n, 0), -38, 3.0 * n)) for n in range(20)], AXIAL)
    case = only_case(look(tmp_path / "in"))
    assert case["shape"] == [43, 40, 20] and worst_error(case, 4) <= 1.5


def test_three_odd_slices_of_one_kind_are_one_refusal_and_a_gap_is_filled(tmp_path):
    ways = {10: (0, 1, 0, 0, 0, -1), 11: (1, 0, 0, 0, 0, -1), 20: (0, 1, 0, 0, 0, -1)}
    field_slices(tmp_path / "in", [np.array((-40, -38, 3.0 * n)) for n in range(40)], AXIAL,
                 ImageOrientationPatient=lambda n: list(ways.get(n, AXIAL)))  # fmt: skip
    answer = look(tmp_path / "in")
    (case,) = answer["cases"]
    assert codes(answer) == ["dicom.odd_slices"] and len(answer["refusals"][0]["files"]) == 3
    assert sorted(warned(case)) == ["dicom.missing_slices", "dicom.odd_slices"] and case["shape"][2] == 40


def test_a_slice_of_another_size_or_pixel_spacing_is_said_to_be_so(tmp_path):
    field_slices(tmp_path / "in", [np.array((-40, -38, 3.0 * n)) for n in range(20)], AXIAL,
                 PixelSpacing=lambda n: [1, 1] if n == 19 else [2, 2])  # fmt: skip
    answer = look(tmp_path / "in")
    assert "another pixel spacing" in answer["refusals"][0]["error"]["message"]
    assert answer["cases"][0]["label"] == "CT series 1 Thorax"


def test_a_localizer_within_a_series_leaves_a_warning(tmp_path):
    localizer, primary = ["ORIGINAL", "PRIMARY", "LOCALIZER"], ["ORIGINAL", "PRIMARY", "AXIAL"]
    field_slices(tmp_path / "in", [np.array((-40, -38, 3.0 * n)) for n in range(20)], AXIAL,
                 ImageType=lambda n: primary if n else localizer)  # fmt: skip
    answer = look(tmp_path / "in")
    assert codes(answer) == ["dicom.scout"] and warned(answer["cases"][0]) == ["dicom.odd_slices"]
    assert answer["cases"][0]["label"] == "CT series 1 Thorax"
