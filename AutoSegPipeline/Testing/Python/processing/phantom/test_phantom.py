"""Phantoms: what the formulas promise is what is drawn, on any grid, in any file."""

from __future__ import annotations

import numpy as np
import pytest
from AutoSegPipelineLib.core.segmentation import Grid
from AutoSegPipelineLib.processing import phantom
from AutoSegPipelineLib.processing.volume import Volume

TURNED = np.linalg.qr(np.random.default_rng(11).standard_normal((3, 3)))[0]
CUBE = (84, 84, 84)
AXES = {
    "straight": np.eye(3),
    "flipped": np.diag([-1.0, -1.0, 1.0]),
    "permuted": np.eye(3)[[2, 0, 1]],
    "oblique": TURNED,
    "left_handed": TURNED[[1, 0, 2]],
}


def measured(made, name):
    """Volume in ml and centre in LPS mm of a structure of the truth, counted in voxels."""
    truth = made.truth
    segment = next(s for s in truth.segments if s.name == name)
    places = np.argwhere(truth.layers[segment.layer] == segment.value)[:, ::-1]
    affine = np.asarray(truth.grid.affine)
    return len(places) * truth.grid.voxel_ml, affine[:3, :3] @ places.mean(axis=0) + affine[:3, 3]


@pytest.mark.parametrize("axes", AXES)
def test_organs_have_the_volumes_and_places_of_the_formulas_on_any_grid(axes):
    affine = phantom.centred_affine(CUBE, (4, 4, 4), AXES[axes], centre=(20, -30, 400))
    made = phantom.torso(CUBE, affine=affine, noise_hu=0)
    assert {"lung_left", "lung_right", "heart", "liver", "spleen"} <= set(made.volumes_ml)
    for name in ("lung_left", "lung_right", "heart", "liver", "spleen"):
        volume, centre = measured(made, name)
        assert volume == pytest.approx(made.volumes_ml[name], rel=0.03), name
        assert np.linalg.norm(centre - made.centres_lps[name]) < 1.2, name


def test_the_liver_lies_right_and_the_heart_spleen_and_smaller_lung_left():
    made = phantom.torso()
    x = {name: centre[0] for name, centre in made.centres_lps.items()}
    assert x["liver"] < -30 and x["spleen"] > 30 and x["heart"] > 10
    assert x["lung_right"] < -30 < 30 < x["lung_left"]
    assert made.volumes_ml["lung_left"] < made.volumes_ml["lung_right"]
    assert x["kidney_left"] > 0 > x["kidney_right"]


def test_volumes_that_are_bitten_into_agree_with_a_fine_grid():
    affine = phantom.centred_affine((110, 90, 110), (1.1, 1.3, 1.2), centre=(-68, 0, 10))
    made = phantom.torso((110, 90, 110), noise_hu=0)
    expected = made.volumes_ml.get("lung_right") or phantom.torso().volumes_ml["lung_right"]
    # The grid's middle is the anatomy's middle: a grid of twice the width holds the right lung whole.
    wide = phantom.torso((220, 90, 150), (1.2, 1.3, 1.2), noise_hu=0)
    assert measured(wide, "lung_right")[0] == pytest.approx(expected, rel=0.004)
    assert affine[0][0] == pytest.approx(1.1)


def test_only_structures_that_lie_wholly_in_the_scan_have_known_volumes():
    cut = phantom.torso((122, 101, 20))
    assert "lung_right" not in cut.volumes_ml and "body" not in cut.volumes_ml
    assert set(cut.volumes_ml) == set(cut.centres_lps)


def test_the_intensities_are_hounsfield_units_with_the_noise_asked_for():
    made = phantom.torso(noise_hu=15, seed=2)
    values = made.volume.array
    truth = {s.name: made.truth.layers[s.layer] == s.value for s in made.truth.segments}
    assert values.dtype == np.int16 and made.volume.modality == "CT"
    assert values[truth["liver"]].mean() == pytest.approx(60, abs=1)
    assert values[truth["liver"]].std() == pytest.approx(15, rel=0.05)
    assert values[truth["lung_left"]].mean() == pytest.approx(-850, abs=1)
    assert values[truth["subcutaneous_fat"]].mean() == pytest.approx(-100, abs=1)


def test_the_same_seed_makes_the_same_scan_and_another_seed_another():
    one, same, other = (phantom.torso((40, 34, 24), (9, 9, 8), seed=s).volume.array for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).mean() > 0.5


def test_the_couch_is_in_the_scan_but_not_in_the_truth():
    with_couch, without = phantom.torso(noise_hu=0), phantom.torso(noise_hu=0, table=False)
    added = with_couch.volume.array != without.volume.array
    assert added.sum() > 1000 and not with_couch.truth.layers[0][added].any()
    np.testing.assert_array_equal(with_couch.truth.layers[1], without.truth.layers[1])


