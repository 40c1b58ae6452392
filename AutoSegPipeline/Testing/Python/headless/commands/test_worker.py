"""``autoseg worker`` as a batch system calls it: real processes, killed and started again."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Callable

import psutil
import pytest
from AutoSegPipelineLib.core.bundles.layout import Bundle, CaseFolder
from AutoSegPipelineLib.core.bundles.packing import Packing, fetch_result
from support import headless
from support.bundles import make_bundle, order
from support.headless import Running, autoseg

DRIVER = Path(headless.__file__).with_name("bundle_driver.py")
posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """The command with the fake engine; the log of what it computed is in FAKE_WORKER_LOG."""
    monkeypatch.setattr(headless, "COMMAND", [sys.executable, str(DRIVER)])
    return {"FAKE_WORKER_LOG": str(tmp_path / "fakes.log")}


def computed(fake: dict[str, str]) -> list[str]:
    """The stem of each case that an engine began."""
    path = Path(fake["FAKE_WORKER_LOG"])
    return [line.split()[2] for line in path.read_text().splitlines()] if path.exists() else []


def folders(bundle: Bundle) -> list[CaseFolder]:
    return [bundle.folder(entry) for entry in bundle.read().cases]


def wait(what: Callable[[], Any], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.02)


def is_running(folder: CaseFolder) -> bool:
    found = folder.progress()
    return found is not None and found.stage == "segmenting"


def test_a_real_engine_computes_a_bundle_without_home_or_network(tmp_path: Path) -> None:
    packing = Packing(tmp_path / "bundle")
    for number, stem in enumerate(("one", "two")):
        scan = headless.write_scan(tmp_path / "scans" / f"{stem}.nii.gz", 12.0)
        packing.add(f"job{number}", 1, order(scan, stem))
    bundle = packing.publish()
    env = {"HOME": str(tmp_path / "no home"), "XDG_DATA_HOME": str(tmp_path / "no home")}
    done = autoseg("worker", bundle.path, "--json", env=env)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [(one["name"], one["state"]) for one in answer["cases"]] == [("one", "done"), ("two", "done")]
    assert not (tmp_path / "no home").exists()
    for folder in folders(bundle):
        outcome = folder.outcome()
        assert outcome is not None and outcome.ok
        (tmp_path / folder.name).mkdir()
        fetch_result(folder, outcome, tmp_path / folder.name)
        (manifest,) = (tmp_path / folder.name).glob("*.manifest.json")
        assert outcome.result is not None and outcome.result["manifest_name"] == manifest.name


def test_two_workers_share_a_bundle_and_each_case_is_computed_once(
    tmp_path: Path, fake: dict[str, str]
) -> None:
    stems = [f"c{number}_slow100" for number in range(12)]
    bundle = make_bundle(tmp_path, *stems)
    with Running("worker", bundle.path, env=fake) as one, Running("worker", bundle.path, env=fake) as two:
        codes = {one.end(90), two.end(90)}
    assert codes <= {0, 3} and 0 in codes
    assert sorted(computed(fake)) == sorted(stems)
    assert all(folder.is_finished for folder in folders(bundle))
    assert len(bundle.workers()) == 2 and all(alive.done for alive in bundle.workers())


@posix
def test_a_worker_that_was_killed_goes_on_where_it_was(tmp_path: Path, fake: dict[str, str]) -> None:
    bundle = make_bundle(tmp_path, "a", "b_slow60000", "c")
    second = folders(bundle)[1]
    with Running("worker", bundle.path, env=fake) as killed:
        wait(lambda: is_running(second))
        children = psutil.Process(killed.process.pid).children(recursive=True)
        killed.signal(signal.SIGKILL)
        killed.process.wait(10)
    psutil.wait_procs(children, 30)
    assert second.claim_number() == 1
    second.cancel()  # it need not take another minute
    done = autoseg("worker", bundle.path, env=fake)
    assert done.returncode == 0, done.stdout + done.stderr
    assert second.claim_number() == 2
    assert [stem[0] for stem in computed(fake)][0::2] == ["a", "c"]
    outcomes = [folder.outcome() for folder in folders(bundle)]
    assert [outcome is not None and outcome.ok for outcome in outcomes] == [True, False, True]


@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_engine_and_leaves_the_case(
    tmp_path: Path, fake: dict[str, str], number: int, code: int
) -> None:
    bundle = make_bundle(tmp_path, "a", "b_deaf60000_child")
    first, second = folders(bundle)
    with Running("worker", bundle.path, env=fake) as running:
        wait(lambda: is_running(second))
        children = psutil.Process(running.process.pid).children(recursive=True)
        running.signal(number)
        assert running.end(30) == code, running.text
    gone, alive = psutil.wait_procs(children, 10)
    assert len(gone) >= 2 and not alive
    assert first.is_finished and not second.is_finished
    assert second.claim_number() == 0
    assert "left to another worker" in running.text


@posix
def test_other_workers_and_a_stopped_bundle_are_told_by_exit_code_3(
    tmp_path: Path, fake: dict[str, str]
) -> None:
    bundle = make_bundle(tmp_path, "a_slow60000", "b")
    with Running("worker", bundle.path, env=fake) as running:
        wait(lambda: is_running(folders(bundle)[0]))
        other = autoseg("worker", bundle.path, env=fake)
        assert (other.returncode, computed(fake)) == (3, ["a_slow60000", "b"])
        assert "1 of 2 cases have no result yet: other workers are at them" in other.stdout
        running.signal(signal.SIGTERM)
        running.end(30)
    bundle.stop()
    stopped = autoseg("worker", bundle.path, env=fake)
    assert stopped.returncode == 3 and "stopped" in stopped.stdout


def test_what_is_no_bundle_and_an_engine_that_is_not_there_are_errors(tmp_path: Path) -> None:
    nothing = autoseg("worker", tmp_path)
    assert nothing.returncode == 1 and "bundle.json" in nothing.stderr
    bundle = make_bundle(tmp_path, "a", options={"engine": "totalsegmentator"})
    missing = autoseg("worker", bundle.path, "--json")
    assert missing.returncode == 1, missing.stdout
    assert json.loads(missing.stdout)["error"]["code"] == "engine.not_available"
    assert folders(bundle)[0].claim_number() == 0
    usage = autoseg("worker", bundle.path, "--stale-seconds", "0")
    assert usage.returncode == 2
