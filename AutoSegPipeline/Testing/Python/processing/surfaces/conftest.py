"""What the tests of surfaces share."""

from __future__ import annotations

import numpy as np
import pytest
from AutoSegPipelineLib.core.segmentation import Segmentation
from AutoSegPipelineLib.processing.surfaces import make_surfaces
from support.surfaces import blobs, segmentation


@pytest.fixture(scope="module")
def crowd() -> Segmentation:
    """Twelve touching bodies of many sizes in 1 mm voxels."""
    return segmentation([blobs((70, 90, 110), 12)], np.diag([1.0, 1.0, 1.0, 1.0]))


@pytest.fixture(scope="module")
def crowd_surfaces(crowd):
    return make_surfaces(crowd)
