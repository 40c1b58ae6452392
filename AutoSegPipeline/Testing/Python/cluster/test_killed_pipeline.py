"""A real ``serve`` is killed while its bundles are out in a real Slurm; the next one ends every case once."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import psutil
from support.cluster import node_python
from support.headless import Running, autoseg, until, write_scan
from support.programs import package
from support.slurm import slurm

package("submitit", "requirements/cluster.txt")

CASES = 4


def test_kill_9_of_serve_with_bundles_out(tmp_path: Path) -> None:
    home, share = tmp_path / "home", tmp_path / "share"
    share.mkdir()
    serve = (
        "--home", home, "serve", "--engine", "tissue", "--formats", "gltf", "--cluster", "slurm",
        "--cluster-share", share, "--cluster-python", node_python(tmp_path), "--cluster-memory-gb", "",
        "--cluster-look-seconds", "0.2", "--cluster-bundle-cases", "2",
    )  # fmt: skip
    scans = [write_scan(tmp_path / f"case{number}-slow800.nii", seed=number) for number in range(CASES)]

    def jobs() -> list[dict]:
        return json.loads(autoseg("--home", home, "list", "--json").stdout)["jobs"]

    with slurm(nodes=2) as cluster:
        assert autoseg("--home", home, "submit", *scans).returncode == 0
        with Running(*serve) as killed:
            until(lambda: (share / "ran.txt").exists())
            assert cluster.jobs("RUNNING", "PENDING")
            children = psutil.Process(killed.process.pid).children(recursive=True)
            killed.signal(signal.SIGKILL)
            killed.process.wait(60)
        psutil.wait_procs(children, 60)
        with Running(*serve) as serving:
            until(lambda: {job["state"] for job in jobs()} == {"done"})
            until(lambda: not [one for one in share.iterdir() if one.name.startswith("bundle-")])
            assert cluster.jobs("RUNNING", "PENDING") == []
            assert autoseg("--home", home, "stop").returncode == 0
            assert serving.end() == 0
    lines = [line.split() for line in (share / "ran.txt").read_text().splitlines()]
    ran = [line[0] for line in lines]
    assert len(set(ran)) == len(ran) and {line[1] for line in lines} == {"1"}, "a case that was out ran twice"
    found = [job["id"] for job in jobs()]
    assert len(found) == CASES and set(ran) <= set(found)
