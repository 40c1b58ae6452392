"""A model that is added while the pipeline runs is known within seconds, and nothing is refused meanwhile."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.events import AlarmRaised, Event, EventBus
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.messages.child_messages import Done
from AutoSegPipelineLib.core.options_check import check_at_the_door
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.runtime.context import Context
from AutoSegPipelineLib.runtime.queue import engine_catalogue
from AutoSegPipelineLib.runtime.queue.engine_catalogue import EngineCatalogue
from support.engines import TISSUE, engine, task, tell
from support.held_clock import HeldClock
from support.pipeline import Bench, write_scan

OWN = engine("own", task("teeth"), auto=False)
OPTIONS: dict[str, object] = {"engine": "own:teeth"}


@contextmanager
def described_bench(home: Path, models: Path) -> Iterator[Bench]:
    """A pipeline whose worker has said that it has no own models; they would be in ``models``."""
    models.mkdir()
    tell(home, {"engines": [TISSUE]})
    with Bench(home, watch=False, models_dir=str(models)) as bench:
        bench.until(lambda: bench.pipeline.flow.options_gate.is_open)
        yield bench


def test_a_model_that_is_added_is_known_without_a_restart(tmp_path: Path) -> None:
    home, models = tmp_path / "home", tmp_path / "models"
    with described_bench(home, models) as bench:
        flow, catalogue = bench.pipeline.flow, bench.pipeline.flow.scheduler.catalogue
        with pytest.raises(PipelineError, match="no engine 'own'"):
            flow.options_gate.check(OPTIONS, "CT")
        tell(home, {"engines": [TISSUE, OWN]})
        (models / "teeth").mkdir()
        bench.until(lambda: len(catalogue.known["engines"]) == 2)
        assert not catalogue.stale
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "a.nii"), OPTIONS)
        bench.until(lambda: bench.job(job.id).ended)
        assert bench.job(job.id).state == states.DONE


def test_while_no_worker_can_be_asked_again_the_worker_has_the_word(tmp_path: Path) -> None:
    models = tmp_path / "models"
    with described_bench(tmp_path / "home", models) as bench:
        flow, catalogue = bench.pipeline.flow, bench.pipeline.flow.scheduler.catalogue
        meta = bench.pipeline.store.meta
        with pytest.raises(PipelineError, match="no engine 'own'"):
            check_at_the_door(meta, OPTIONS)
        (models / "teeth").mkdir()
        catalogue.look()
        assert catalogue.stale and not catalogue.fresh
        flow.options_gate.check(OPTIONS, "CT")
        check_at_the_door(meta, OPTIONS)


def test_workers_that_end_over_the_question_are_asked_ever_more_rarely(tmp_path: Path) -> None:
    clock = HeldClock()
    heard: list[AlarmRaised] = []
    home = Home.at(tmp_path)
    home.create()
    bus = EventBus()
    bus.subscribe(heard.append)
    store = Store(home.store, clock)
    settings = Settings.defaults(models_dir=str(tmp_path / "models"))
    catalogue = EngineCatalogue(Context(home, settings, store, clock, bus))
    catalogue.asked()
    catalogue.take(Done({"engines": [TISSUE]}))
    waits = []
    for _ in range(12):
        catalogue.asked()
        catalogue.lost("exit code 9")
        assert catalogue.stale and catalogue.must_wait, "and nothing is refused by what is old"
        began = clock.at
        while catalogue.must_wait:
            catalogue.look()
            clock.at += 1
        waits.append(clock.at - began)
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]
    (alarm,) = heard
    assert alarm.code == "engine.not_described" and "(exit code 9)" in alarm.message
    catalogue.asked()
    catalogue.lost("exit code 9")
    (tmp_path / "models").mkdir()
    catalogue.look()
    assert catalogue.stale and not catalogue.must_wait, "a model was removed or mended: asked at once"
    catalogue.asked()
    catalogue.take(Done({"engines": [TISSUE, OWN]}))
    assert not catalogue.stale and not catalogue.must_wait
    store.close()


def test_a_worker_that_always_dies_over_a_new_model_is_an_alarm_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_catalogue, "FIRST_WAIT", 0.01)
    home, models = tmp_path / "home", tmp_path / "models"
    with described_bench(home, models) as bench:
        catalogue = bench.pipeline.flow.scheduler.catalogue
        heard: list[AlarmRaised] = []

        def hear(event: Event) -> None:
            if isinstance(event, AlarmRaised):
                heard.append(event)

        bench.pipeline.bus.subscribe(hear)
        tell(home, {"dies": True})
        (models / "teeth").mkdir()
        bench.until(lambda: heard)
        assert [one.code for one in heard] == ["engine.not_described"]
        bench.pipeline.flow.options_gate.check(OPTIONS, "CT")  # what is known is old and refuses nothing
        tell(home, {"engines": [TISSUE, OWN]})
        bench.until(lambda: len(catalogue.known["engines"]) == 2)
        assert not catalogue.stale and len(heard) == 1
