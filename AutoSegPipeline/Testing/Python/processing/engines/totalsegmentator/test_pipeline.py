"""The real package with synthetic weights through the whole pipeline, in real processes."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import psutil
import pytest
import support.tiny_totalsegmentator as support
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.events import Event, JobChanged, JobEnded
from AutoSegPipelineLib.core.files import sha256
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.processing.read_seg_nrrd import read_seg_nrrd
from AutoSegPipelineLib.runtime.api import AutoSeg
from support.intake import ct_array, nifti_bytes
from support.qt import run_until
from support.tiny_totalsegmentator import PYTHON, needs_package, write_scan

pytestmark = needs_package
LONG = {"shape": (120, 90, 60), "blocks": 20}  # two dozen tiles


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The package's home with the models that these tests need, seen by every worker."""
    folder = support.make_home(tmp_path_factory.mktemp("weights"), 297, 298, 300, 852)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOTALSEG_HOME_DIR", str(folder))
        for name, value in support.QUIET.items():
            patch.setenv(name, value)
        yield folder


def autoseg_at(home: Path) -> AutoSeg:
    settings = {"engine": "totalsegmentator", "device": "cpu", "quality": "fast", "formats": ["seg"]}
    return AutoSeg(home, worker_python=PYTHON, cache_mb=0, disk_min_free_mb=10, disk_reserve_mb=1, **settings)


@pytest.fixture(scope="module")
def warm(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AutoSeg]:
    """A pipeline whose worker has done a case."""
    folder = tmp_path_factory.mktemp("warm")
    with autoseg_at(folder / "home") as autoseg:
        first = autoseg.wait(autoseg.submit(write_scan(folder)[0]), 120)
        assert first.state == states.DONE, first.error
        yield autoseg


def worker_of(autoseg: AutoSeg) -> psutil.Process:
    (slot,) = autoseg.pipeline.flow.scheduler.worker_slots
    return psutil.Process(slot.child.pid)


def log_of(autoseg: AutoSeg, job: Job) -> str:
    return autoseg.home.job_log(job.id).read_text(encoding="utf-8")


def found_in(autoseg: AutoSeg, job: Job) -> dict[str, np.ndarray]:
    segmentation = read_seg_nrrd(autoseg.results(job)["seg.nrrd"])
    return {s.name: segmentation.layers[s.layer] == s.value for s in segmentation.segments}


def manifest_of(autoseg: AutoSeg, job: Job) -> dict[str, Any]:
    return json.loads(autoseg.results(job)["manifest.json"].read_text(encoding="utf-8"))


def until_tile(autoseg: AutoSeg, job: Job) -> None:
    """Run until the network is past its first tile of the job."""
    said: list[str] = []
    stop = autoseg.pipeline.bus.subscribe(
        lambda event: said.append(event.message) if isinstance(event, JobChanged) else None
    )
    assert autoseg._run_until(
        lambda: autoseg.job(job).ended or any(re.search(r"tile ([2-9]|\d\d)", text) for text in said), 90
    )
    stop()
    assert autoseg.job(job).state == states.SEGMENTING


def test_ten_differing_cases_are_served_by_one_process_that_loads_nothing_again(
    warm: AutoSeg, tmp_path: Path
) -> None:
    process = worker_of(warm)
    shapes = [(40 + n, 46 - n, 40 + n % 4) for n in range(10)]
    scans = [write_scan(tmp_path / str(n), seed=n, shape=shape) for n, shape in enumerate(shapes)]
    jobs = [warm.submit(path) for path, _ in scans]
    jobs = [warm.wait(job, 120) for job in jobs]
    assert [job.state for job in jobs] == [states.DONE] * 10, [job.error for job in jobs]
    assert worker_of(warm) == process and process.is_running()
    assert not any("loaded Dataset" in log_of(warm, job) for job in jobs)
    assert len({job.name for job in jobs}) == 10
    for job, (_, truth) in zip(jobs, scans):
        labels = read_seg_nrrd(warm.results(job)["seg.nrrd"]).layers[0]
        assert np.mean(labels[truth > 0] == truth[truth > 0]) > 0.5, job.name
        manifest = manifest_of(warm, job)
        assert manifest["engine"]["used"]["task"] == "total:fast"
        assert 0 < manifest["timings_s"]["network"] <= manifest["timings_s"]["segment"]
    assert process.children(recursive=True) == []


