"""Kept label maps are shared within one scope of visibility only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core.clock import SystemClock
from AutoSegPipelineLib.core.events import EventBus
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.runtime.context import Context
from AutoSegPipelineLib.runtime.queue.case_message import CaseMessages
from AutoSegPipelineLib.runtime.queue.result_cache import KEEP, ResultCache
from support.engines import TISSUE, TOTAL, engine, task

SAME_SCAN = {"kind": "scan", "path": "input/000001.nii", "affine": None, "format": "nifti", "facts": {}}


class Shelf:
    """Cases of one home, and jobs that all hold the same scan."""

    def __init__(self, root: Path, visibility: str) -> None:
        home = Home.at(root)
        home.create()
        settings = Settings.defaults(visibility=visibility)
        self.store = Store(home.store)
        self.home = home
        context = Context(home, settings, self.store, SystemClock(), EventBus())
        self.cache = ResultCache(context)
        self.case_messages = CaseMessages(context, self.cache)

    def done(self, by: str, door: str = "web", options: dict[str, object] | None = None) -> Job:
        """A case of somebody that was computed, or answered from the cache."""
        job = Job(name="scan", content="c" * 64, door=door, submitted_by=by, staged=dict(SAME_SCAN))
        job.options = options or {}
        self.case_messages.order(job, self.home.results, 0)
        if job.cached_from is None:
            made = self.cache.work(job) / KEEP
            made.parent.mkdir(parents=True)
            made.write_text(f"label map of {by}")
            self.cache.keep(job)
        return job

    def reused(self, by: str) -> str | None:
        """What a next case of somebody would be given."""
        job = Job(name="scan", content="c" * 64, door="web", submitted_by=by, staged=dict(SAME_SCAN))
        found = self.case_messages.order(job, self.home.results, 0).reuse
        return Path(found).read_text() if found else None


@pytest.fixture
def shelf(tmp_path: Path, request: pytest.FixtureRequest):
    made = Shelf(tmp_path / "home", request.param)
    yield made
    made.store.close()


@pytest.mark.parametrize("shelf", ["own"], indirect=True)
def test_with_visibility_own_nobody_is_given_what_was_computed_for_somebody_else(shelf: Shelf) -> None:
    shelf.done("anna")
    assert shelf.reused("bert") is None
    assert shelf.reused("anna") == "label map of anna"
    assert shelf.done("bert").cached_from is None
    assert (shelf.reused("anna"), shelf.reused("bert")) == ("label map of anna", "label map of bert")


@pytest.mark.parametrize("shelf", ["own"], indirect=True)
def test_a_name_of_another_door_is_another_person(shelf: Shelf) -> None:
    shelf.done("anna", door="submit")
    assert shelf.reused("anna") is None


@pytest.mark.parametrize("shelf", ["all"], indirect=True)
def test_with_visibility_all_everybody_shares(shelf: Shelf) -> None:
    first = shelf.done("anna")
    assert shelf.done("bert").cached_from == first.id


@pytest.mark.parametrize("shelf", ["all"], indirect=True)
@pytest.mark.parametrize(
    ("changed", "reused"),
    [
        (engine("own", task("teeth", weights="b")), False),
        (engine("own", task("teeth", weights="a"), version="2"), False),
        (engine("own", task("teeth", weights="a"), task("jaw", weights="c")), True),
    ],
    ids=["weights", "version", "another task"],
)
def test_the_key_holds_the_version_and_the_weights_of_the_engines_that_work(
    shelf: Shelf, changed: dict[str, Any], reused: bool
) -> None:
    options = {"engine": "tissue,own:teeth"}
    shelf.store.meta.set("describe", {"engines": [TISSUE, engine("own", task("teeth", weights="a"))]})
    first = shelf.done("anna", options=options)
    assert shelf.done("anna", options=options).cached_from == first.id
    shelf.store.meta.set("describe", {"engines": [TISSUE, TOTAL, changed]})
    assert (shelf.done("anna", options=options).cached_from == first.id) is reused
