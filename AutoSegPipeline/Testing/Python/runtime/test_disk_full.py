"""A full disk, injected at every step that writes: nothing is lost, nothing counts, it goes on by itself."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from AutoSegPipelineLib.core import crash_points, incoming, states
from AutoSegPipelineLib.runtime.ending import input_disposal, publisher
from AutoSegPipelineLib.runtime.staging import stager
from support.pipeline import Bench, hashes, write_scan


class Full:
    """Raises ENOSPC instead of calling, for the first ``times`` calls."""

    def __init__(self, real, times: int) -> None:
        self.real, self.left, self.hit = real, times, 0

    def __call__(self, *args, **kwargs):
        if self.left > 0:
            self.left -= 1
            self.hit += 1
            raise OSError(errno.ENOSPC, "No space left on device", str(args[0]) if args else None)
        return self.real(*args, **kwargs)


class OwnOs:
    """The module ``os`` with one function of our own, for one module alone."""

    def __init__(self, **changed) -> None:
        self.__dict__.update(changed)

    def __getattr__(self, name: str):
        return getattr(os, name)


def all_is_well(bench: Bench, wanted: set[str], count: int) -> None:
    jobs = bench.until_ended(count, 40)
    assert [job.state for job in jobs] == [states.DONE] * count
    assert all(job.vanished == 0 and job.deaths == 0 for job in jobs)
    bench.until(lambda: not any(bench.home.incoming.iterdir()))
    assert hashes(bench.home.spent) == wanted
    assert not any(bench.home.inbox.iterdir())


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (incoming, "write_json"),
        (stager, "rename"),
        (publisher, "replace"),
        (input_disposal, "rename"),
        (input_disposal, "write_json"),
    ],
)
def test_a_write_that_finds_no_room_is_made_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module, name: str
) -> None:
    times = 3
    with Bench(tmp_path / "home") as bench:
        bench.drop("one.nii", 1)
        bench.drop("two.nii", 2)
        wanted = hashes(bench.home.inbox)
        if name == "write_json":
            full = Full(module.write_json, times)
            monkeypatch.setattr(module, "write_json", full)
        else:
            full = Full(getattr(os, name), times)
            monkeypatch.setattr(module, "os", OwnOs(**{name: full}))
        bench.until(lambda: full.hit == times, 60)
        all_is_well(bench, wanted, 2)


@pytest.mark.parametrize(
    "step",
    [step for step in crash_points.STAGING if step != "source removed"] + ["row publishing", "row done"],
)
def test_a_store_that_cannot_grow_loses_no_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with Bench(tmp_path / "home") as bench:
        hit = []

        def fill(reached: str) -> None:
            if reached == step and not hit:
                hit.append(step)
                database = bench.pipeline.store._database
                # SQLite's own way to be full: no page more than there is.
                pages = database.row("PRAGMA page_count")[0]
                database.execute(f"PRAGMA max_page_count = {pages}")
                database.execute("BEGIN")
                try:
                    while True:
                        database.execute(
                            "INSERT INTO timings (kind, voxels, seconds, at) VALUES (?, 0, 0, '')",
                            ("x" * 500,),
                        )
                except Exception:
                    database.execute("COMMIT") if database._connection.in_transaction else None

        monkeypatch.setattr(crash_points, "listener", fill)
        bench.drop("one.nii", 1)
        bench.drop("two.nii", 2)
        wanted = {*hashes(bench.home.inbox)}
        bench.until(lambda: hit, 60)
        all_is_well(bench, wanted, 2)


def test_a_read_only_inbox_is_copied_from_and_not_taken_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Bench(tmp_path / "home") as bench:

        def refuse(*args):
            raise PermissionError(errno.EACCES, "Permission denied", str(args[0]))

        monkeypatch.setattr(stager, "os", OwnOs(rename=refuse, unlink=refuse))
        source = bench.drop("one.nii", 1)
        (job,) = bench.until_ended(1)
        assert job.state == states.DONE
        assert source.exists()
        ticks = bench.pipeline._ticks
        bench.until(lambda: bench.pipeline._ticks > ticks + 8)
        assert len(bench.jobs()) == 1
        monkeypatch.undo()
        source.unlink()
        list(bench.pipeline.flow.retention.steps())
        bench.drop("one.nii", 1)
        assert len(bench.until_ended(2)) == 2, "the same file dropped again after it left is a new one"


def test_the_reserve_is_given_up_and_made_again(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False, disk_reserve_mb=2) as bench:
        reserve = bench.home.reserve
        assert reserve.stat().st_size == 2 << 20
        full = Full(lambda: "written", 1)
        assert bench.pipeline.flow.conditions.durably(full) == "written"
        assert not reserve.exists()
        assert bench.pipeline.flow.conditions.paused["code"] == "environment.disk_full"
        bench.until(lambda: bench.pipeline.flow.conditions.paused is None)
        bench.until(lambda: reserve.exists())


def test_a_low_disk_stops_new_cases_before_it_is_full(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False, disk_min_free_mb=10**7) as bench:
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "a.nii"))
        bench.until(lambda: bench.job(job.id).state == states.QUEUED)
        assert bench.pipeline.flow.conditions.paused["code"] == "environment.disk_full"
        assert "10000000 MB are needed" in bench.pipeline.flow.conditions.paused["reason"]
