"""What voxels say is the same for whole numbers, counted as they are, and for the same as floats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from AutoSegPipelineLib.formats.volume_file import read_volume_file
from AutoSegPipelineLib.intake.voxel_content import Content, scan_content
from support.intake import ct_array, nifti_bytes


def content(path: Any, array: np.ndarray, **fields: Any) -> Content:
    path.write_bytes(nifti_bytes(array, **fields))
    return scan_content(read_volume_file(str(path)))


def regions(count: int) -> np.ndarray:
    return np.kron(np.arange(count).reshape(1, 1, -1), np.ones((4, 5, 3))).astype("u2")


def mask() -> np.ndarray:
    array = np.zeros((20, 21, 22), "u1")
    array[5:9, 4:12, 3:15] = 7
    return array


@pytest.mark.parametrize(
    "array",
    [mask(), mask() * 0, mask() * 0 + 3, regions(5), regions(511), regions(600), ct_array()],
    ids=["mask", "empty", "full", "regions", "many", "too many", "scan"],
)
def test_integers_and_floats_say_the_same(tmp_path, array):
    plain = content(tmp_path / "a.nii", array)
    assert plain == content(tmp_path / "b.nii", array.astype("f4"))
    flat = array.reshape(-1).astype(float)
    assert (plain.low, plain.high, plain.integral) == (flat.min(), flat.max(), True)
    assert plain.distinct == (set(flat.tolist()) if len(set(flat.tolist())) <= 512 else None)
    pairs = [(a, b) for a, b in zip(flat, flat[1:]) if a or b]
    assert (plain.pairs, plain.equal) == (len(pairs), sum(a == b for a, b in pairs))


def test_fractions_are_no_whole_numbers_wherever_they_are(tmp_path):
    array = mask().astype("f4")
    assert not content(tmp_path / "a.nii", array * 0.5).integral
    assert not content(tmp_path / "b.nii", array * 0 + 0.5).integral
    assert not content(tmp_path / "c.nii", mask(), slope=0.5).integral
