"""A send that was given up is an event of the pipeline, once, also over a restart."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.events import AlarmRaised, Event
from AutoSegPipelineLib.core.pacs.sends import FAILED
from AutoSegPipelineLib.core.pacs.store import FILE, PacsStore
from support.pipeline import Bench


def test_a_send_that_was_given_up_is_an_alarm_once(tmp_path: Path) -> None:
    heard: list[AlarmRaised] = []

    def hear(event: Event) -> None:
        if isinstance(event, AlarmRaised):
            heard.append(event)

    with Bench(tmp_path, watch=False) as bench:
        bench.pipeline.bus.subscribe(hear)
        pacs = PacsStore.of(bench.home)
        send = pacs.sends.get(pacs.sends.want("j1", "pacs", "monday"))
        assert send is not None
        assert pacs.sends.fail(send, PipelineError("pacs.gave_up", "given up after 72 hours"))
        bench.until(lambda: heard)
        assert heard == [
            AlarmRaised("pacs.gave_up", "the results of j1 were not sent to pacs: given up after 72 hours")
        ]
        bench.stop()
        pacs.alarms.add("pacs.gave_up", "j2", "pacs", "the second")
        bench.pipeline = bench._make()
        bench.pipeline.bus.subscribe(hear)
        bench.start()
        bench.until(lambda: len(heard) > 1)
        assert [one.message for one in heard[1:]] == ["the second"]
        # Another store in the same place begins at 1 again.
        pacs.close()
        bench.stop()
        for path in bench.home.state.glob(FILE + "*"):
            path.unlink()
        pacs = PacsStore.of(bench.home)
        bench.pipeline = bench._make()
        bench.pipeline.bus.subscribe(hear)
        bench.start()
        bench.until(lambda: bench.pipeline.store.meta.get("pacs_alarms") == 0)
        pacs.alarms.add("pacs.gave_up", "j3", "pacs", "of another store")
        bench.until(lambda: len(heard) > 2)
        assert heard[2].message == "of another store"
        pacs.close()


def test_one_that_is_wanted_again_meanwhile_raises_none(tmp_path: Path) -> None:
    pacs = PacsStore(tmp_path / FILE)
    send = pacs.sends.get(pacs.sends.want("j1", "pacs", "monday"))
    assert send is not None
    pacs.sends.want("j1", "pacs", "tuesday")
    assert not pacs.sends.fail(send, PipelineError("pacs.gave_up", "no"))
    again = pacs.sends.get(send.id)
    assert again is not None and again.state != FAILED and pacs.alarms.since(0) == []
    pacs.close()


def test_a_full_disk_does_not_repeat_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Event] = []
    with Bench(tmp_path, watch=False) as bench:
        flow = bench.pipeline.flow
        bench.pipeline.bus.subscribe(heard.append)
        pacs = PacsStore.of(bench.home)
        flow.pacs_alarms.look()
        pacs.alarms.add("pacs.gave_up", "j1", "pacs", "the first")

        def full(*_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(bench.pipeline.store.meta, "set", full)
            for _ in range(3):
                flow.pacs_alarms.look()
        flow.pacs_alarms.look()
        assert bench.pipeline.store.meta.get("pacs_alarms") == 1
        assert [one.message for one in heard if isinstance(one, AlarmRaised)] == ["the first"]
        pacs.close()
