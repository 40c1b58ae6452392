"""A pipeline with its page, for the tests of a browser."""

from __future__ import annotations

from typing import Iterator

import pytest
from support.headless import write_scan
from support.web_page import Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("page")
    with Site(root / "home") as served:
        # The worker is warm before the first test, so that none leaves a process behind.
        first = served.put(write_scan(root / "first.nii.gz", 8.0))
        assert served.until_ended(first["id"])["state"] == "done"
        yield served
