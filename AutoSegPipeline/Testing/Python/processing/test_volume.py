"""Reading volumes: what is in the file arrives, in index order and LPS."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from AutoSegPipelineLib.core.errors import PipelineError, Refused
from AutoSegPipelineLib.core.segmentation import Grid
from AutoSegPipelineLib.processing import phantom
from AutoSegPipelineLib.processing.volume import Volume, read_volume, to_affine

SHAPE = (9, 7, 5)
TURNED = np.linalg.qr(np.random.default_rng(7).standard_normal((3, 3)))[0]
AXES = {
    "straight": np.eye(3),
    "flipped": np.diag([-1.0, -1.0, 1.0]),
    "permuted": np.eye(3)[[2, 0, 1]],
    "oblique": TURNED,
    "left_handed": TURNED[[1, 0, 2]],
}
WRITERS = {
    "a.nii": phantom.write_nifti,
    "a.nii.gz": phantom.write_nifti,
    "a.nrrd": phantom.write_nrrd,
    "a.nhdr": phantom.write_nrrd,
    "a.mha": phantom.write_metaimage,
    "a.mhd": phantom.write_metaimage,
}


def numbered(axes=None, dtype=np.int16) -> Volume:
    """A volume in which every voxel has a value of its own."""
    affine = phantom.centred_affine(
        SHAPE, (0.8, 1.5, 3.0), np.eye(3) if axes is None else axes, (5, -40, 300)
    )
    grid = Grid(SHAPE, affine)
    values = np.arange(np.prod(SHAPE)).reshape(grid.array_shape) - 100
    return Volume(values.astype(dtype), grid, "CT")


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("axes", AXES)
def test_a_volume_comes_back_from_its_file_voxel_for_voxel_and_in_place(tmp_path, name, axes):
    volume = numbered(AXES[axes])
    back = read_volume(WRITERS[name](volume, tmp_path / name), modality="CT")
    np.testing.assert_array_equal(back.array, volume.array)
    np.testing.assert_allclose(back.grid.affine, volume.grid.affine, atol=2e-4)
    assert back.array.dtype == np.int16 and back.array.flags.c_contiguous
    assert (back.grid.determinant < 0) == (volume.grid.determinant < 0)
    assert back.modality == "CT" and back.path == tmp_path / name


@pytest.mark.parametrize("axes", ["oblique", "left_handed"])
def test_the_qform_alone_says_the_same_as_the_sform(tmp_path, axes):
    volume = numbered(AXES[axes])
    back = read_volume(phantom.write_nifti(volume, tmp_path / "q.nii", sform_code=0, qform_code=1))
    np.testing.assert_allclose(back.grid.affine, volume.grid.affine, atol=2e-4)


def test_a_given_affine_overrides_the_file(tmp_path):
    affine = phantom.centred_affine(SHAPE, (2, 2, 2), TURNED)
    back = read_volume(phantom.write_nrrd(numbered(), tmp_path / "a.nrrd"), affine=affine)
    np.testing.assert_allclose(back.grid.affine, affine)


def test_a_nifti_whose_axes_are_not_at_right_angles_is_read_all_the_same(tmp_path):
    volume = numbered()
    sheared = np.asarray(volume.grid.affine).copy()
    sheared[0, 2] += 0.9
    path = phantom.write_nifti(
        Volume(volume.array, Grid(SHAPE, to_affine(sheared)), "CT"), tmp_path / "s.nii.gz"
    )
    import SimpleITK

    with pytest.raises(RuntimeError):
        SimpleITK.ReadImage(str(path))
    back = read_volume(path)
    np.testing.assert_array_equal(back.array, volume.array)
    np.testing.assert_allclose(back.grid.affine, sheared, atol=1e-4)


@pytest.mark.parametrize("axes", AXES)
def test_our_own_nifti_reader_agrees_with_itk(tmp_path, axes):
    import SimpleITK

    path = phantom.write_nifti(numbered(AXES[axes]), tmp_path / "a.nii", slope=2.0, intercept=-10.0)
    ours = read_volume(path)
    image = SimpleITK.ReadImage(str(path))
    np.testing.assert_allclose(ours.array, SimpleITK.GetArrayFromImage(image))
    direction = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    np.testing.assert_allclose(np.asarray(ours.grid.affine)[:3, :3], direction, atol=2e-4)
    np.testing.assert_allclose(ours.grid.origin, image.GetOrigin(), atol=2e-4)


def test_our_own_reader_refuses_a_file_that_ends_early(tmp_path):
    path = phantom.write_nifti(numbered(), tmp_path / "a.nii")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(Refused) as caught:
        read_volume(path)
    assert caught.value.code == "input.truncated" and "a.nii" in caught.value.message


def test_our_own_reader_reads_big_endian_nifti(tmp_path):
    volume = numbered()
    data = bytearray(phantom.write_nifti(volume, tmp_path / "a.nii").read_bytes())
    for offset, size, count in (
        (0, 4, 1),
        (40, 2, 8),
        (70, 2, 2),
        (76, 4, 8),
        (108, 4, 3),
        (252, 2, 2),
        (256, 4, 18),
    ):
        for n in range(count):
            place = offset + n * size
            data[place : place + size] = data[place : place + size][::-1]
    data[352:] = volume.array.astype(">i2").tobytes()
    path = tmp_path / "b.nii"
    path.write_bytes(bytes(data))
    assert struct.unpack(">i", data[:4])[0] == 348
    read = read_volume(path)
    array, affine = read.array, read.grid.affine
    np.testing.assert_array_equal(array, volume.array)
    assert array.dtype.isnative
    np.testing.assert_allclose(affine, volume.grid.affine, atol=1e-4)


@pytest.mark.parametrize("name", ["Ülö 扫描 scan.nii.gz", "with space.mha", "ñ.nrrd"])
def test_letters_of_any_language_and_spaces_in_the_name_are_read(tmp_path, name):
    folder = tmp_path / "Größe и место"
    folder.mkdir()
    writer = {"gz": phantom.write_nifti, "ha": phantom.write_metaimage}.get(name[-2:], phantom.write_nrrd)
    np.testing.assert_array_equal(read_volume(writer(numbered(), folder / name)).array, numbered().array)


def test_a_fourth_dimension_of_one_is_dropped_and_a_real_one_refused(tmp_path):
    import SimpleITK

    single = SimpleITK.GetImageFromArray(np.zeros((1, 4, 5, 6), np.int16), isVector=False)
    series = SimpleITK.GetImageFromArray(np.zeros((2, 4, 5, 6), np.int16), isVector=False)
    flat = SimpleITK.GetImageFromArray(np.zeros((5, 6), np.int16))
    colour = SimpleITK.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True)
    for image, name in ((single, "1"), (series, "2"), (flat, "3"), (colour, "4")):
        SimpleITK.WriteImage(image, str(tmp_path / f"{name}.mha"))
    assert read_volume(tmp_path / "1.mha").grid.shape == (6, 5, 4)
    for name, code in (
        ("2", "input.four_dimensional"),
        ("3", "input.two_dimensional"),
        ("4", "input.colour"),
    ):
        with pytest.raises(Refused) as caught:
            read_volume(tmp_path / f"{name}.mha")
        assert caught.value.code == code


def test_what_cannot_be_read_is_refused_by_name(tmp_path):
    with pytest.raises(PipelineError) as caught:
        read_volume(tmp_path / "nowhere.nii")
    assert caught.value.code == "input.missing" and "nowhere.nii" in caught.value.message
    (tmp_path / "bad.nrrd").write_bytes(b"NRRD0004\nnonsense\n\n")
    (tmp_path / "bad.nii.gz").write_bytes(b"\x1f\x8bnonsense")
    for name in ("bad.nrrd", "bad.nii.gz"):
        with pytest.raises(Refused) as refused:
            read_volume(tmp_path / name)
        assert name in refused.value.message


def test_singular_axes_are_refused(tmp_path):
    path = phantom.write_nrrd(numbered(), tmp_path / "a.nrrd")
    with pytest.raises(Refused) as caught:
        read_volume(path, affine=np.diag([1.0, 1.0, 0.0, 1.0]))
    assert caught.value.code == "input.bad_affine"


def test_double_precision_becomes_single(tmp_path):
    path = phantom.write_nrrd(numbered(dtype=np.float64), tmp_path / "a.nrrd")
    assert read_volume(path).array.dtype == np.float32
