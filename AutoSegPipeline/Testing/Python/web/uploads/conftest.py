"""What the tests of uploads share."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.pipeline import write_scan


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small scan, written once for the tests of a file."""
    return write_scan(tmp_path_factory.mktemp("scans") / "scan.nii.gz", compress=True)
