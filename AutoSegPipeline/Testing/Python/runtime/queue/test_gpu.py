"""Memory that does not suffice on a GPU, and a GPU that goes away and comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.messages.reader import plain
from AutoSegPipelineLib.core.messages.worker_messages import CaseOrder
from AutoSegPipelineLib.runtime.queue import gpu_watch
from support.engines import tell, with_gpus
from support.pipeline import Bench, write_scan


def workers_of(bench: Bench) -> set[str]:
    """Process ids of the workers that got cases."""
    lines = (bench.home.logs / "fake-worker.log").read_text().splitlines()
    return {line.split()[-1] for line in lines}


def test_with_device_auto_the_ladder_ends_on_the_cpu_and_every_step_is_told(tmp_path: Path) -> None:
    tell(tmp_path / "home", with_gpus(1))
    with Bench(tmp_path / "home", watch=False, engine="totalsegmentator") as bench:
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "cramped.nii"))
        bench.until(lambda: bench.job(job.id).ended)
        found = bench.job(job.id)
        assert found.state == states.DONE, found.error
        assert (found.options["device"], found.options["quality"]) == ("cpu", "fastest")
        steps = [w["message"] for w in found.warnings if w["code"] == "engine.stepped_down"]
        assert len(steps) == 3 and "CPU" in steps[-1]
        assert steps == found.staged["ladder"]
        assert found.vanished == 0


def test_a_gpu_that_is_gone_pauses_counts_nothing_and_its_return_goes_on(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(gpu_watch, "PROBE_SECONDS", 0.2)
    home = tmp_path / "home"
    tell(home, with_gpus(1))
    with Bench(home, watch=False, engine="totalsegmentator") as bench:
        flow = bench.pipeline.flow
        bench.until(lambda: flow.options_gate.is_open)
        tell(home, with_gpus(0))
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "gone_until1.nii"))
        bench.until(lambda: flow.conditions.paused)
        assert flow.conditions.paused["code"] == "environment.gpu_gone"
        first = flow.scheduler.catalogue.answered_at
        bench.until(lambda: flow.scheduler.catalogue.answered_at > first)  # looked, and it is not there
        bench.until(lambda: not flow.scheduler.catalogue.pending)
        assert flow.conditions.paused and bench.job(job.id).state == states.QUEUED
        tell(home, with_gpus(1))
        bench.until(lambda: bench.job(job.id).ended)
        found = bench.job(job.id)
        assert (found.state, found.vanished, found.options["device"]) == (states.DONE, 0, "auto")
        assert len(workers_of(bench)) == 2


def test_a_person_may_go_on_without_the_gpu(tmp_path: Path) -> None:
    home = tmp_path / "home"
    tell(home, with_gpus(1))
    with Bench(home, watch=False, engine="totalsegmentator") as bench:
        flow = bench.pipeline.flow
        bench.until(lambda: flow.options_gate.is_open)
        assert flow.scheduler.catalogue.had_gpus == 1
        tell(home, with_gpus(0))
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "gone_until1.nii"))
        bench.until(lambda: flow.conditions.paused)
        bench.pipeline.commands.resume()
        bench.until(lambda: bench.job(job.id).state == states.DONE)
        assert flow.scheduler.catalogue.had_gpus == 0, "or auto would wait for it again"
        assert len(workers_of(bench)) == 2, "CUDA does not recover within a process"


def test_a_case_that_loses_the_gpu_each_time_it_is_back_fails_in_the_end(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(gpu_watch, "PROBE_SECONDS", 0.0)
    tell(tmp_path / "home", with_gpus(1))
    with Bench(tmp_path / "home", watch=False, engine="totalsegmentator") as bench:
        flow = bench.pipeline.flow
        look = flow.look_around  # every two seconds would be long here
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "gone.nii"))
        bench.until(lambda: (look(), bench.job(job.id).ended)[1], 60)
        found = bench.job(job.id)
        assert (found.state, found.error["code"]) == (states.FAILED, "engine.no_gpu")
        assert found.attempt == gpu_watch.MOST_LOSSES
        bench.until(lambda: (look(), flow.conditions.paused is None)[1])


def test_the_next_start_looks_for_itself_and_is_not_paused_for_ever(tmp_path: Path) -> None:
    home = tmp_path / "home"
    tell(home, with_gpus(1))
    with Bench(home, watch=False, engine="totalsegmentator") as bench:
        bench.until(lambda: bench.pipeline.flow.options_gate.is_open)
        tell(home, with_gpus(0))
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "gone_until1.nii"))
        bench.until(lambda: bench.pipeline.flow.conditions.paused)
        bench.restart()
        bench.until(lambda: bench.job(job.id).state == states.DONE)


def test_the_time_that_a_case_takes_is_learned_for_what_it_used_and_found_for_what_is_typed(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    fake = {**with_gpus(1)["engines"][0], "name": "fake"}
    fake["tasks"] = [{**fake["tasks"][0], "name": "deep"}]
    tell(home, {"engines": [fake]})
    with Bench(home, watch=False) as bench:
        first = bench.pipeline.commands.submit(write_scan(tmp_path / "used_slow300.nii"), {"quality": "fast"})
        bench.until(lambda: bench.job(first.id).state == states.DONE)
        timings = bench.pipeline.store.timings
        assert len(timings.of("fake/deep:fast/gpu")) == 1
        eta: list[float | None] = []
        watch = bench.pipeline.bus.subscribe(lambda event: eta.append(bench.job(event.job_id).eta_s))
        typed = {"engine": "fake", "task": "deep:fast", "device": "auto"}
        second = bench.pipeline.commands.submit(write_scan(tmp_path / "slow301.nii", 1), typed)
        bench.until(lambda: bench.job(second.id).state == states.DONE)
        watch()
        assert any(eta), "the same task, quality and device under other words"
        third = bench.pipeline.commands.submit(
            write_scan(tmp_path / "slow302.nii", 2), {"quality": "fastest"}
        )
        bench.until(lambda: bench.job(third.id).state == states.DONE)
        assert len(timings.of("fake/deep:fastest/gpu")) == 1


def test_a_worker_that_holds_more_models_is_kept_and_one_that_leaks_is_replaced(tmp_path: Path) -> None:
    with Bench(tmp_path / "home", watch=False, recycle_growth_mb=64, cache_mb=0) as bench:

        def pid_of(name: str, seed: int) -> str:
            job = bench.pipeline.commands.submit(write_scan(tmp_path / f"{name}.nii", seed))
            bench.until(lambda: bench.job(job.id).state == states.DONE)
            return (bench.home.logs / "fake-worker.log").read_text().split()[-1]

        # Each case brings 100 MB and a model more: that is what a worker is kept for.
        warm = {pid_of(f"grow100_models{n + 1}_{n}", n) for n in range(4)}
        assert len(warm) == 1
        leaking = pid_of("grow100_a", 5)  # 100 MB more and no new model
        assert {leaking} == warm
        assert pid_of("after", 6) not in warm


def test_what_the_manifest_says_of_the_ladder_is_sent_with_the_case(tmp_path: Path) -> None:
    tell(tmp_path / "home", with_gpus(1))
    with Bench(tmp_path / "home", watch=False, engine="totalsegmentator") as bench:
        sent: list[CaseOrder] = []
        order = bench.pipeline.flow.case_messages.order
        bench.pipeline.flow.case_messages.order = lambda *one: (sent.append(order(*one)), sent[-1])[1]
        job = bench.pipeline.commands.submit(write_scan(tmp_path / "cramped.nii"))
        bench.until(lambda: bench.job(job.id).ended)
        assert len(sent[-1].source.ladder) == 3
        assert json.dumps(plain(sent[-1]))
