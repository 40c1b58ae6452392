"""A share or a disk that fails, a worker that is overtaken, memory that runs out."""

from __future__ import annotations

import errno
import io
import itertools
import os
import shutil
from pathlib import Path
from typing import Any, Callable

import pytest
from AutoSegPipelineLib.core.bundles import claims
from AutoSegPipelineLib.core.bundles.layout import PROGRESS, CaseProgress, Outcome
from AutoSegPipelineLib.core.clock import SystemClock
from AutoSegPipelineLib.core.messages.reader import plain
from AutoSegPipelineLib.runtime.bundles import choice, notes
from AutoSegPipelineLib.runtime.bundles.memory_kills import memory_kills
from AutoSegPipelineLib.runtime.bundles.worker import (
    ALL_HAVE_RESULTS,
    CASES_LEFT,
    TROUBLE,
)
from support.bundle_run import WAIT, Run, code_of, folders
from support.bundles import make_bundle
from support.qt import run_until


class Fails:
    """Raises an error of the system instead of calling, for the first ``times`` calls."""

    def __init__(self, real: Callable[..., Any], number: int, times: int) -> None:
        self.real, self.number, self.left, self.hit = real, number, times, 0

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        if self.left > 0:
            self.left -= 1
            self.hit += 1
            raise OSError(self.number, os.strerror(self.number), str(arguments[0]))
        return self.real(*arguments, **more)


@pytest.mark.parametrize("times", [2, 10**6])
def test_a_share_without_room_is_tried_again_and_nothing_is_computed_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    bundle = make_bundle(tmp_path, "a")
    run = Run(bundle, tmp_path, patience_seconds=4.0)
    full = Fails(claims.write_json, errno.ENOSPC, times)

    def write(path: Path, *arguments: Any, **more: Any) -> None:
        (full if path.name == "outcome.json" else full.real)(path, *arguments, **more)

    monkeypatch.setattr(claims, "write_json", write)
    ending = run.until_end()
    assert full.hit >= 2 and len(run.processes) == 1
    assert any("waits" in note for note in run.notes)
    if times == 2:
        assert (ending.code, run.outcomes["a"].ok) == (ALL_HAVE_RESULTS, True)
    else:
        assert ending.error is not None and ending.error.code == "environment.disk_full"
        assert (ending.code, folders(bundle)[0].claim_number()) == (TROUBLE, 0)


def test_a_share_that_takes_no_claim_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = make_bundle(tmp_path, "a")
    run = Run(bundle, tmp_path, patience_seconds=30.0)
    readonly = Fails(claims.take, errno.EROFS, 2)
    monkeypatch.setattr(choice, "take", readonly)
    assert run.until_end().code == ALL_HAVE_RESULTS
    assert readonly.hit == 2 and run.outcomes["a"].ok


class FullDisk(io.StringIO):
    """A file that takes nothing, as on a full disk; what it was given is tried again when it closes."""

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    close = flush


def test_a_log_that_cannot_be_written_costs_the_log_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(make_bundle(tmp_path, "a_fail", "b", "c_vanish"), tmp_path)
    monkeypatch.setattr(notes, "open", lambda *_, **__: FullDisk(), raising=False)
    assert run.until_end().code == ALL_HAVE_RESULTS
    assert {stem: code_of(outcome) for stem, outcome in run.outcomes.items()} == {
        "a_fail": "engine.failed",
        "b": "None",
        "c_vanish": "worker.vanished",
    }


def test_a_log_is_written_on_once_the_share_has_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = make_bundle(tmp_path, "a")
    (folder,) = folders(bundle)
    claim = claims.take(folder, 1, claims.this_process())
    assert claim is not None
    words = notes.Notes(bundle, claims.this_process(), SystemClock())
    words.begin(claim)
    with monkeypatch.context() as full:
        full.setattr(notes, "open", lambda *_, **__: FullDisk(), raising=False)
        words.log("error", "lost")
    words.log("error", "kept")
    assert folder.log.read_text(encoding="utf-8").endswith("error kept\n")
    words.end(False)


