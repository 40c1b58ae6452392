"""HEAD answers as GET does, without the body, wherever GET answers."""

from __future__ import annotations

from typing import Iterator

import pytest
from AutoSegPipelineLib.core import states
from support.web import Served, served


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    for one in served(tmp_path_factory.mktemp("head")):
        one.add_job(states.DONE, name="thorax")
        yield one


@pytest.mark.parametrize(
    "path",
    [
        "/", "/upload", "/view/thorax", "/files", "/api/v1/jobs", "/api/v1/results", "/api/v1/status",
        "/healthz", "/api/v1/results/thorax", "/static/js/api.js", "/api/v1/openapi.json", "/api/v1/engines",
        "/metrics", "/nothing", "/api/v1/jobs/0000",
    ],
)  # fmt: skip
def test_head_is_get_without_its_body(page: Served, path: str) -> None:
    got, head = page.get(path), page.request("HEAD", path)
    assert (head.status, head.body) == (got.status, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    if path != "/metrics":  # its figures change while one looks
        assert head.headers["content-length"] == got.headers["content-length"]


def test_the_head_of_the_event_stream_ends(page: Served) -> None:
    head = page.request("HEAD", "/api/v1/events", None, {"Accept": "text/event-stream"})
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"].startswith("text/event-stream")


def test_what_has_no_get_has_no_head(page: Served) -> None:
    assert page.request("HEAD", "/api/v1/pacs/find").status == 405
