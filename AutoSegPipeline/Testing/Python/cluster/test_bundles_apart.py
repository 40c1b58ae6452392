"""What is wrong with one bundle, case or machine keeps no other back."""

from __future__ import annotations

import queue
import time
from pathlib import Path
from typing import Sequence

import pytest
from AutoSegPipelineLib.cluster.child import _loop
from AutoSegPipelineLib.cluster.executor import ENDED, WAITING, JobState
from AutoSegPipelineLib.core.messages.child_messages import Log
from AutoSegPipelineLib.core.messages.cluster_messages import (
    CaseAt,
    CaseBack,
    CaseDone,
    ClusterState,
    GiveUpAll,
    PackCase,
)
from AutoSegPipelineLib.core.messages.reader import plain
from AutoSegPipelineLib.core.messages.worker_messages import CaseOrder
from AutoSegPipelineLib.core.protocol import Envelope
from support.cluster_child import Child, no_room
from support.pipeline import write_scan


def test_results_come_back_though_nothing_more_can_be_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = Child(tmp_path)
    child.send("a")
    child.look()
    child.work("a")
    monkeypatch.setattr("AutoSegPipelineLib.core.bundles.packing.Packing.publish", no_room)
    child.send("b", bundle="bundle-00000002")
    child.look()
    assert child.heard(ClusterState)[-1].code == "environment.disk_full"
    assert len(child.heard(CaseDone)) == 1
    child.out.settle(("a", 1))
    child.scheduler.state = JobState(ENDED)
    child.look()
    assert not (child.path / "bundle-00000001").exists(), "which makes room"


def test_a_case_whose_second_input_is_gone_keeps_no_other_back(tmp_path: Path) -> None:
    child = Child(tmp_path)
    scan = write_scan(tmp_path / "staged" / "two" / "scan.nii")
    order = CaseOrder("scan", str(scan), "two", "", "", channels=[str(scan.with_name("second.nii"))])
    child.out.pack(("two", 1), PackCase("bundle-00000001", plain(order)))
    child.send("a")
    child.look()
    assert [key for message, key in child.said if isinstance(message, CaseBack)] == [("two", 1)]
    assert child.scheduler.submitted == [["bundle-00000001"]] and child.folder("a").exists()


@pytest.mark.parametrize("what", ["outcome", "list"])
def test_a_damaged_file_ends_what_it_is_about_and_nothing_else(tmp_path: Path, what: str) -> None:
    child = Child(tmp_path)
    child.send("bad")
    child.send("good", bundle="bundle-00000002")
    child.look()
    if what == "outcome":
        (child.folder("bad") / "result").mkdir()
        (child.folder("bad") / "result" / "outcome.json").write_text('{"ok": "perhaps"}')
    else:
        (child.path / "bundle-00000001" / "bundle.json").write_text("{")
    child.look()
    (back,) = child.heard(CaseBack)
    assert (
        back.counted is (what == "outcome") and f"{'bundle' if what == 'list' else what}.json" in back.reason
    )
    assert ("good", 1) in [key for message, key in child.said if isinstance(message, CaseAt)]
    child.out.settle(("bad", 1))
    child.look()
    assert child.scheduler.cancelled == ["job-bundle-00000001"], "its bundle is cleaned up"


def test_workers_that_end_before_a_case_hold_new_bundles_back_for_longer_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = Child(tmp_path)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)

    def fail(number: int) -> ClusterState:
        bundle = f"bundle-{number:08}"
        child.scheduler.state = JobState(WAITING)
        child.send("a", bundle=bundle, attempt=number)
        child.look()
        child.scheduler.state = JobState(ENDED, "it failed (exit code 1)", "n1", counted=True)
        child.look(4)
        child.out.settle(("a", number))
        child.look()
        state: ClusterState = child.heard(ClusterState)[-1]
        return state

    assert [fail(1).code, fail(2).code] == ["", ""]
    held = fail(3)
    assert held.code == "cluster.worker_failed" and "the last words" in held.reason
    assert child.heard(Log)[0] == Log("the last words", "error"), "it stands in the case's log, too"
    assert not any(back.counted for back in child.heard(CaseBack)), "no case is to blame"
    for seconds in (60, 120, 240):
        now += seconds - 1
        child.look()
        assert child.heard(ClusterState)[-1].code == "cluster.worker_failed"
        now += 2
        child.look()
        assert child.heard(ClusterState)[-1].code == ""
        fail(seconds)


def test_a_worker_that_takes_a_case_ends_the_row(tmp_path: Path) -> None:
    child = Child(tmp_path)
    for number in range(1, 6):
        bundle = f"bundle-{number:08}"
        child.scheduler.state = JobState(WAITING)
        child.send("a", bundle=bundle, attempt=number)
        child.look()
        if number == 3:
            (child.folder("a", bundle, number) / "claim-1").mkdir()
        child.scheduler.state = JobState(ENDED, "it failed", counted=True)
        child.look(4)
        child.out.settle(("a", number))
    child.look()
    assert child.heard(ClusterState)[-1].code == "" and len(child.heard(CaseBack)) == 5


def test_what_was_fetched_for_a_case_that_nobody_wants_is_removed(tmp_path: Path) -> None:
    child = Child(tmp_path)
    child.send("a")
    child.look()
    child.work("a")
    child.look()
    assert (tmp_path / "out" / "a").exists()
    child.out.give_up(("a", 1))
    assert not (tmp_path / "out" / "a").exists()


def test_a_child_that_is_switched_off_ends_and_removes_what_is_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = Child(tmp_path)
    child.send("a")
    child.send("b", bundle="bundle-00000002")
    child.look()

    def cancel(ids: Sequence[str]) -> None:
        child.scheduler.cancelled += ids
        child.scheduler.state = JobState(ENDED, "cancelled", counted=False)

    monkeypatch.setattr(child.scheduler, "cancel", cancel)
    monkeypatch.setattr("AutoSegPipelineLib.cluster.child._CLEAN_LOOK_SECONDS", 0.0)
    received: queue.Queue[Envelope | None] = queue.Queue()
    received.put(Envelope(GiveUpAll()))
    received.put(None)
    _loop(child.out, received, 60.0)
    assert sorted(set(child.scheduler.cancelled)) == ["job-bundle-00000001", "job-bundle-00000002"]
    assert not list(child.path.glob("bundle-*")) and not child.out.is_any_out
