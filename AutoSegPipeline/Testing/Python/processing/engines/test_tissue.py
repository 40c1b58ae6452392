"""The tissue engine on phantoms whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from AutoSegPipelineLib.core.errors import Cancelled, EngineFailed
from AutoSegPipelineLib.processing import phantom
from AutoSegPipelineLib.processing.sides import check_sides
from support.tissue import (
    OBLIQUE,
    SHAPE,
    Listening,
    agreement,
    coordinates,
    crop,
    dice,
    drawn,
    head,
    leg,
    masks,
    mirrored,
    segment,
    with_array,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def result(torso):
    return segment(torso.volume)


def test_a_torso_falls_into_its_tissues(torso, result):
    agreed = agreement(torso, result)
    floors = {"body": 0.99, "lung_left": 0.98, "lung_right": 0.98, "airways": 0.95, "bones": 0.97,
              "subcutaneous_fat": 0.98, "visceral_fat": 0.98, "muscle": 0.85}  # fmt: skip
    assert set(agreed) == set(floors)
    assert {name: value for name, value in agreed.items() if value < floors[name]} == {}
    assert result.warnings == []


def test_the_lungs_have_the_volume_and_place_of_the_formula(torso, result):
    x, y, z = coordinates(torso.volume)
    for name in ("lung_left", "lung_right"):
        mask = masks(result)[name]
        assert mask.sum() * result.grid.voxel_ml == pytest.approx(torso.volumes_ml[name], rel=0.02)
        centre = [float(axis[mask].mean()) for axis in (x, y, z)]
        assert np.linalg.norm(np.subtract(centre, torso.centres_lps[name])) < 3.0


def test_body_and_tissues_overlap_in_layers_of_their_own(result):
    assert [s.layer for s in result.segments if s.name == "body"] == [0]
    assert {s.layer for s in result.segments if s.name != "body"} == {1}
    found = masks(result)
    for name, mask in found.items():
        assert (mask & ~found["body"]).sum() <= 0.001 * mask.sum(), name


def test_the_couch_is_no_part_of_the_body(torso, result):
    couch = (torso.truth.layers[0] == 0) & (torso.volume.array > 60)
    assert couch.sum() > 5000
    assert (masks(result)["body"] & couch).sum() < 0.3 * couch.sum()


@pytest.mark.parametrize(
    ("shape", "spacing", "axes"),
    [
        ((122, 101, 60), (3, 3, 3), np.diag([-1.0, -1.0, 1.0])),
        ((122, 101, 60), (3, 3, 3), np.diag([-1.0, 1.0, 1.0])),
        ((60, 122, 101), (3, 3, 3), np.array([[0, 0, -1.0], [1, 0, 0], [0, 1, 0]])),
        ((92, 76, 52), (4, 4, 4), OBLIQUE),
        ((160, 120, 30), (2.2, 2.5, 6), np.eye(3)),
    ],
    ids=["flipped", "left_handed", "permuted", "oblique", "anisotropic"],
)
def test_left_is_left_on_any_grid(shape, spacing, axes):
    made = phantom.torso(shape, affine=phantom.centred_affine(shape, spacing, axes, (10, 20, -700)))
    found = segment(made.volume)
    agreed = agreement(made, found)
    assert agreed["lung_left"] > 0.97 and agreed["lung_right"] > 0.97 and agreed["bones"] > 0.95
    assert check_sides(found, made.volume).verdict == "ok"


def test_a_mirrored_header_gives_mirrored_lungs_and_is_noticed(torso):
    volume = mirrored(torso.volume)
    found = segment(volume)
    truth = masks(torso.truth)
    assert dice(masks(found)["lung_left"], truth["lung_right"]) > 0.97
    check = check_sides(found, volume)
    assert check.verdict == "swapped" and check.warnings[0]["code"] == "sides.swapped"
    assert "situs inversus" in check.warnings[0]["message"]


def test_lungs_that_touch_in_front_are_parted(torso):
    x, y, z = coordinates(torso.volume)
    bridge = (x > -45) & (x < 50) & (y > -44) & (y < -34) & (z > 22) & (z < 55)
    array = torso.volume.array.copy()
    array[bridge] = -850
    from scipy import ndimage

    assert ndimage.label((array < -400) & (np.abs(x) < 110) & (y < 20) & (z < 70) & (z > 0))[1] < 4
    found, truth = masks(segment(with_array(torso.volume, array))), masks(torso.truth)
    for name, other in (("lung_left", "lung_right"), ("lung_right", "lung_left")):
        assert (found[name] & truth[name]).sum() > 0.97 * truth[name].sum()
        assert (found[name] & truth[other]).sum() < 0.01 * truth[other].sum()


def test_a_colon_full_of_gas_is_no_lung(torso):
    made = crop(torso, slice(0, 17), slice(None), slice(None))
    x, y, z = coordinates(made.volume)
    gas = (np.hypot((x - 70) / 40, y / 40) < 1) & (z > -80)
    assert gas.sum() * made.volume.grid.voxel_ml > 150
    made.volume.array[gas] = np.random.default_rng(0).normal(-995, 12, gas.sum())
    assert not {"lung_left", "lung_right"} & set(masks(segment(made.volume)))


def test_an_abdomen_with_bowel_gas_gets_no_lungs(torso):
    made = crop(torso, slice(0, 17), slice(None), slice(None))
    found = segment(made.volume)
    assert {"body", "bones", "muscle", "subcutaneous_fat", "visceral_fat"} <= set(masks(found))
    assert not {"lung_left", "lung_right", "airways"} & set(masks(found))
    assert [w["code"] for w in found.warnings] == ["engine.structures_absent"]
    assert "left lung" in found.warnings[0]["message"]


@pytest.mark.parametrize(("function", "expected"), [
    (leg, {"body", "bones", "muscle", "subcutaneous_fat"}),
    (head, {"body", "bones", "soft_tissue"}),
], ids=["leg", "head"])  # fmt: skip
def test_a_leg_or_a_head_gets_what_it_has_and_no_lungs(function, expected):
    volume = drawn(function)
    found = segment(volume)
    assert set(masks(found)) == expected
    check = check_sides(found, volume)
    assert check.verdict == "unverified" and "not verified" in check.warnings[0]["message"]


@pytest.mark.parametrize(("window", "lung"), [
    (slice(0, 55), "lung_right"),
    (slice(66, 122), "lung_left"),
], ids=["right", "left"])  # fmt: skip
def test_one_lung_without_a_spine_is_sided_but_not_called_verified(torso, window, lung):
    made = crop(torso, slice(None), slice(None), window)
    found = segment(made.volume)
    assert {"lung_left", "lung_right"} & set(masks(found)) == {lung}
    assert agreement(made, found)[lung] > 0.97
    assert "engine.side_not_verified" in [w["code"] for w in found.warnings]
    assert check_sides(found, made.volume).verdict == "unverified"


def test_lungs_that_a_small_field_of_view_cuts_are_found(torso):
    made = crop(torso, slice(22, 50), slice(25, 85), slice(25, 100))
    agreed = agreement(made, segment(made.volume))
    assert agreed["lung_left"] > 0.97 and agreed["lung_right"] > 0.95


def test_a_small_person_and_a_noisy_scan_are_done_as_well():
    for made in (phantom.torso(SHAPE, scale=0.6), phantom.torso(SHAPE, noise_hu=40)):
        agreed = agreement(made, segment(made.volume))
        assert agreed["lung_left"] > 0.97 and agreed["bones"] > 0.9 and agreed["muscle"] > 0.8


@pytest.mark.parametrize("quality", ["fast", "fastest"])
def test_every_quality_finds_the_lungs_and_bones(torso, quality):
    agreed = agreement(torso, segment(torso.volume, quality=quality))
    assert min(agreed["lung_left"], agreed["lung_right"], agreed["bones"]) > 0.95


def test_a_subset_of_structures_leaves_the_others_out(torso):
    found = segment(torso.volume, structures=["bones", "Lung_Left"], quality="fastest")
    assert {s.name for s in found.segments} == {"bones", "lung_left"}
    assert len(found.layers) == 1
    assert set(np.unique(found.layers[0])) == {0, *(s.value for s in found.segments)}


def test_a_misspelt_structure_or_task_is_answered_with_the_nearest(torso):
    for options, code, word in (
        ({"structures": ["lung_lft"]}, "engine.structure_unknown", "did you mean 'lung_left'?"),
        ({"task": "tisue"}, "engine.task_unknown", "did you mean 'tissue'?"),
    ):
        with pytest.raises(EngineFailed) as caught:
            segment(torso.volume, **options)
        assert caught.value.code == code and word in caught.value.message


def test_mr_is_the_wrong_modality(torso):
    with pytest.raises(EngineFailed) as caught:
        segment(with_array(torso.volume, torso.volume.array, "MR"))
    assert caught.value.code == "engine.wrong_modality"


def rescaled(array, kind):
    if kind == "eight_bits":
        return np.clip((array + 200) / 2, 0, 255).astype(np.uint8)
    if kind == "fraction":
        return ((array + 1000) / 3000).astype(np.float32)
    stored = (array + 1024).astype(np.int16)
    if kind == "padded":
        stored[:, :12, :12] = -2000
    return stored.astype(np.uint16) if kind == "stored" else stored


@pytest.mark.parametrize("kind", ["eight_bits", "fraction", "stored", "padded"])
def test_numbers_that_are_no_hounsfield_units_are_refused_with_what_was_found(torso, kind):
    array = rescaled(torso.volume.array, kind)
    with pytest.raises(EngineFailed) as caught:
        segment(replace(with_array(torso.volume, array), name="knee of May.nii.gz"))
    assert caught.value.code == "engine.implausible_intensity"
    assert caught.value.message.startswith("knee of May.nii.gz ")
    assert "modality=MR" in caught.value.hint and "totalsegmentator" in caught.value.hint
    assert f"{array.max():g}" in caught.value.message or "between 800 and 1500" in caught.value.message


def test_air_and_a_small_ball_are_no_body(torso):
    air = np.random.default_rng(0).integers(-1010, -990, torso.volume.array.shape).astype(np.int16)
    small = phantom.spheres(balls=(((0, 0, 0), 18.0),)).volume
    for volume in (with_array(torso.volume, air), small):
        with pytest.raises(EngineFailed) as caught:
            segment(volume)
        assert caught.value.code == "engine.no_body"


def test_progress_only_rises_and_a_gpu_request_is_noted(torso):
    report = Listening()
    segment(torso.volume, report, device="gpu", quality="fastest")
    assert report.fractions == sorted(report.fractions) and report.fractions[-1] == 1.0
    assert len(report.fractions) >= 7 and report.checks >= 6
    assert any("gpu" in line and "CPU" in line for line in report.lines)


@pytest.mark.parametrize("step", [1, 4, 6])
def test_a_cancelled_case_stops_at_the_next_check(torso, step):
    report = Listening(stop_at=step)
    with pytest.raises(Cancelled):
        segment(torso.volume, report, quality="fastest")
    assert report.checks == step
