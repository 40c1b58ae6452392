"""What the tests of the processing share."""

from __future__ import annotations

import pytest
from AutoSegPipelineLib.processing import phantom
from support.tissue import SHAPE


@pytest.fixture(scope="module")
def torso() -> phantom.Phantom:
    """A trunk with every tissue, drawn once for the tests of a file."""
    return phantom.torso(SHAPE)
