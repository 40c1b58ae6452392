"""Killed at every step and at random moments: every case ends once, nothing is lost, nothing is twice."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest
from AutoSegPipelineLib.core import crash_points, states
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.core.store import Store
from AutoSegPipelineLib.runtime.queue.limits import VANISHED_LIMIT
from support import FOLDER
from support.pipeline import hashes, write_scan

DRIVER = FOLDER / "crash_driver.py"
posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no kill -9")


def start(root: Path, count: int, *kill: object, **env: str) -> subprocess.Popen:
    """The driver, in a session of its own so that a test can see what it leaves."""
    command = [sys.executable, str(DRIVER), str(root), str(count), *map(str, kill)]
    log = open(root / "driver.log", "ab")  # noqa: SIM115 - the child's
    return subprocess.Popen(command, env={**os.environ, **env}, stdout=log, stderr=log)


def finish(root: Path, count: int, **env: str) -> None:
    """Run a pipeline to the end of everything."""
    process = start(root, count, **env)
    assert process.wait(90) == 0, (root / "driver.log").read_text()[-3000:]


def jobs_of(home: Home) -> list[Job]:
    store = Store(home.store)
    try:
        return store.jobs.list()
    finally:
        store.close()


def scans(root: Path, count: int) -> tuple[Home, set[str]]:
    """A home whose inbox holds ``count`` scans, one of them bad; the hashes of all."""
    home = Home.at(root)
    home.create()
    for number in range(count - 1):
        write_scan(home.inbox / f"scan {number}.nii", number, compress=False)
    (home.inbox / "fail.nii").write_bytes(write_scan(root / "x.nii", 99).read_bytes())
    (root / "x.nii").unlink()
    return home, hashes(home.inbox)


def check(home: Home, wanted: set[str], count: int) -> None:
    """Every case ended once and every input is where its end says."""
    jobs = jobs_of(home)
    assert sorted(job.label for job in jobs) == sorted({job.label for job in jobs}), "taken twice"
    assert len(jobs) == count
    assert all(job.ended for job in jobs)
    for job in jobs:
        # Whoever kills the same case over and over makes it fail: its input is kept, too.
        unlucky = job.error is not None and job.error["code"] == "worker.vanished"
        # The last worker killed over it may not have been ready; no scan is refused for that.
        unlucky |= job.state == states.FAILED and job.vanished >= VANISHED_LIMIT
        right = states.FAILED if job.label == "fail.nii" else states.DONE
        assert unlucky or job.state == right, f"{job.label}: {job.error}"
        for output in job.outputs:
            assert (home.results / output["name"]).stat().st_size == output["size"]
    published = {output["name"] for job in jobs for output in job.outputs}
    assert {path.name for path in home.results.iterdir()} == published, "something of an attempt was left"
    assert hashes(home.spent) | hashes(home.failed) | hashes(home.refused) == wanted, "an input was lost"
    assert not any(home.inbox.iterdir()) and not any(home.incoming.iterdir())


def nobody_is_left(root: Path) -> None:
    """No child of a killed pipeline lives on."""
    until = time.monotonic() + 10
    while True:
        left = []
        for process in psutil.process_iter():
            try:
                # Children stand in their own folder of the home's work.
                if str(root) in " ".join(process.cmdline()) or str(root) in process.environ().get(
                    "TMPDIR", ""
                ):
                    left.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        if not left or time.monotonic() > until:
            break
        time.sleep(0.05)
    assert not left


@posix
@pytest.mark.parametrize("step", crash_points.STAGING + crash_points.PUBLISHING)
def test_killed_after_a_step_the_next_start_brings_every_case_to_one_end(tmp_path: Path, step: str) -> None:
    home, wanted = scans(tmp_path / "home", 3)
    # "source removed" is a step of copies only: the inbox of another disk, or inputs that are kept.
    process = start(home.root, 3, step, 1 if step != "output renamed" else 2)
    assert process.wait(60) == -9 if step != "source removed" else process.wait(60) in (0, -9)
    nobody_is_left(home.root)
    finish(home.root, 3)
    check(home, wanted, 3)
    nobody_is_left(home.root)


@posix
def test_killed_while_an_archive_is_split_no_part_is_lost_or_doubled(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    home.create()
    with zipfile.ZipFile(home.inbox / "both.zip", "w") as archive:
        for name in ("one", "two", "three"):
            archive.write(write_scan(tmp_path / f"{name}.nii", len(name)), f"{name}.nii")
    for step in ("row inspecting", "row queued", "row queued", "row done", "input spent"):
        assert start(home.root, 3, step, 1).wait(60) in (0, -9)
    finish(home.root, 3)
    jobs = jobs_of(home)
    assert sorted(job.state for job in jobs) == ["done"] * 3
    assert len({job.name for job in jobs}) == 3


@posix
def test_fifty_kills_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    count, dice = 12, random.Random(4)
    home, wanted = scans(tmp_path / "home", count)
    process, kills = start(home.root, count, CRASH_DO="slow150"), 0
    end = time.monotonic() + 150
    while kills < 50 and time.monotonic() < end:
        time.sleep(dice.uniform(0.05, 0.5))
        if process.poll() is not None:
            # All done or the pipeline was killed: more work, and a new start.
            if process.returncode == 0:
                write_scan(tmp_path / "more.nii", 1000 + kills).rename(home.inbox / f"more {kills}.nii")
                wanted |= hashes(home.inbox)
                count += 1
            process = start(home.root, count, CRASH_DO="slow150")
            continue
        kills += _kill_one(process, dice)
    process.kill()
    process.wait()
    assert kills == 50
    nobody_is_left(home.root)
    finish(home.root, count)
    check(home, wanted, count)


def _kill_one(process: subprocess.Popen, dice: random.Random) -> int:
    """Kill the pipeline (one time in four), or one of its children."""
    try:
        children = psutil.Process(process.pid).children()
    except psutil.NoSuchProcess:
        return 0
    if dice.random() < 0.25 or not children:
        process.kill()
        process.wait()
        return 1
    try:
        dice.choice(children).kill()
    except psutil.NoSuchProcess:
        return 0
    return 1