class AheadClock(SystemClock):
    """A clock that a test may put forward."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


def test_trouble_that_passed_takes_no_patience_from_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = AheadClock()
    run = Run(make_bundle(tmp_path, "a"), tmp_path, clock=clock)
    monkeypatch.setattr(choice, "take", Fails(claims.take, errno.EROFS, 1))
    full = Fails(claims.write_json, errno.ENOSPC, 1)

    def write(path: Path, *arguments: Any, **more: Any) -> None:
        if path.name != "outcome.json":
            full.real(path, *arguments, **more)
            return
        clock.ahead = 600.0  # the case took so long
        full(path, *arguments, **more)

    monkeypatch.setattr(claims, "write_json", write)
    assert run.until_end().code == ALL_HAVE_RESULTS
    assert full.hit == 1 and run.outcomes["a"].ok


def test_whoever_is_overtaken_stops_computing(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "a_slow60000", "b")
    first = folders(bundle)[0]
    run = Run(bundle, tmp_path, stale_seconds=2.0)
    run.until(lambda: (found := first.progress()) is not None and found.stage == "segmenting")
    other = claims.take(first, 2, claims.Owner("other", 1, "elsewhere"))
    assert other is not None
    run_until(lambda: run.begun == ["a_slow60000", "b"], WAIT)
    other.empty()
    assert other.publish(Outcome(ok=True, host="other"))
    assert run.until_end(start=False).code == ALL_HAVE_RESULTS
    found = first.outcome()
    assert found is not None and found.host == "other"
    assert any("took it over" in note for note in run.notes)


class FastClock(SystemClock):
    """A minute passes in a second."""

    def monotonic(self) -> float:
        return 60 * super().monotonic()


def test_whoever_works_on_a_bundle_that_was_removed_ends(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "a_slow600000")
    run = Run(bundle, tmp_path, clock=FastClock(), patience_seconds=1.0)
    run.until(lambda: (found := folders(bundle)[0].progress()) is not None and found.stage == "segmenting")
    shutil.rmtree(bundle.path)
    assert run.until_end(start=False).code == TROUBLE
    assert not run.outcomes and not bundle.path.exists()


def test_a_case_that_another_worker_took_over_is_left_not_done(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, "a_slow60000")
    (folder,) = folders(bundle)
    run = Run(bundle, tmp_path)
    run.until(lambda: (found := folder.progress()) is not None and found.stage == "segmenting")
    assert claims.take(folder, 2, claims.Owner("other", 1, "elsewhere"))
    counts = itertools.count(1)

    def the_other_counts() -> bool:
        progress = CaseProgress(next(counts), 2)
        claims.write_json(folder.path / PROGRESS, plain(progress), durable=False)
        return run.ending is not None

    run_until(the_other_counts, WAIT)
    assert run.ending is not None and run.ending.code == CASES_LEFT


def test_memory_kills_are_counted_by_control_group(tmp_path: Path) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    (proc / "self").mkdir(parents=True)
    assert memory_kills(proc, groups) == 0
    (proc / "vmstat").write_text("nr_free 1\noom_kill 7\n")
    (proc / "self" / "cgroup").write_text("0::/job_4/step_0\n")
    assert memory_kills(proc, groups) == 7
    (groups / "job_4" / "step_0").mkdir(parents=True)
    (groups / "job_4" / "step_0" / "memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    assert memory_kills(proc, groups) == 2
    (proc / "self" / "cgroup").write_text("5:cpu:/\n4:memory:/job_4\n0::/elsewhere\n")
    (groups / "memory" / "job_4").mkdir(parents=True)
    (groups / "memory" / "job_4" / "memory.oom_control").write_text("under_oom 0\noom_kill 1\n")
    assert memory_kills(proc, groups) == 1
