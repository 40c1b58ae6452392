"""One Orthanc for the tests that only read from it."""

from __future__ import annotations

from typing import Iterator

import pytest
from support.archive import Archive, archive


@pytest.fixture(scope="session")
def shared_archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    with archive(tmp_path_factory.mktemp("archive")) as found:
        yield found
