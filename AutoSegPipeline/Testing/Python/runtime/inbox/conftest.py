"""What the tests of the inbox share."""

from __future__ import annotations

import pytest
from support.inbox import Watching


@pytest.fixture
def watch(tmp_path):
    made = []
    folder = tmp_path / "inbox"
    folder.mkdir()

    def make(**how):
        made.append(Watching(folder, **how))
        return made[-1]

    yield make
    for watching in made:
        watching.watcher.stop()
