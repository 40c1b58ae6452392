"""Dask's scheduler by itself: where it listens, and what it says about a job."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.cluster import dask_workers
from AutoSegPipelineLib.cluster.dask_workers import FOLDER, DaskWorkers
from AutoSegPipelineLib.cluster.executor import ENDED
from AutoSegPipelineLib.core.cluster_settings import JobSize
from AutoSegPipelineLib.core.settings import Settings
from support.headless import until
from support.programs import package

distributed = package("distributed", "requirements/cluster.txt")
package("cryptography", "requirements/cluster.txt")


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[DaskWorkers]:
    found = DaskWorkers(tmp_path, Settings.defaults(cluster="dask", cluster_port=0))
    yield found
    found.stop()


def test_without_a_host_other_machines_can_connect(dask: DaskWorkers, tmp_path: Path) -> None:
    address = json.loads((tmp_path / FOLDER / "scheduler.json").read_text())["address"]
    host = distributed.comm.get_address_host(address)
    assert host == distributed.utils.get_ip()  # the loopback alone on a machine without any network
    listening = [distributed.comm.get_address_host(one.listen_address) for one in dask._scheduler.listeners]
    assert set(listening) <= {"0.0.0.0", "::"}


def test_an_address_that_others_cannot_reach_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(distributed.comm.utils, "get_ip", lambda: "127.0.0.1")
    for host in ("127.0.0.1", ""):
        caplog.clear()
        DaskWorkers(tmp_path, Settings.defaults(cluster_host=host, cluster_port=0)).stop()
        assert ("set cluster_host" in caplog.text) == (host == "")


def test_how_a_job_ended_is_known_without_asking_its_machine(
    dask: DaskWorkers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ``result`` asks for lies on a machine that may be gone, and then it waits for ever."""

    def asked(*_: object, **__: object) -> None:
        raise AssertionError("a result was asked for")

    def command(_: Settings, bundle: Path) -> list[str]:
        return [sys.executable, "-c", f"raise SystemExit({bundle.name})"]

    monkeypatch.setattr(distributed.Future, "result", asked)
    monkeypatch.setattr(dask_workers, "worker_command", command)
    ids = dask.submit([tmp_path / "0", tmp_path / "3"], JobSize(), "token")
    worker = subprocess.Popen(shlex.split(dask.command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: all(one.state == ENDED for one in dask.states(ids).values()), 60)
        found = [dask.states(ids)[one] for one in ids]
    finally:
        worker.kill()
        worker.wait(30)
    assert [one.reason for one in found] == [f"the worker ended with exit code {code}" for code in (0, 3)]
    assert all(one.counted for one in found)


def test_a_job_of_an_earlier_scheduler_does_not_count_against_its_cases(dask: DaskWorkers) -> None:
    state = dask.states(["bundle-of-yesterday"])["bundle-of-yesterday"]
    assert (state.state, state.counted) == (ENDED, False)
