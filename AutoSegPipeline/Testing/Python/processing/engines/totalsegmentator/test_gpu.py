"""The engine on a GPU whose memory does not suffice or that goes away: real worker, made-up GPU."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.processing.engines.totalsegmentator.trouble import translate
from AutoSegPipelineLib.runtime.pipeline import Pipeline
from AutoSegPipelineLib.runtime.processes import child_kinds
from AutoSegPipelineLib.runtime.processes.child import Child
from AutoSegPipelineLib.runtime.processes.child_command import child_environment
from AutoSegPipelineLib.runtime.queue import gpu_watch
from support import FOLDER
from support.pipeline import Bench, fake_spawns, write_scan

WORKER = FOLDER / "gpu_worker.py"


class GpuBench(Bench):
    """A pipeline whose workers see the GPU that :meth:`machine` describes."""

    def machine(self, gpus: int, fails: str = "") -> None:
        self.home.root.mkdir(parents=True, exist_ok=True)
        part = self.home.root / "gpu.part"
        part.write_text(json.dumps({"gpus": gpus, "fails": fails}), encoding="utf-8")
        part.replace(self.home.root / "gpu.json")

    def _make(self) -> Pipeline:
        def worker(on_message: Any, on_log: Any, on_end: Any, on_hung: Any = None) -> Child:
            self.home.work.mkdir(parents=True, exist_ok=True)
            env = child_environment(self.home.work, {"FAKE_GPU": str(self.home.root / "gpu.json")})
            return Child([sys.executable, str(WORKER)], env, on_message, on_log, on_end, on_hung=on_hung)

        spawns = fake_spawns(self.home, more={child_kinds.WORKER: worker})
        return Pipeline(self.home, self.settings, spawns, what="test")


def bench_at(root: Path, gpus: int, fails: str = "", **settings: Any) -> GpuBench:
    wanted = {"watch": False, "engine": "totalsegmentator", "modality": "CT", "formats": ["gltf"]}
    bench = GpuBench(root, **{**wanted, **settings})
    bench.machine(gpus, fails)
    return bench


def manifest_of(bench: Bench, name: str) -> dict[str, Any]:
    return json.loads((bench.home.results / f"{name}.manifest.json").read_text(encoding="utf-8"))


def ran(bench: Bench, job_id: str) -> list[str]:
    lines = [json.loads(line)["text"] for line in bench.home.job_log(job_id).read_text().splitlines()]
    return [line[len("ran ") :] for line in lines if line.startswith("ran ")]


def test_the_ladder_goes_from_the_gpu_over_parts_and_qualities_to_the_cpu(tmp_path: Path) -> None:
    with bench_at(tmp_path / "home", 1, "memory") as bench:
        # 400 slices of 1 mm are more than 200 of the network's in quality normal.
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "tall.nii", shape=(12, 11, 400)))
        bench.until(lambda: bench.job(job.id).ended, 60)
        found = bench.job(job.id)
        assert found.state == states.DONE, found.error
        assert ran(bench, job.id) == [
            "total:normal on gpu", "total:normal on gpu in parts",
            "total:fast on gpu",
            "total:fastest on gpu",
            "total:fastest on cpu",
        ]  # fmt: skip
        manifest = manifest_of(bench, "tall")
        assert len(manifest["input"]["ladder"]) == 3 and "CPU" in manifest["input"]["ladder"][-1]
        told = [w["message"] for w in manifest["warnings"] if w["code"] == "engine.stepped_down"]
        assert told == manifest["input"]["ladder"] == found.staged["ladder"]
        used = manifest["engine"]["used"]
        assert (used["task"], used["device"]) == ("total:fastest", "cpu")
        assert (manifest["options"]["device"], manifest["options"]["quality"]) == ("cpu", "fastest")
        assert len(bench.pipeline.store.timings.of("totalsegmentator/total:fastest/cpu")) == 1


def test_parts_that_suffice_are_told_in_the_manifest(tmp_path: Path) -> None:
    with bench_at(tmp_path / "home", 0) as bench:
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "a.nii"), {"task": "total:fast"})
        bench.until(lambda: bench.job(job.id).ended, 60)
        assert bench.job(job.id).state == states.DONE, bench.job(job.id).error
        assert manifest_of(bench, "a")["engine"]["used"] == {
            "engine": "totalsegmentator", "task": "total:fast", "device": "cpu",
        }  # fmt: skip


@pytest.mark.parametrize("how", ["launch", "unplugged"])
def test_a_gpu_that_is_lost_makes_the_case_wait_and_it_is_done_when_it_is_back(
    tmp_path: Path, monkeypatch: Any, how: str
) -> None:
    monkeypatch.setattr(gpu_watch, "PROBE_SECONDS", 0.5)
    with bench_at(tmp_path / "home", 1, "launch" if how == "launch" else "") as bench:
        flow = bench.pipeline.flow
        bench.until(lambda: flow.options_gate.is_open, 60)
        if how == "unplugged":
            bench.machine(0)  # device=auto took the GPU before; it must not take hours on the CPU now
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "a.nii"))
        bench.until(lambda: flow.conditions.paused, 60)
        assert flow.conditions.paused["code"] == "environment.gpu_gone"
        bench.machine(0)
        assert bench.job(job.id).state == states.QUEUED and bench.job(job.id).vanished == 0
        bench.machine(1)
        bench.until(lambda: bench.job(job.id).ended, 60)
        assert bench.job(job.id).state == states.DONE, bench.job(job.id).error
        assert ran(bench, job.id)[-1] == "total:normal on gpu"


def test_a_gpu_that_never_was_there_is_an_error_at_once_and_pauses_nothing(tmp_path: Path) -> None:
    with bench_at(tmp_path / "home", 0) as bench:
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "a.nii"), {"device": "gpu"})
        bench.until(lambda: bench.job(job.id).ended, 60)
        assert bench.job(job.id).error["code"] == "engine.no_gpu"
        assert bench.pipeline.flow.conditions.paused is None
        other = bench.pipeline.commands.submit(write_scan(tmp_path / "b.nii", 1))
        bench.until(lambda: bench.job(other.id).state == states.DONE, 60)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("CUDA error: no CUDA-capable device is detected", "environment.gpu_gone"),
        ("No CUDA GPUs are available", "environment.gpu_gone"),
        ("CUDA error: an illegal memory access was encountered", "environment.gpu_gone"),
        ("CUDA error: out of memory", "engine.no_memory"),
        ("CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate", "engine.no_memory"),
        ("something else", "engine.failed"),
    ],
)
def test_what_torch_says_of_a_gpu_has_its_code(text: str, code: str) -> None:
    assert translate(RuntimeError(text), "total").code == code  # type: ignore[attr-defined]
