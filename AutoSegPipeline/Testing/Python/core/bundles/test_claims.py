"""One worker at a time has a case, and a worker that is gone does not keep it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from AutoSegPipelineLib.core.bundles import claims
from AutoSegPipelineLib.core.bundles.claims import (
    Claim,
    Owner,
    Sight,
    is_dead,
    scheduler_job,
    take,
    this_process,
)
from AutoSegPipelineLib.core.bundles.layout import PROGRESS, CaseFolder, CaseProgress, Outcome
from AutoSegPipelineLib.core.files import write_json
from AutoSegPipelineLib.core.messages.reader import plain
from support.bundles import make_bundle

ELSEWHERE = Owner("other", 17, "another machine")
GOOD = Outcome(ok=True)


@pytest.fixture
def case(tmp_path: Path) -> CaseFolder:
    bundle = make_bundle(tmp_path, "ct")
    return bundle.folder(bundle.read().cases[0])


def taken(case: CaseFolder, number: int = 1, owner: Owner = ELSEWHERE) -> Claim:
    claim = take(case, number, owner)
    assert claim is not None
    return claim


def count(case: CaseFolder, number: int, claim: int = 1) -> None:
    write_json(case.path / PROGRESS, plain(CaseProgress(number, claim)))


def test_a_claim_is_made_once(case: CaseFolder) -> None:
    claim = taken(case)
    assert take(case, 1, ELSEWHERE) is None
    assert not claim.is_lost()
    claim.release()
    assert case.claim_number() == 0
    taken(case)


def test_a_claim_whose_owner_cannot_be_written_is_none(
    case: CaseFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(claims, "write_json", full)
        with pytest.raises(OSError):
            take(case, 1, ELSEWHERE)
    assert case.claim_number() == 0
    taken(case)


def test_a_worker_that_counts_keeps_its_case(case: CaseFolder) -> None:
    taken(case)
    sight = Sight(case, now=0.0)
    for second in range(0, 1000, 50):
        count(case, second)
        assert not sight.may_be_taken(float(second), 120.0)
    assert sight.is_alive


def test_a_count_that_stands_still_for_long_is_taken_over_once(case: CaseFolder) -> None:
    old = taken(case)
    count(case, 5)
    sight = Sight(case, now=0.0)
    assert not sight.may_be_taken(119.0, 120.0)
    assert not sight.is_alive
    assert sight.may_be_taken(120.0, 120.0)
    new = taken(case, sight.number + 1)
    assert take(case, sight.number + 1, ELSEWHERE) is None
    assert old.is_lost() and not new.is_lost()
    assert not sight.may_be_taken(121.0, 120.0)  # the new one has its own time


def test_whoever_lost_its_case_publishes_nothing(case: CaseFolder) -> None:
    old = taken(case)
    old.empty()
    new = taken(case, 2)
    new.empty()
    (new.making / "ct.gltf").write_bytes(b"new")
    assert not old.publish(GOOD)
    old.empty()  # as if it had vanished
    assert new.publish(GOOD)
    assert (case.result / "ct.gltf").read_bytes() == b"new"
    assert not old.making.exists() and not new.making.exists()


def test_two_that_publish_at_the_same_moment_leave_one_result(
    case: CaseFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = taken(case), taken(case, 2)
    for claim in (old, new):
        claim.empty()
        (claim.making / f"of_{claim.number}").touch()
        monkeypatch.setattr(claim, "is_lost", lambda: False)  # a share may show an old folder
    assert new.publish(GOOD)
    assert not old.publish(GOOD)
    assert sorted(os.listdir(case.result)) == ["of_2", "outcome.json"]


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux says in /proc that a process has ended"
)
def test_a_process_of_this_machine_that_has_ended_is_known_to_be_dead(case: CaseFolder) -> None:
    assert not is_dead(this_process())
    assert not is_dead(replace(this_process(), machine="another", pid=2**22))
    assert is_dead(replace(this_process(), born="1"))  # its pid belongs to another process now
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    gone = replace(this_process(), pid=done.pid)
    assert is_dead(gone)
    taken(case, 1, gone)
    assert Sight(case, now=0.0).may_be_taken(0.0, 120.0)


def test_a_case_that_was_released_may_be_taken_at_once(case: CaseFolder) -> None:
    claim = taken(case)
    sight = Sight(case, now=0.0)
    assert not sight.may_be_taken(1.0, 120.0)
    claim.release()
    assert sight.may_be_taken(2.0, 120.0)
    assert sight.number == 0


def test_the_batch_system_is_known_by_its_variables() -> None:
    assert (
        scheduler_job({"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}) == "7_2"
    )
    assert scheduler_job({"SLURM_JOB_ID": "9"}) == "9"
    assert scheduler_job({"PBS_JOBID": "12.server"}) == "12.server"
    assert scheduler_job({}) == ""
