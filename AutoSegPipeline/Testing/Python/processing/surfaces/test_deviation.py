"""The sampled points of thousands of labels, found in one pass, are those of a search for each label."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from AutoSegPipelineLib.processing.surfaces.deviation import SAMPLES, samples


@pytest.mark.parametrize("labels", [3, 50, 3000])
def test_samples_are_spread_over_the_triangles_of_each_label(labels):
    random = np.random.default_rng(labels)
    sides = random.integers(0, labels + 1, (20000, 2)).astype(np.uint16)
    sides[:, 1] = np.where(sides[:, 1] == sides[:, 0], (sides[:, 0] + 1) % (labels + 1), sides[:, 1])
    triangles = random.integers(0, 9000, (len(sides), 3))
    mesh = SimpleNamespace(sides=sides, triangles=triangles, points=random.random((9000, 3)))
    wanted = [label for label in range(1, labels + 1) if (sides == label).any()]
    found = samples(mesh, wanted)
    assert list(found) == wanted
    for label in wanted[:: max(1, labels // 50)]:
        own = np.flatnonzero((sides == label).any(axis=1))
        assert len(found[label]) == min(SAMPLES, len(own))
        first, last = (mesh.points[triangles[own[n], 0]] for n in (0, -1))
        assert np.array_equal(found[label][0], first) and np.array_equal(found[label][-1], last)
        assert {tuple(p) for p in found[label]} <= {tuple(p) for p in mesh.points[triangles[own, 0]]}
