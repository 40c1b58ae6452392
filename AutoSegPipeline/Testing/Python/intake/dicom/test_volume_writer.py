"""Volumes written plane by plane: the kind of number, the place, and that no volume is held."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from AutoSegPipelineLib.formats.volume_file import read_volume_file
from AutoSegPipelineLib.intake.dicom.planes import Planes
from AutoSegPipelineLib.intake.dicom.volume_writer import write_planes
from support.intake import field_slices, look, only_case, worst_error

AXIAL = (1, 0, 0, 0, 1, 0)
# LPS, oblique: columns of 2, 3 and 4 mm.
AFFINE = ((1.6, -1.8, 0.0, -30.0), (1.2, 2.4, 0.0, 12.5), (0.0, 0.0, 4.0, 7.0), (0.0, 0.0, 0.0, 1.0))

VALUES = {
    "<i2": np.arange(-32, 28).reshape(3, 4, 5) * 1000,
    "<i4": np.arange(60).reshape(3, 4, 5) * 1000,
    "<f4": np.arange(60).reshape(3, 4, 5) * 0.25,
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("given", ["i4", "f8"])
def test_the_narrowest_kind_that_holds_all_values_is_written(kind, given, tmp_path):
    values, path = VALUES[kind].astype(given if kind != "<f4" else "f8"), tmp_path / "scan.nii"
    asked = []
    write_planes(str(path), (5, 4, 3), AFFINE, lambda: asked.append(1) or iter(values))
    assert len(asked) == ["<i2", "<i4", "<f4"].index(kind) + 1
    header = read_volume_file(str(path), "nifti").header
    assert header.shape == (5, 4, 3) and np.allclose(header.affine, AFFINE, atol=1e-5)
    image = SimpleITK.ReadImage(str(path))
    assert np.array_equal(SimpleITK.GetArrayFromImage(image), values)
    assert path.stat().st_size == 352 + 60 * np.dtype(kind).itemsize
    assert np.allclose(image.GetOrigin(), (-30, 12.5, 7)) and np.allclose(image.GetSpacing(), (2, 3, 4))


@pytest.mark.parametrize("slope,error", [(0.5, 0.3), (0.1, 0.06)])
def test_fractions_of_rescaled_slices_are_kept(slope, error, tmp_path, monkeypatch):
    monkeypatch.setattr("AutoSegPipelineLib.intake.dicom.cases.dcm2niix_path", lambda: None)
    field_slices(tmp_path / "in", [np.array((-40, -38, 1.25 * n)) for n in range(20)], AXIAL)
    import pydicom
    from support.intake import field, save

    j, i = np.meshgrid(np.arange(40), np.arange(40), indexing="ij")
    for n, path in enumerate(sorted((tmp_path / "in").iterdir())):
        data = pydicom.dcmread(path)
        data.RescaleSlope = slope
        values = (field(-40 + 2.0 * i, -38 + 2.0 * j, 1.25 * n) + 1024) / slope
        data.PixelData = np.rint(values).astype("<u2").tobytes()
        save(data, path)
    assert worst_error(only_case(look(tmp_path / "in"))) <= error


def test_slices_are_decoded_one_after_the_other_and_once(tmp_path, monkeypatch):
    monkeypatch.setattr("AutoSegPipelineLib.intake.dicom.cases.dcm2niix_path", lambda: None)
    field_slices(tmp_path / "in", [np.array((-40, -38, 1.25 * n)) for n in range(20)], AXIAL)
    read = []
    own = Planes._read
    monkeypatch.setattr(Planes, "_read", lambda self, one: read.append(one.path) or own(self, one))
    only_case(look(tmp_path / "in"))
    assert read == sorted(read) and len(read) == len(set(read)) == 20
