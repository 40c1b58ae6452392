"""Workers that a failed test left."""

from __future__ import annotations

from typing import Iterator

import pytest
from support.bundle_run import RUNS, WAIT
from support.qt import run_until


@pytest.fixture(autouse=True)
def nothing_runs_on() -> Iterator[None]:
    """A test that fails in the middle leaves no process."""
    yield
    for run in RUNS:
        if run.ending is None:
            run.worker.interrupt(1, "the test is over")
            run_until(lambda run=run: run.ending is not None, WAIT)
    RUNS.clear()
