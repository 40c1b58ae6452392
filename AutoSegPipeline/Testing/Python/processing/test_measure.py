"""Measuring: exact numbers, whatever way they are counted."""

from __future__ import annotations

import numpy as np
import pytest
from AutoSegPipelineLib.processing.layers import axis_counts
from AutoSegPipelineLib.processing.measure import _intensity


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.int32, np.float32])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_intensities_are_exact_whatever_way_they_are_counted(dtype, size):
    random = np.random.default_rng(size)
    array = random.integers(0, 200, (5, 20, 30)).astype(dtype)
    if dtype is np.int16:
        array = (array.astype(np.int32) * 300 - 30000).astype(np.int16)  # to both ends of its range
    mask = np.zeros(array.shape, bool)
    mask.reshape(-1)[random.permutation(array.size)[:size]] = True
    found, values = _intensity(array, mask), array[mask].astype(np.float64)
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.sd == pytest.approx(values.std(), rel=1e-9, abs=1e-9)
    assert (found.min, found.max) == (values.min(), values.max())
    assert found.median == pytest.approx(np.median(values))


def test_voxels_are_counted_along_each_axis():
    layer = np.random.default_rng(2).integers(0, 3, (6, 7, 8)).astype(np.uint8)
    box = (slice(1, 5), slice(0, 7), slice(2, 8))
    mask = layer[box] == 2
    for axis, counts in enumerate(axis_counts(layer, 2, box)):
        assert np.array_equal(counts, mask.sum(axis=tuple(a for a in range(3) if a != axis)))
