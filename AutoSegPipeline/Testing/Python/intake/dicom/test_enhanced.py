"""Enhanced objects: one frame a file, several, all; what frames share and what they say themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support.enhanced import AXIAL, enhanced_file, frame
from support.intake import codes, look, only_case, worst_error

TURN = math.radians(20)
OBLIQUE = (math.cos(TURN), math.sin(TURN), 0, -math.sin(TURN) * 0.8, math.cos(TURN) * 0.8, 0.6)


def places(orientation=AXIAL, count=20, step=3.0, start=(-40, -38, 10)):
    normal = np.cross(orientation[:3], orientation[3:])
    return [np.array(start) + n * step * normal for n in range(count)]


def write(folder, frames, each, order=None, **tags):
    """Files of ``each`` frames, numbered in ``order``."""
    folder.mkdir()
    parts = [frames[n : n + each] for n in range(0, len(frames), each)]
    for number, part in enumerate(order or range(len(parts))):
        enhanced_file(folder / f"E{number:03d}", parts[part], InstanceNumber=part + 1, **tags)


@pytest.mark.parametrize("orientation", [AXIAL, OBLIQUE], ids=["axial", "oblique"])
@pytest.mark.parametrize("each", [1, 5, 7])
@pytest.mark.parametrize("shared", ["orientation measures scale", ""], ids=["shared", "in each frame"])
def test_several_files_form_one_volume(each, orientation, shared, tmp_path):
    write(tmp_path / "in", [frame(place, orientation) for place in places(orientation)], each, shared=shared)
    case = only_case(look(tmp_path / "in"))
    assert sorted(case["shape"]) == [20, 40, 40] and case["facts"]["multiframe"] and not case["warnings"]
    assert len(case["files"]) == math.ceil(20 / each) and worst_error(case) <= 0.51


def test_a_lone_frame_may_say_everything_in_the_shared_groups(tmp_path):
    write(tmp_path / "in", [frame(place) for place in places()], 1,
          shared="position orientation measures scale content")  # fmt: skip
    assert worst_error(only_case(look(tmp_path / "in"))) <= 0.51


@pytest.mark.parametrize("concatenation", ["1.2.99", None])
def test_files_of_a_concatenation_may_hold_every_other_frame_in_any_order(concatenation, tmp_path):
    frames = [frame(place) for place in places()]
    tags = {"ConcatenationUID": concatenation} if concatenation else {}
    write(tmp_path / "in", [*frames[::-2], *frames[::2]], 10, order=[1, 0], **tags)
    case = only_case(look(tmp_path / "in"))
    assert case["shape"] == [40, 40, 20] and worst_error(case) <= 0.51


def test_one_concatenation_lacking_a_slice_is_one_case(tmp_path):
    frames = [frame(place) for place in places(count=30)]
    del frames[14]
    write(tmp_path / "in", frames, 15, ConcatenationUID="1.2.99")
    case = only_case(look(tmp_path / "in"))
    assert [one["code"] for one in case["warnings"]] == ["dicom.missing_slices"] and case["shape"][2] == 30


def test_time_points_in_files_of_their_own_are_cases_of_their_own(tmp_path):
    write(tmp_path / "in", [frame(p, moment=m, plus=9 * m) for m in (1, 2) for p in places()], 20)
    answer = look(tmp_path / "in")
    assert answer["refusals"] == [] and [len(case["files"]) for case in answer["cases"]] == [1, 1]
    assert len({case["sha256"] for case in answer["cases"]}) == 2


def test_two_volumes_that_lie_between_each_other_are_cases_of_their_own(tmp_path):
    moved = [np.add(place, (0, 0, 1.0)) for place in places()]
    write(tmp_path / "in", [frame(p) for p in [*places(), *moved]], 20)
    answer = look(tmp_path / "in")
    assert answer["refusals"] == [] and [case["shape"][2] for case in answer["cases"]] == [20, 20]
    assert [worst_error(case) <= 0.51 for case in answer["cases"]] == [True, True]


def test_time_points_with_one_frame_a_file_are_a_time_series(tmp_path):
    write(tmp_path / "in", [frame(p, moment=m, plus=9 * m) for m in (1, 2) for p in places()], 1)
    assert codes(look(tmp_path / "in")) == ["input.four_dimensional"]


def test_two_orientations_in_one_file_are_two_cases(tmp_path):
    coronal = (1, 0, 0, 0, 0, -1)
    both = [frame(p) for p in places()] + [frame(p, coronal) for p in places(coronal, 12)]
    write(tmp_path / "in", both, 32, shared="measures scale")
    answer = look(tmp_path / "in")
    assert answer["refusals"] == [] and len(answer["cases"]) == 2
    assert sorted(case["facts"]["slices"] for case in answer["cases"]) == [12, 20]
    assert len({case["sha256"] for case in answer["cases"]}) == 2
    for case in answer["cases"]:
        assert len(case["files"]) == 1 and worst_error(case) <= 0.51


def test_three_planes_in_one_file_are_one_refusal(tmp_path):
    planes = (AXIAL, (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1))
    frames = [frame(p, way) for way in planes for p in places(way, 3)]
    write(tmp_path / "in", frames, 9, shared="measures scale", Modality="MR")
    answer = look(tmp_path / "in")
    assert answer["cases"] == [] and codes(answer) == ["input.too_thin"]
    assert answer["refusals"][0]["files"] == ["E000"]


def test_a_frame_of_another_orientation_is_left_out_with_a_warning(tmp_path):
    frames = [frame(p) for p in places()]
    frames[7] = frame(places()[7], (0, 1, 0, 0, 0, -1))
    write(tmp_path / "in", frames, 20, shared="measures scale")
    answer = look(tmp_path / "in")
    (case,) = answer["cases"]
    assert answer["refusals"] == [] and case["label"] == "CT series 1 Thorax" and case["shape"][2] == 20
    assert sorted(one["code"] for one in case["warnings"]) == ["dicom.missing_slices", "dicom.odd_slices"]
    assert worst_error(case) <= 1.5


@pytest.mark.parametrize("key,values", [
    ("echo", (10.0, 30.0)),
    ("kind", (["ORIGINAL", "PRIMARY", "M", "NONE"], ["ORIGINAL", "PRIMARY", "P", "NONE"])),
])  # fmt: skip
def test_echoes_and_kinds_of_one_enhanced_mr_are_cases_of_their_own(key, values, tmp_path):
    write(tmp_path / "in", [frame(p, **{key: v}) for v in values for p in places()], 40, Modality="MR")
    answer = look(tmp_path / "in")
    assert answer["refusals"] == [] and len(answer["cases"]) == 2
    for case in answer["cases"]:
        assert case["modality"] == "MR" and worst_error(case) <= 0.51


@pytest.mark.parametrize("each", [1, 10, 20])
def test_every_frame_is_scaled_by_its_own_slope(each, tmp_path):
    frames = [frame(place, slope=1 + n % 4) for n, place in enumerate(places())]
    write(tmp_path / "in", frames, each, shared="orientation measures", Modality="MR")
    assert worst_error(only_case(look(tmp_path / "in"))) <= 2.01


def test_a_frame_that_does_not_say_where_it_lies_is_left_out_and_frames_unlike_their_number_are_refused(
    tmp_path,
):
    import pydicom

    write(tmp_path / "in", [frame(place) for place in places()], 20)
    path = tmp_path / "in" / "E000"
    data = pydicom.dcmread(path)
    del data.PerFrameFunctionalGroupsSequence[7].PlanePositionSequence
    data.save_as(path)
    answer = look(tmp_path / "in")
    (case,) = answer["cases"]
    assert case["shape"][2] == 20 and case["facts"]["missing_slices"] == 1
    assert "dicom.odd_slices" in [one["code"] for one in case["warnings"]] and answer["refusals"] == []
    data.PerFrameFunctionalGroupsSequence = list(data.PerFrameFunctionalGroupsSequence)[:12]
    data.save_as(path)
    assert codes(look(tmp_path / "in")) == ["input.orientation_unstated"]
