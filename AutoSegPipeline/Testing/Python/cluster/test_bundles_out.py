"""The child's part without a scheduler: one that a test drives stands for it, and the share is a folder."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from AutoSegPipelineLib.cluster.executor import ENDED, RUNNING, WAITING, JobState
from AutoSegPipelineLib.core.messages.cluster_messages import (
    CaseAt,
    CaseBack,
    CaseDone,
    CaseFailed,
    ClusterState,
)
from support.cluster_child import Child, Crash, Scheduler, no_room


def test_a_result_comes_back_and_the_bundle_goes(tmp_path: Path) -> None:
    child = Child(tmp_path)
    child.send("a", "b")
    child.look()
    assert child.scheduler.submitted == [["bundle-00000001"]]
    child.work("a")
    child.scheduler.state = JobState(RUNNING, machine="n1")
    child.look()
    (done,) = child.heard(CaseDone)
    assert (tmp_path / "out" / "a" / "a.gltf").exists() and done.where.startswith("node-7 (slurm ")
    child.work("b")
    child.look()
    for job in ("a", "b"):
        child.out.settle((job, 1))
    child.scheduler.state = JobState(ENDED)
    child.look()
    assert not child.folder("a").exists() and len(child.heard(CaseDone)) == 2


def test_a_result_with_other_bytes_is_not_taken(tmp_path: Path) -> None:
    child = Child(tmp_path)
    child.send("a")
    child.look()
    child.work("a")
    (child.folder("a") / "result" / "a.gltf").write_bytes(b"something else")
    child.look()
    (back,) = child.heard(CaseBack)
    assert back.counted and "a.gltf" in back.reason and not child.heard(CaseDone)


def test_a_job_that_ended_keeps_what_was_done_and_gives_back_the_rest(tmp_path: Path) -> None:
    child = Child(tmp_path)
    child.send("done", "begun", "never")
    child.look()
    child.work("done")
    (child.folder("begun") / "claim-1").mkdir()
    child.scheduler.state = JobState(ENDED, "the node failed (n1)", "n1", counted=True)
    child.look(5)
    assert len(child.heard(CaseDone)) == 1
    back = {key[0]: message for message, key in child.said if isinstance(message, CaseBack)}
    assert back == {
        "begun": CaseBack("the node failed (n1)", True),
        "never": CaseBack("the node failed (n1)", False),
    }
    assert (child.folder("begun") / "cancel").exists() and (child.path / "bundle-00000001" / "stop").exists()


def test_a_scheduler_that_does_not_answer_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = Child(tmp_path, hung_seconds=50.0)
    child.send("a")
    child.look()
    child.scheduler.state = JobState(RUNNING)
    child.look(2)
    child.scheduler.away = True
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 100)  # longer than a worker may be silent
    child.look()
    assert child.heard(ClusterState)[-1].code == "environment.scheduler_unreachable"
    child.scheduler.away = False
    child.look()
    assert not child.heard(CaseBack) and not child.scheduler.cancelled
    child.work("a")
    child.look()
    assert child.heard(ClusterState)[-1].code == "" and len(child.heard(CaseDone)) == 1


def test_a_worker_whose_counts_stand_still_is_ended(tmp_path: Path) -> None:
    child = Child(tmp_path, hung_seconds=0.0)
    child.send("a")
    child.look()
    (child.folder("a") / "claim-1").mkdir()
    child.scheduler.state = JobState(RUNNING, machine="n1")
    child.look(4)
    assert child.scheduler.cancelled[:1] == ["job-bundle-00000001"]
    (back,) = child.heard(CaseBack)
    assert back.counted and "no progress" in back.reason


def test_a_worker_that_the_scheduler_suspended_may_stand_still(tmp_path: Path) -> None:
    child = Child(tmp_path, hung_seconds=0.0)
    child.send("a")
    child.look()
    (child.folder("a") / "claim-1").mkdir()
    child.scheduler.state = JobState(WAITING, "suspended", machine="n1")
    child.look(4)
    assert child.scheduler.cancelled == [] and child.heard(CaseBack) == []
    assert "(suspended)" in child.heard(CaseAt)[-1].message


def test_a_new_child_takes_up_what_is_out_and_ends_what_nobody_wants(tmp_path: Path) -> None:
    first = Child(tmp_path)
    first.send("a")
    first.send("old", bundle="bundle-00000002")
    first.look()
    second = Child(tmp_path, first.scheduler)
    second.send("a")
    second.out.sweep()
    second.look()
    assert len(first.scheduler.submitted) == 1, "nothing is submitted twice"
    assert "job-bundle-00000002" in second.scheduler.cancelled
    second.work("a")
    second.scheduler.state = JobState(ENDED)
    second.look(2)
    assert len(second.heard(CaseDone)) == 1 and not (tmp_path / "share" / "bundle-00000002").exists()


def test_a_death_between_submitting_and_noting_submits_nothing_twice(tmp_path: Path) -> None:
    first = Child(tmp_path)
    first.send("a")
    first.send("b", bundle="bundle-00000002")
    first.scheduler.crashes = True
    with pytest.raises(Crash):
        first.look()
    second = Child(tmp_path, first.scheduler)
    second.scheduler.crashes = False
    second.send("b", bundle="bundle-00000002")
    second.send("a")
    second.look()
    assert first.scheduler.submitted == [["bundle-00000001", "bundle-00000002"]]
    notes = [json.loads(one.read_text()) for one in sorted(second.path.glob("*/submitted.json"))]
    assert notes == [{"job": "job-bundle-00000001"}, {"job": "job-bundle-00000002"}]


def test_what_the_scheduler_never_got_is_submitted_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = Child(tmp_path)
    child.send("a")
    child.send("old", bundle="bundle-00000002")
    child.scheduler.crashes = True
    with pytest.raises(Crash):
        child.look()
    child.scheduler.known.clear()
    child = Child(tmp_path, Scheduler())
    child.send("a")
    child.out.sweep()
    child.look(2)
    assert not child.scheduler.submitted, "it may still be on its way"
    assert (child.path / "bundle-00000002").exists(), "its job may still begin"
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 100)
    child.look(2)
    assert child.scheduler.submitted == [["bundle-00000001"]]
    assert not (child.path / "bundle-00000002").exists()


def test_cancelled_and_failed_cases_and_those_without_an_input(tmp_path: Path) -> None:
    child = Child(tmp_path)
    child.send("a", "b", "fail", "gone")
    (tmp_path / "staged" / "gone" / "scan.nii").unlink()
    child.look()
    assert [key for message, key in child.said if isinstance(message, CaseBack)] == [("gone", 1)]
    child.out.give_up(("a", 1))
    assert (child.folder("a") / "cancel").exists()
    child.work("fail")
    child.look()
    assert child.heard(CaseFailed)[0].error["code"] == "engine.failed"
    assert {key[0] for message, key in child.said if isinstance(message, CaseAt)} >= {"b"}


def test_a_share_that_is_an_empty_mount_point_is_away(tmp_path: Path) -> None:
    child = Child(tmp_path)
    child.send("a")
    child.look()
    child.path.rename(tmp_path / "elsewhere")
    child.path.mkdir()
    child.scheduler.state = JobState(ENDED, "gone")
    child.look(5)
    assert child.heard(ClusterState)[-1].code == "environment.share_unreachable"
    assert not child.heard(CaseBack)


@pytest.mark.parametrize("full", [True, False])
def test_nothing_is_left_of_a_bundle_that_did_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    child = Child(tmp_path)
    if full:
        monkeypatch.setattr("AutoSegPipelineLib.core.bundles.packing.Packing.publish", no_room)
    child.send("a")
    child.look()
    assert child.heard(ClusterState)[-1].code == ("environment.disk_full" if full else "")
    assert bool(child.scheduler.submitted) is not full
    assert (child.path / "bundle-00000001").exists() is not full
