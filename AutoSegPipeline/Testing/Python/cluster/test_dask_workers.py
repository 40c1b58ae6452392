"""Dask's scheduler by itself: where it listens, and what it says about a job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.cluster.dask_workers import FOLDER, DaskWorkers
from AutoSegPipelineLib.core.settings import Settings
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
