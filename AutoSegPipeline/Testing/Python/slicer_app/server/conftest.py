"""A pipeline and the embedded web server in front of it."""

from __future__ import annotations

from typing import Iterator

import pytest
from AutoSegPipelineLib.slicer_app.server.embedded import EmbeddedServer
from support.embedded_server import autoseg_of
from support.pipeline import Bench
from support.web_server import slicer_web_server

__all__ = ["slicer_web_server"]


@pytest.fixture
def server(bench: Bench, slicer_web_server: None) -> Iterator[EmbeddedServer]:
    made = EmbeddedServer(autoseg_of(bench), 0)
    made.start()
    yield made
    made.stop()