@pytest.mark.parametrize("axes", AXES)
def test_spheres_have_the_volume_and_centre_of_the_formula(axes):
    shape = (70, 60, 50)
    affine = phantom.centred_affine(shape, (1.0, 1.1, 1.4), AXES[axes], centre=(3, -80, 1200))
    made = phantom.spheres(shape, affine=affine, balls=(((-8, 0, 0), 14.0), ((10, 4, 5), 9.0)))
    assert made.volumes_ml["sphere_1"] == pytest.approx(4 / 3 * np.pi * 14**3 / 1000, rel=1e-9)
    for name in ("sphere_2",):  # the later ball covers the earlier one
        volume, centre = measured(made, name)
        assert volume == pytest.approx(made.volumes_ml[name], rel=0.02)
        assert np.linalg.norm(centre - made.centres_lps[name]) < 0.2


@pytest.mark.parametrize("axes", AXES)
def test_a_dicom_series_says_where_each_voxel_is(tmp_path, axes):
    import pydicom

    shape = (40, 34, 12)
    affine = phantom.centred_affine(shape, (7, 8, 10), AXES[axes], centre=(5, -7, 100))
    volume = phantom.torso(shape, affine=affine).volume
    paths = phantom.write_dicom_series(volume, tmp_path / "series", PatientName="Doe^Jane", SeriesNumber=4)
    assert len(paths) == 12
    for k, path in enumerate(paths):
        slice_ = pydicom.dcmread(path)
        right, down = np.asarray(slice_.ImageOrientationPatient, float).reshape(2, 3)
        rows, columns = (float(v) for v in slice_.PixelSpacing)
        i, j = 7, 11
        place = np.asarray(slice_.ImagePositionPatient, float) + right * columns * i + down * rows * j
        np.testing.assert_allclose(place, (np.asarray(affine) @ [i, j, k, 1])[:3], atol=1e-5)
        stored = slice_.pixel_array * float(slice_.RescaleSlope) + float(slice_.RescaleIntercept)
        np.testing.assert_array_equal(stored, volume.array[k])
        assert slice_.PatientName == "Doe^Jane" and slice_.SeriesNumber == 4 and slice_.Modality == "CT"


def test_a_dicom_series_has_one_series_uid_and_its_own_instance_uids(tmp_path):
    import pydicom

    volume = phantom.torso((20, 17, 6), (18, 18, 20)).volume
    read = {}
    for name, options in {"a": {}, "again": {}, "seed": {"seed": 1}, "number": {"SeriesNumber": 2}}.items():
        paths = phantom.write_dicom_series(volume, tmp_path / name, **options)
        read[name] = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    uid = {name: {s.SeriesInstanceUID for s in slices} for name, slices in read.items()}
    assert all(len(uids) == 1 for uids in uid.values())
    assert uid["a"] == uid["again"] and uid["a"] != uid["seed"] and uid["a"] != uid["number"]
    assert read["a"][0].StudyInstanceUID == read["number"][0].StudyInstanceUID
    assert len({s.SOPInstanceUID for s in (*read["a"], *read["seed"], *read["number"])}) == 18


def test_dicom_tags_can_be_set_or_taken_away(tmp_path):
    import pydicom

    volume = phantom.torso((20, 17, 4), (18, 18, 20)).volume
    kind = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    path = phantom.write_dicom_series(volume, tmp_path, suffix="", ImageType=kind, RescaleIntercept=None)[0]
    read = pydicom.dcmread(path)
    assert list(read.ImageType)[-1] == "LOCALIZER" and "RescaleIntercept" not in read and path.suffix == ""


def test_dicom_refuses_sheared_axes_and_values_beyond_sixteen_bits(tmp_path):
    volume = phantom.torso((20, 17, 4), (18, 18, 20)).volume
    sheared = [list(row) for row in volume.grid.affine]
    sheared[0][2] = 5.0
    grid = Grid(volume.grid.shape, tuple(tuple(row) for row in sheared))
    with pytest.raises(ValueError, match="right angles"):
        phantom.write_dicom_series(Volume(volume.array, grid, "CT"), tmp_path)
    with pytest.raises(ValueError, match="16 bits"):
        phantom.write_dicom_series(volume, tmp_path, slope=0.01)


def test_nifti_can_be_written_without_orientation_or_with_two(tmp_path):
    volume = phantom.torso((20, 17, 4), (18, 18, 20)).volume
    bare = phantom.write_nifti(volume, tmp_path / "bare.nii", sform_code=0, qform_code=0).read_bytes()
    assert bare[252:256] == b"\0\0\0\0"
    other = np.diag([18.0, 18.0, 20.0, 1.0])
    both = phantom.write_nifti(volume, tmp_path / "both.nii", sform=other).read_bytes()
    np.testing.assert_allclose(np.frombuffer(both, "<f4", 12, 280).reshape(3, 4), other[:3])
    assert np.frombuffer(both, "<i2", 2, 252).tolist() == [1, 1]


def test_nrrd_can_be_written_without_a_space(tmp_path):
    volume = phantom.torso((20, 17, 4), (18, 18, 20)).volume
    text = phantom.write_nrrd(volume, tmp_path / "bare.nrrd", space="").read_bytes().split(b"\n\n")[0]
    assert b"space" not in text.replace(b"spacings", b"")
