"""A pipeline with the fake worker, for the tests of Slicer's servers."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest
from support.pipeline import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path / "home") as made:
        yield made
