"""What keeps a child running: when it is started again, when nobody tries any more, when it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.messages.child_messages import Failed, Hello, Serve
from AutoSegPipelineLib.core.protocol import Envelope
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.runtime.pipeline import Pipeline
from AutoSegPipelineLib.runtime.processes import child_host
from AutoSegPipelineLib.runtime.processes.child import Exit
from AutoSegPipelineLib.runtime.processes.child_host import ChildHost
from AutoSegPipelineLib.runtime.processes.child_kinds import ChildKind, Restart
from support.pipeline import Bench, fake_spawns

DIED = Exit(9, crashed=True, began=True)


class FakeChild:
    """Does as the test says; ``sent`` holds what it was sent."""

    def __init__(self, on_message: Any, on_log: Any, on_end: Any) -> None:
        self.on_message, self.on_end = on_message, on_end
        self.sent: list[Any] = []

    def start(self) -> None:
        self.started = True

    def send(self, envelope: Envelope) -> None:
        self.sent.append(envelope.message)

    def says(self, message: Any) -> None:
        self.on_message(Envelope(message))

    def cancel(self, job: str, attempt: int) -> bool:
        return False

    def quit(self, grace: float = 0.0) -> None:
        self.on_end(Exit(0, asked=True))

    kill = quit

    def silent_for(self) -> float:
        return 0.0


class Alarm:
    """A timer that the test lets ring."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self.ring, self.stopped = ring, False

    def start(self, milliseconds: int) -> None:
        self.milliseconds = milliseconds

    def stop(self) -> None:
        self.stopped = True


class Kept:
    """A host with fake children, a clock and alarms."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, tries: int = 0) -> None:
        self.children: list[FakeChild] = []
        self.alarms: list[Alarm] = []
        self.notes: list[Any] = []
        self.seconds = 0.0
        self.home = Home.at(root)
        monkeypatch.setattr(child_host.qt, "make_alarm", self._alarm)
        kind = ChildKind("echo", "echo", Restart(1.0, 3.0, 60.0, tries), setting="watch")
        self.host = ChildHost(kind, self.home, self._spawn, self, self.notes.append)

    def _alarm(self, ring: Callable[[], None]) -> Alarm:
        self.alarms.append(Alarm(ring))
        return self.alarms[-1]

    def _spawn(self, *callbacks: Any) -> FakeChild:
        self.children.append(FakeChild(*callbacks))
        return self.children[-1]

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> float:
        return self.seconds

    def start(self) -> FakeChild:
        self.host.start(Settings.defaults())
        return self.children[-1]

    def dies_after(self, seconds: float, ended: Exit = DIED) -> int:
        """The child says hello and ends; the milliseconds until the next one, which then starts."""
        self.children[-1].says(Hello(5))
        self.seconds += seconds
        self.children[-1].on_end(ended)
        self.alarms[-1].ring()
        return self.alarms[-1].milliseconds


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    return Kept(tmp_path, monkeypatch)


def test_it_is_sent_the_home_and_the_settings_first(kept: Kept) -> None:
    child = kept.start()
    (serve,) = child.sent
    assert isinstance(serve, Serve) and serve.settings == Settings.defaults().values
    assert (serve.home.root, serve.home.state) == (str(kept.home.root), str(kept.home.state))
    child.says(Hello(5))
    assert kept.notes == [{"pid": 5, "error": None}] and kept.host.pid == 5
    kept.start()
    assert len(kept.children) == 1, "it runs already"


def test_each_pause_is_twice_as_long_until_it_was_well_again(kept: Kept) -> None:
    kept.start()
    assert [kept.dies_after(1.0) for _ in range(4)] == [1000, 2000, 3000, 3000]
    assert (
        kept.notes[-1]["error"]["code"] == "child.died" and "signal 9" in kept.notes[-1]["error"]["message"]
    )
    assert kept.dies_after(61.0) == 1000
    assert len(kept.children) == 6


def test_after_its_tries_in_a_row_nobody_tries_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(tmp_path, monkeypatch, tries=3)
    kept.start()
    kept.dies_after(1.0)
    kept.dies_after(61.0)
    kept.dies_after(1.0)
    assert kept.host.error is None and len(kept.children) == 4
    kept.children[-1].on_end(DIED)
    assert kept.host.error is not None and kept.host.error.code == "child.died"
    assert len(kept.alarms) == 3 and kept.host.ended
    kept.start()
    assert kept.host.error is None and len(kept.children) == 5, "somebody asked for it again"


@pytest.mark.parametrize(("code", "again"), [("environment.disk_full", True), ("web.cannot_bind", False)])
def test_what_a_person_has_to_mend_is_not_tried_again(kept: Kept, code: str, again: bool) -> None:
    child = kept.start()
    child.says(Failed(PipelineError(code, "for a reason").to_dict()))
    child.on_end(Exit(1, began=True))
    assert bool(kept.alarms) is again and (kept.host.error is None) is again
    assert kept.notes[-1]["error"]["message"] == "for a reason" and kept.notes[-1]["pid"] == 0


def test_one_that_cannot_be_started_is_not_tried_again(kept: Kept) -> None:
    kept.start().on_end(Exit(-1, failed_to_start=True, note="no such file"))
    assert kept.host.error is not None and kept.host.error.code == "child.not_started"
    assert "the child process echo" in kept.host.error.message and not kept.alarms


def test_stopped_it_stays_away(kept: Kept) -> None:
    kept.start()
    kept.host.stop()
    assert kept.host.ended and not kept.host.wanted and kept.notes[-1] is None
    kept.start().on_end(DIED)
    kept.host.stop()
    assert kept.alarms[-1].stopped
    kept.alarms[-1].ring()
    assert len(kept.children) == 2


def test_a_pipeline_keeps_it_running_while_its_setting_says_so(tmp_path: Path) -> None:
    children: list[FakeChild] = []

    def spawn(*callbacks: Any) -> FakeChild:
        children.append(FakeChild(*callbacks))
        return children[-1]

    kind = ChildKind("echo", "echo", Restart(0.01, 1.0), setting="watch")

    class WithChild(Bench):
        def _make(self) -> Pipeline:
            spawns = fake_spawns(self.home, more={kind: spawn})
            return Pipeline(self.home, self.settings, spawns, what="test")

    with WithChild(tmp_path / "home", watch=False) as bench:
        assert not children
        bench.pipeline.watch(True)
        children[0].says(Hello(5))
        assert bench.pipeline.store.meta.get("echo") == {"pid": 5, "error": None}
        children[0].on_end(DIED)
        bench.until(lambda: len(children) == 2)
        bench.pipeline.watch(False)
        assert bench.pipeline.store.meta.get("echo") is None
        bench.pipeline.watch(True)
        assert len(children) == 3
    assert bench.pipeline.stopped and len(children) == 3