def test_a_part_of_the_structures_two_tasks_and_mr(warm: AutoSeg, tmp_path: Path) -> None:
    process = worker_of(warm)
    organs, _ = write_scan(tmp_path / "a", blocks=30, highest=3, seed=1)
    names = ["Left kidney", "spleen"]
    part = warm.wait(warm.submit(organs, structures=names), 120)
    assert set(found_in(warm, part)) == {"kidney_left", "spleen"}
    both = warm.wait(warm.submit(organs, task="total,body"), 120)
    segmentation = read_seg_nrrd(warm.results(both)["seg.nrrd"])
    layers = {segment.name: segment.layer for segment in segmentation.segments}
    assert layers["body_trunc"] != layers["spleen"] and len(segmentation.layers) == 2
    assert manifest_of(warm, both)["engine"]["used"]["task"] == "total:fast,body:fast"
    magnetic, truth = write_scan(tmp_path / "b", modality="MR", seed=2, noise=4)
    turned = warm.wait(warm.submit(magnetic, modality="MR", task="total"), 120)
    assert turned.state == states.DONE, turned.error
    manifest = manifest_of(warm, turned)
    assert manifest["engine"]["used"]["task"] == "total_mr:fast"
    assert "engine.task_switched" in {warning["code"] for warning in manifest["warnings"]}
    labels = read_seg_nrrd(warm.results(turned)["seg.nrrd"]).layers[0]
    assert np.mean(labels[truth > 0] == truth[truth > 0]) > 0.5
    assert worker_of(warm) == process


def test_bad_files_are_refused_by_their_codes_and_never_reach_the_worker(
    warm: AutoSeg, tmp_path: Path
) -> None:
    bad = {
        "input.two_dimensional": ("slice.nii", nifti_bytes(ct_array((12, 11, 1)))),
        "input.four_dimensional": ("time.nii", nifti_bytes(np.stack([ct_array()] * 2))),
        "input.colour": ("colour.nii", nifti_bytes(datatype=128, bitpix=24)),
        "input.non_finite": ("nan.nii", nifti_bytes(np.full((10, 11, 12), np.nan, "<f4"))),
        "input.constant": ("zero.nii", nifti_bytes(np.zeros((10, 11, 12), "<i2"))),
        "input.truncated": ("cut.nii.gz", gzip.compress(nifti_bytes())[:-100]),
        "input.empty": ("empty.nii", b""),
        "input.unknown_format": ("text.nii", b"this is no scan\n" * 50),
    }
    (slot,) = warm.pipeline.flow.scheduler.worker_slots
    served, jobs = slot.cases, {}
    for code, (name, data) in bad.items():
        (tmp_path / name).write_bytes(data)
        jobs[code] = warm.submit(tmp_path / name)
    ended = {code: warm.wait(job, 60) for code, job in jobs.items()}
    assert {code: (job.state, job.error["code"]) for code, job in ended.items()} == {
        code: (states.REFUSED, code) for code in bad
    }
    assert warm.pipeline.flow.scheduler.worker_slots == [slot] and slot.cases == served


def test_a_cancelled_case_leaves_the_worker_warm_for_the_next(weights: Path, tmp_path: Path) -> None:
    with autoseg_at(tmp_path / "home") as autoseg:
        job = autoseg.submit(write_scan(tmp_path / "long", **LONG)[0])
        until_tile(autoseg, job)
        assert "loaded Dataset" in log_of(autoseg, job)
        process = worker_of(autoseg)
        autoseg.cancel(job)
        assert autoseg.wait(job, 60).state == states.CANCELLED
        assert worker_of(autoseg) == process and process.children(recursive=True) == []
        run_until(lambda: not list(autoseg.home.results.iterdir()))  # it goes in a step of its own
        assert list(autoseg.home.results.iterdir()) == []
        after = autoseg.wait(autoseg.submit(write_scan(tmp_path / "after", seed=5)[0]), 60)
        assert after.state == states.DONE and "loaded Dataset" not in log_of(autoseg, after)
        assert worker_of(autoseg) == process
    assert not process.is_running()


def test_a_case_whose_worker_is_killed_in_a_tile_comes_back_and_ends_once(
    weights: Path, tmp_path: Path
) -> None:
    with autoseg_at(tmp_path / "home") as autoseg:
        source, truth = write_scan(tmp_path / "long", **LONG)
        ends: list[str] = []

        def hear(event: Event) -> None:
            if isinstance(event, JobEnded):
                ends.append(event.state)

        autoseg.pipeline.bus.subscribe(hear)
        job = autoseg.submit(source)
        until_tile(autoseg, job)
        process = worker_of(autoseg)
        os.kill(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        ended = autoseg.wait(job, 120)
        assert ended.state == states.DONE, ended.error
        assert ended.attempt == 2 and ends == [states.DONE]
        assert worker_of(autoseg) != process and not process.is_running()
        names = {path.name for path in autoseg.home.results.iterdir()}
        assert names == {output["name"] for output in ended.outputs}
        assert sum(name.endswith(".manifest.json") for name in names) == 1
        for output in ended.outputs:
            assert sha256(autoseg.home.results / output["name"]) == output["sha256"]
        labels = read_seg_nrrd(autoseg.results(ended)["seg.nrrd"]).layers[0]
        assert np.mean(labels[truth > 0] == truth[truth > 0]) > 0.5
        autoseg._run_until(lambda: not list(autoseg.home.incoming.iterdir()))
