"""Bundles through a real Dask over TLS: its scheduler in the cluster child, two worker processes as an
administrator starts them, and a bundle's worker that pretends."""

from __future__ import annotations

import shlex
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Iterator

import psutil
import pytest
from AutoSegPipelineLib.core import states
from support.cluster import ClusterBench
from support.orthanc import free_port
from support.pipeline import leftovers
from support.programs import package

# As in requirements/cluster.txt: what they need has no wheels for Python 3.15.
package("distributed", "requirements/cluster.txt", before=(3, 15))
package("cryptography", "requirements/cluster.txt", before=(3, 15))


class Machines:
    """Two other machines, here processes; :meth:`tend` starts what ended again, as a service does."""

    def __init__(self) -> None:
        self.running: list[subprocess.Popen[bytes]] = []
        self.command: list[str] = []

    def tend(self) -> bool:
        """Keep two workers running."""
        self.running = [one for one in self.running if one.poll() is None]
        while self.command and len(self.running) < 2:
            self.running.append(
                subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
        return True

    def kill(self, one: subprocess.Popen[bytes]) -> None:
        """With all that it started, as a power cut does; suspended first, since it starts again what ends."""
        nanny = psutil.Process(one.pid)
        nanny.suspend()
        for process in [*nanny.children(recursive=True), nanny]:
            process.kill()
        one.wait(30)

    def stop(self) -> None:
        for one in self.running:
            if one.poll() is None:
                self.kill(one)


@pytest.fixture
def machines() -> Iterator[Machines]:
    found = Machines()
    yield found
    found.stop()


def note(bench: ClusterBench) -> dict:
    return bench.pipeline.store.meta.get("cluster") or {}


def test_forty_cases_on_two_workers_end_once_each(tmp_path: Path, machines: Machines) -> None:
    """A worker machine is lost, then the pipeline is killed; TLS alone opens the scheduler's port."""
    port = free_port()
    bench = ClusterBench(
        tmp_path / "home", cluster="dask", cluster_host="127.0.0.1", cluster_port=port,
        cluster_gpus=["1"], cluster_bundle_cases=5,
    )  # fmt: skip
    with bench:
        bench.until(lambda: note(bench).get("command"))
        machines.command = shlex.split(note(bench)["command"])
        refuses_without_certificate(port)
        bench.until(lambda: machines.tend() and note(bench)["workers"] == 2)
        ids = bench.submit(tmp_path / "scans", *[f"case{number}-slow200" for number in range(40)])
        bench.until(lambda: machines.tend() and done(bench) >= 4, 180)
        machines.kill(machines.running[0])
        bench.until(lambda: machines.tend() and done(bench) >= 12, 180)
        bench.kill_and_start()
        bench.until(lambda: machines.tend() and done(bench) == 40, 180)
        jobs = bench.jobs()
        assert all(job.state == states.DONE and "(dask bundle-" in job.where for job in jobs)
        ran = bench.ran()
        assert len(set(ran)) == len(ran), "an attempt ran twice"
        assert {one for one, _ in ran} == set(ids) and len(ran) <= 46
        bench.until(lambda: not bench.bundles())
        bench.until(lambda: not leftovers(bench))


def done(bench: ClusterBench) -> int:
    return bench.pipeline.store.jobs.counts()[states.DONE]


def refuses_without_certificate(port: int) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", port), 30)
    with pytest.raises((ssl.SSLError, ConnectionError)), context.wrap_socket(plain) as one:
        if one.recv(1) == b"":
            raise ConnectionResetError
