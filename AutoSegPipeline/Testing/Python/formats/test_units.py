"""Units of length in headers: scaled where they are true, named where they cannot be."""

from __future__ import annotations

import numpy as np
import pytest
from support.intake import RAS, codes, ct_array, look_at, meta_bytes, nifti_bytes, nrrd_bytes, only_case

METRE, MICROMETRE = 1, 3


def nifti(scale: float, units: int, **change) -> bytes:
    sform = np.array(RAS, float) * scale
    return nifti_bytes(sform=sform, units=units, **change)


def nrrd(scale: float, unit: str) -> bytes:
    steps = [step * scale for step in (2, 2.5, 3)]
    directions = " ".join("(" + ",".join(f"{step if a == b else 0:.9g}" for b in range(3)) + ")"
                          for a, step in enumerate(steps))  # fmt: skip
    return nrrd_bytes(space_directions=directions, extra=f'space units: "{unit}" "{unit}" "{unit}"\n')


def meta(scale: float, unit: str) -> bytes:
    steps = " ".join(f"{step * scale:.9g}" for step in (2, 2.5, 3))
    return meta_bytes(ElementSpacing=steps, DistanceUnits=unit)


TRUE = {
    "nifti in metres": ("a.nii", nifti(0.001, METRE)),
    "nifti in micrometres": ("a.nii", nifti(1000.0, MICROMETRE)),
    "nrrd in metres": ("a.nrrd", nrrd(0.001, "m")),
    "nrrd in micrometres": ("a.nrrd", nrrd(1000.0, "\u00b5m")),
    "metaimage in centimetres": ("a.mha", meta(0.1, "cm")),
    "metaimage in micrometres": ("a.mha", meta(1000.0, "um")),
}
UNTRUE = {
    "nifti says metres": ("a.nii", nifti(1.0, METRE)),
    "nifti says micrometres": ("a.nii", nifti(1.0, MICROMETRE)),
    "nrrd says metres": ("a.nrrd", nrrd(1.0, "m")),
    "nrrd says micrometres": ("a.nrrd", nrrd(1.0, "um")),
    "metaimage says micrometres": ("a.mha", meta(1.0, "um")),
}


def expected(name: str) -> list[float]:
    return [2.0, 2.5, 3.0] if not name.endswith(".nii") else np.linalg.norm(RAS[:3, :3], axis=0).tolist()


@pytest.mark.parametrize("kind", TRUE)
def test_a_true_unit_is_scaled_without_a_word(kind, tmp_path):
    name, data = TRUE[kind]
    case = only_case(look_at(tmp_path, name, data))
    assert case["spacing"] == pytest.approx(expected(name), rel=1e-4)
    assert case["warnings"] == []


@pytest.mark.parametrize("kind", UNTRUE)
def test_an_impossible_unit_is_millimetres_with_a_warning(kind, tmp_path):
    name, data = UNTRUE[kind]
    case = only_case(look_at(tmp_path, name, data))
    assert case["spacing"] == pytest.approx(expected(name), rel=1e-4)
    (warning,) = case["warnings"]
    assert warning["code"] == "input.implausible_unit"
    assert name in warning["message"] and "metres" in warning["message"]


@pytest.mark.parametrize(("name", "data"), [
    ("a.nii", nifti(0.00001, 2)), ("a.nii", nifti(0.00001, 0)), ("a.nrrd", nrrd(0.00001, "mm")),
    ("a.mha", meta(0.00001, "mm")),
])  # fmt: skip
def test_a_scan_smaller_than_a_millimetre_is_refused(name, data, tmp_path):
    answer = look_at(tmp_path, name, data)
    assert codes(answer) == ["input.bad_affine"]
    assert "smaller than 1 mm" in answer["refusals"][0]["error"]["message"]


def test_the_origin_is_scaled_like_the_steps(tmp_path):
    case = only_case(look_at(tmp_path, "a.mha", meta_bytes(
        ElementSpacing="0.2 0.25 0.3", Offset="-3 -4 -5", DistanceUnits="cm")))  # fmt: skip
    assert np.allclose([row[3] for row in case["affine"][:3]], [-30, -40, -50])


def test_a_metaimage_with_foreign_keys_is_read(tmp_path):
    keys = {
        "dim[0]": "3", "0008|0060": "CT", "ITK_FileNotes": "a: b = c", "qto_xyz:1": "",
        "Kommentar": "Gr\u00f6\u00dfe",
    }  # fmt: skip
    case = only_case(look_at(tmp_path, "a.mha", meta_bytes(**keys)))
    assert case["shape"] == list(reversed(ct_array().shape))


def test_a_value_of_several_lines_and_a_foreign_key_twice_change_nothing(tmp_path):
    data = meta_bytes(Note="first").replace(b"Note = first", b"Note = first\nsecond line\nNote = again")
    case = only_case(look_at(tmp_path, "a.mha", data))
    assert case["spacing"] == [2.0, 2.5, 3.0]


def test_two_values_of_a_deciding_field_are_refused(tmp_path):
    data = meta_bytes().replace(
        b"ElementSpacing = 2 2.5 3", b"ElementSpacing = 2 2.5 3\nelementspacing = 1 1 1"
    )
    assert codes(look_at(tmp_path, "a.mha", data)) == ["input.corrupt"]
