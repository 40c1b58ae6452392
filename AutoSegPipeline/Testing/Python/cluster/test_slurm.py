"""Bundles through a real Slurm: Debian's daemons on this machine, submitit, and a worker that pretends."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import Iterator

import pytest
from AutoSegPipelineLib.cluster import slurm as scheduler
from AutoSegPipelineLib.cluster import submission
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.messages.cluster_messages import CaseDone
from AutoSegPipelineLib.core.settings import Settings
from support.cluster import ClusterBench, node_python
from support.cluster_child import Child, Crash
from support.headless import until
from support.pipeline import leftovers, write_scan
from support.programs import package
from support.slurm import Slurm, slurm

package("submitit", "requirements/cluster.txt")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Slurm]:
    with slurm(nodes=2) as one:
        yield one


def done(bench: ClusterBench) -> int:
    """How many cases are done."""
    return bench.pipeline.store.jobs.counts()[states.DONE]


@contextlib.contextmanager
def small_share(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of a few megabytes; skip where none may be mounted."""
    share = folder / "small"
    share.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(share)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this user or container may not mount a tmpfs, which stands for a share that is full")
    try:
        yield share
    finally:
        subprocess.run(["umount", "-l", str(share)], check=True)


def test_of_what_a_job_wrote_the_end_is_read(tmp_path: Path) -> None:
    (tmp_path / scheduler.FOLDER).mkdir()
    (tmp_path / scheduler.FOLDER / "7_0_log.err").write_bytes(b"x" * 5000 + b"\xe4 the last words\n")
    one = scheduler.Slurm(tmp_path, Settings.defaults())
    said = one.log("7")
    assert said.startswith("x") and said.endswith("\ufffd the last words") and len(said) < 2000
    (tmp_path / scheduler.FOLDER / "8_0_log.err").write_bytes(b"short\n")
    assert (one.log("8"), one.log("9")) == ("short", "")


def test_the_files_of_a_job_go_with_it_and_the_script_with_the_last_of_an_array(tmp_path: Path) -> None:
    folder = tmp_path / scheduler.FOLDER
    folder.mkdir()
    for name in (
        "7_submission.sh",
        "7_0_submitted.pkl",
        "7_0_0_log.err",
        "7_1_submitted.pkl",
        "70_0_0_log.err",
    ):
        (folder / name).touch()
    one = scheduler.Slurm(tmp_path, Settings.defaults())
    one.forget("7_0")
    assert sorted(os.listdir(folder)) == ["70_0_0_log.err", "7_1_submitted.pkl", "7_submission.sh"]
    one.forget("7_1")
    assert os.listdir(folder) == ["70_0_0_log.err"]


def test_a_bundle_goes_out_and_its_results_are_published_here(cluster: Slurm, tmp_path: Path) -> None:
    with ClusterBench(tmp_path / "home") as bench:
        ids = bench.submit(tmp_path / "scans", "one", "two", "slow600-three")
        bench.until(lambda: bench.job(ids[2]).state == states.SEGMENTING)
        seen = bench.job(ids[2])
        bench.until_ended(3)
        jobs = bench.jobs()
        assert [job.state for job in jobs] == [states.DONE] * 3
        assert "node-7 (slurm " in seen.where and seen.message == "pretending" and seen.eta_s is not None
        assert all(job.where.startswith("node-7 (slurm ") and job.attempt == 1 for job in jobs)
        assert {f"{job.name}.gltf" for job in jobs} <= set(bench.results())
        assert "the case one is worked on" in bench.home.job_log(ids[0]).read_text()
        assert sorted(bench.ran()) == sorted((one, 1) for one in ids)
        bench.until(lambda: not bench.bundles())
        bench.until(lambda: not os.listdir(bench.share / scheduler.FOLDER))
        bench.until(lambda: not leftovers(bench))
        assert cluster.jobs("RUNNING", "PENDING") == []


def test_the_real_worker_computes_a_case_on_a_node(cluster: Slurm, tmp_path: Path) -> None:
    """``autoseg worker`` with this machine's Python, as where ``cluster_python`` is empty."""
    with ClusterBench(tmp_path / "home", cluster_python="") as bench:
        scan = write_scan(tmp_path / "real.nii", seed=0, shape=(192, 192, 120))  # takes longer than two looks
        one = bench.pipeline.commands.submit(scan, {"formats": ["labels"]}).id
        (job,) = bench.until_ended(1)
        assert (job.state, job.engine, job.error) == (states.DONE, "tissue", None)
        assert "(slurm " in job.where and "real.labels.nii.gz" in bench.results()
        log = bench.home.job_log(one).read_text()
        assert "segmenting" in log or "exporting" in log


