"""A connection to the PACS' tables of the home that a test's ``context`` has."""

from __future__ import annotations

from typing import Iterator

import pytest
from AutoSegPipelineLib.core.pacs.store import PacsStore
from AutoSegPipelineLib.dicom.context import Context


@pytest.fixture
def pacs(context: Context) -> Iterator[PacsStore]:
    found = context.pacs_store()
    yield found
    found.close()