@pytest.fixture
def own_cluster() -> Iterator[Slurm]:
    """One whose daemons a test may kill."""
    with slurm(nodes=3, slurmd_timeout=5) as one:
        yield one


def test_forty_cases_through_every_trouble_end_once_each(own_cluster: Slurm, tmp_path: Path) -> None:
    """``scancel``, the wall time, a killed node and a killed pipeline in the middle of forty cases."""
    cluster = own_cluster
    stems = ["slow100000-until1", *[f"case{number}-slow200" for number in range(39)]]
    with ClusterBench(tmp_path / "home", cluster_bundle_cases=8) as bench:
        bench.pipeline.commands.pause()
        ids = bench.submit(tmp_path / "scans", *stems)
        bench.until(lambda: bench.pipeline.store.jobs.counts()[states.QUEUED] == 40)
        bench.pipeline.commands.resume()
        bench.until(lambda: done(bench) >= 3)
        bench.until(lambda: bench.job(ids[0]).state == states.SEGMENTING)
        overtime = bench.job(ids[0]).where.split("slurm ")[1].rstrip(")")
        # One minute is the least; an administrator may say when a job must end, looked at every 30 s.
        cluster.ask("scontrol", "update", f"JobId={overtime}", "EndTime=now+1seconds")
        listed = cluster.ask("squeue", "-h", "-r", "-t", "RUNNING", "-o", "%A %i %N").splitlines()
        running = [line.split() for line in listed]
        other = next(job for number, job, _ in running if number != overtime)
        lost = next(node for number, _, node in running if number != overtime)
        assert "_" in other, "bundles of one size leave as one array"
        cluster.ask("scancel", other)
        bench.until(lambda: done(bench) >= 8)
        bench.kill_and_start()
        bench.until(lambda: done(bench) >= 14)
        cluster.kill_node(lost)
        bench.until(lambda: done(bench) >= 18)
        cluster.start_node(lost)
        jobs = bench.until_ended(40, 120)
        assert [job.state for job in jobs] == [states.DONE] * 40
        assert len({job.name for job in jobs}) == 40
        results = bench.results()
        assert all(f"{job.name}.manifest.json" in results for job in jobs)
        ran = bench.ran()
        assert len(set(ran)) == len(ran), "an attempt ran twice"
        assert {one for one, _ in ran} == set(ids)
        # Finished cases were kept: only what was at work or waited in a lost bundle began again.
        assert 40 <= len(ran) <= 44
        late = bench.job(ids[0])
        assert late.attempt >= 2 and "wall time" in bench.home.job_log(late.id).read_text()
        bench.until(lambda: not bench.bundles())
        bench.until(lambda: not leftovers(bench))


def test_a_full_share_keeps_bundles_back_until_there_is_room(
    cluster: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_share(tmp_path, megabytes=12) as share:
        filler = share / "filler"
        with ClusterBench(tmp_path / "home", share=share) as bench:
            filler.write_bytes(bytes(4 << 20))  # below disk_min_free_mb
            bench.submit(tmp_path / "scans", "one", "two")
            bench.until(lambda: (bench.pipeline.store.meta.get("cluster") or {}).get("error"))
            note = bench.pipeline.store.meta.get("cluster")
            assert note["error"]["code"] == "environment.disk_full"
            bench.until(lambda: all(job.state in (states.QUEUED, states.PREPARING) for job in bench.jobs()))
            filler.unlink()
            assert {job.state for job in bench.until_ended(2)} == {states.DONE}


def test_a_share_that_fills_up_under_a_result_gives_the_case_back(cluster: Slurm, tmp_path: Path) -> None:
    with small_share(tmp_path, megabytes=12) as share, ClusterBench(tmp_path / "home", share=share) as bench:
        (one,) = bench.submit(tmp_path / "scans", "disk-until1")
        bench.until(lambda: (bench.pipeline.store.meta.get("cluster") or {}).get("error"))
        assert bench.pipeline.store.meta.get("cluster")["error"]["code"] == "environment.disk_full"
        bench.until(lambda: bench.job(one).state == states.QUEUED)
        assert (bench.job(one).attempt, bench.job(one).vanished) == (1, 0)
        (share / "filler").unlink()
        (job,) = bench.until_ended(1)
        assert (job.state, job.attempt, job.vanished) == (states.DONE, 2, 0)
        assert bench.ran() == [(one, 1), (one, 2)]
        bench.until(lambda: not bench.bundles())


def test_a_share_that_is_away_holds_the_cluster_and_comes_back(cluster: Slurm, tmp_path: Path) -> None:
    with ClusterBench(tmp_path / "home") as bench:
        bench.submit(tmp_path / "scans", "slow1500-first")
        bench.until(lambda: bench.jobs()[0].state == states.SEGMENTING)
        away = bench.share.with_name("away")
        bench.share.rename(away)
        bench.share.mkdir()  # what a mount point looks like
        bench.until(lambda: (bench.pipeline.store.meta.get("cluster") or {}).get("error"))
        assert bench.pipeline.store.meta.get("cluster")["error"]["code"] == "environment.share_unreachable"
        bench.submit(tmp_path / "scans", "second")
        bench.until(lambda: bench.jobs()[1].state == states.QUEUED)
        bench.share.rmdir()
        away.rename(bench.share)
        jobs = bench.until_ended(2)
        assert [(job.state, job.attempt) for job in jobs if "first" in job.label] == [(states.DONE, 1)]
        assert {job.state for job in jobs} == {states.DONE}


@pytest.mark.parametrize("bundles", [1, 2])
def test_a_death_between_sbatch_and_the_note_submits_nothing_twice(
    cluster: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundles: int
) -> None:
    """One bundle is a job of its own, two are an array."""
    before = cluster.jobs()
    names = [f"bundle-0000000{number}" for number in range(bundles)]

    def child() -> Child:
        settings = Settings.defaults(cluster_python=str(node_python(tmp_path)))
        one = Child(tmp_path, scheduler.Slurm(tmp_path / "share", settings))
        for name in names:
            one.send(f"in-{name}", bundle=name)
        return one

    def die(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(submission, "note_submitted", die)
        with pytest.raises(Crash):
            child().look()
    second = child()
    second.look()
    ours = [job for job in cluster.jobs() if job not in before]
    notes = [json.loads((second.path / name / "submitted.json").read_text())["job"] for name in names]
    assert notes == sorted(ours) and len(ours) == bundles
    until(lambda: second.look() or len(second.heard(CaseDone)) == bundles)
    assert len((second.path / "ran.txt").read_text().splitlines()) == bundles


def test_memory_that_does_not_suffice_gets_the_next_size_of_job(cluster: Slurm, tmp_path: Path) -> None:
    memory = ["0.1", "0.2"]
    with ClusterBench(tmp_path / "home", cluster_memory_gb=memory) as bench:
        bench.submit(tmp_path / "scans", "memory-until1")
        bench.until(lambda: bench.jobs()[0].attempt == 2)
        found = bench.until_ended(1)[0]
        assert (found.state, found.vanished) == (states.DONE, 0)
        assert {"205M", "102M"} <= set(cluster.ask("squeue", "-h", "--states=all", "-o", "%m").split())


def test_cancel_and_pause_reach_the_cluster(cluster: Slurm, tmp_path: Path) -> None:
    with ClusterBench(tmp_path / "home") as bench:
        (slow,) = bench.submit(tmp_path / "scans", "slow60000")
        bench.until(lambda: bench.job(slow).state == states.SEGMENTING)
        bench.pipeline.commands.pause()
        (waits,) = bench.submit(tmp_path / "scans", "waits")
        bench.until(lambda: bench.job(waits).state == states.QUEUED)
        bench.pipeline.commands.cancel(slow)
        bench.until(lambda: bench.job(slow).state == states.CANCELLED)
        bench.until(lambda: not cluster.jobs("RUNNING", "PENDING"))
        assert bench.job(waits).state == states.QUEUED and len(bench.ran()) == 1
        bench.pipeline.commands.resume()
        bench.until(lambda: bench.job(waits).state == states.DONE)


def test_a_job_that_slurm_suspends_goes_on_later(cluster: Slurm, tmp_path: Path) -> None:
    with ClusterBench(tmp_path / "home") as bench:
        (one,) = bench.submit(tmp_path / "scans", "slow3000")
        bench.until(lambda: bench.job(one).state == states.SEGMENTING)
        (job,) = cluster.jobs("RUNNING")
        cluster.ask("scontrol", "suspend", job)
        bench.until(lambda: "(suspended)" in bench.job(one).message)
        cluster.ask("scontrol", "resume", job)
        bench.until(lambda: bench.job(one).state == states.DONE)
        assert bench.job(one).attempt == 1


def test_a_job_that_slurm_does_not_take_comes_back(cluster: Slurm, tmp_path: Path) -> None:
    with ClusterBench(tmp_path / "home", cluster_partition=["nowhere"]) as bench:
        (one,) = bench.submit(tmp_path / "scans", "one")
        bench.until(lambda: (bench.pipeline.store.meta.get("cluster") or {}).get("error"))
        error = bench.pipeline.store.meta.get("cluster")["error"]
        assert error["code"] == "cluster.rejected" and "sbatch" in error["message"]
        bench.until(lambda: bench.job(one).state == states.QUEUED)
        assert bench.job(one).vanished == 0
