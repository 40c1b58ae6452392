"""Cases that do a part in the pipeline's own process: a fake host, the real worker, a real pipeline."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import psutil
import pytest
from AutoSegPipelineLib.core.errors import Cancelled, PipelineError
from AutoSegPipelineLib.processing.phantom import torso, write_nifti
from AutoSegPipelineLib.processing.writers.seg_nrrd import write_seg_nrrd
from AutoSegPipelineLib.runtime import qt
from AutoSegPipelineLib.runtime.processes import host_steps_child
from AutoSegPipelineLib.runtime.recovery import Recovery
from support.inside import USED, FakeHost, House, meanwhile
from support.pipeline import without_wait
from support.qt import run_until

SMALL = (61, 50, 40)


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = torso(shape=SMALL, spacing=(6.0, 6.0, 6.0))
    path = tmp_path_factory.mktemp("scan") / "scan.nii.gz"
    write_nifti(made.volume, path)
    return made, path


def test_the_hosts_segmentation_becomes_all_files_and_is_kept_for_the_next_same_scan(
    tmp_path, phantom
) -> None:
    made, path = phantom
    with House(tmp_path, FakeHost(made.truth)) as house:
        job = house.ended(
            house.pipeline.commands.submit(
                path, {"engine": "slicer", "formats": "gltf,seg,labels,statistics"}
            )
        )
        assert (job.state, job.error, job.engine) == ("done", None, "slicer")
        manifest = house.manifest(job)
        assert manifest["engine"] == {"name": "slicer", "version": "7", "used": USED}
        assert manifest["cached_from"] is None
        assert manifest["sides"]
        assert {o["kind"] for o in job.outputs} == {"gltf", "seg", "labels", "statistics", "manifest"}
        names = [segment["name"] for segment in manifest["segments"]]
        assert names == [segment.name for segment in made.truth.segments]
        forecast = house.pipeline.flow.scheduler._forecast
        assert forecast.predict(job) is not None, "the next such case knows how long it takes"
        job.options["quality"] = "fast"
        assert forecast.predict(job) is None, "another quality is another matter"
        again = house.ended(house.pipeline.commands.submit(path, {"engine": "slicer", "formats": "gltf"}))
        assert (again.state, again.cached_from) == ("done", job.id)
        assert house.host.calls == ["segment"]
        described = house.pipeline.store.meta.get("describe")
        assert "slicer" in [engine["name"] for engine in described["engines"]]
        assert "tissue" in [engine["name"] for engine in described["engines"]]


def test_another_programs_gltf_stands_under_our_name_with_hints_as_warnings(tmp_path, phantom) -> None:
    _made, path = phantom
    options = {"engine": "tissue", "exporter": "openanatomy", "formats": "gltf,glb,seg"}
    with House(tmp_path, FakeHost()) as house:
        job = house.ended(house.pipeline.commands.submit(path, options))
        assert (job.state, job.error, job.engine) == ("done", None, "tissue")
        assert house.host.calls == ["export"]
        document = json.loads((house.home.results / f"{job.name}.gltf").read_text(encoding="utf-8"))
        assert "Left lung" in [node.get("name") for node in document["nodes"]]
        hints = [w["message"] for w in job.warnings if w["code"] == "export.hint"]
        assert hints == [f"{job.name}.gltf: 1 buffer views without a target"]
        assert house.manifest(job)["options"]["exporter"] == "openanatomy"
        assert {"glb", "seg"} < {output["kind"] for output in job.outputs}


def test_structures_that_the_other_program_left_out_are_a_warning(tmp_path, phantom) -> None:
    _made, path = phantom
    options = {"engine": "tissue", "exporter": "openanatomy", "formats": "gltf,glb"}
    host = FakeHost()
    host.left_out = ["Body"]
    with House(tmp_path, host) as house:
        job = house.ended(house.pipeline.commands.submit(path, options))
        assert (job.state, job.error) == ("done", None)
        said = [warning["message"] for warning in job.warnings if warning["code"] == "export.left_out"]
        assert said == [f"{job.name}.gltf: OpenAnatomy Export found no surface of Body"]


def test_a_segmentation_that_is_only_exported_goes_through_the_other_exporter_too(tmp_path, phantom) -> None:
    made, _path = phantom
    labels = tmp_path / "mine.seg.nrrd"
    write_seg_nrrd(labels, made.truth)
    options = {"exporter": "openanatomy", "formats": "gltf,seg", "structures": "lung_left,bones"}
    with House(tmp_path, FakeHost()) as house:
        job = house.ended(
            house.pipeline.commands.submit(labels, options, door="export", expect="segmentation")
        )
        assert (job.state, job.error) == ("done", None)
        assert house.host.calls == ["export"]
        assert {s["name"] for s in house.manifest(job)["segments"]} == {"lung_left", "bones"}


def test_a_kept_label_map_serves_the_other_exporter(tmp_path, phantom) -> None:
    _made, path = phantom
    with House(tmp_path, FakeHost()) as house:
        first = house.ended(house.pipeline.commands.submit(path, {"engine": "tissue", "formats": "gltf"}))
        options = {"engine": "tissue", "formats": "gltf", "exporter": "openanatomy"}
        second = house.ended(house.pipeline.commands.submit(path, options))
        assert (second.state, second.error, second.cached_from) == ("done", None, first.id)
        assert house.manifest(second)["cached_from"] == first.id
        assert house.manifest(second)["engine"]["name"] == "tissue"


def test_engine_and_exporter_of_the_host_follow_each_other(tmp_path, phantom) -> None:
    made, path = phantom
    options = {"engine": "slicer", "exporter": "openanatomy", "formats": "gltf"}
    with House(tmp_path, FakeHost(made.truth)) as house:
        seen: list[tuple[str, float]] = []
        house.pipeline.bus.subscribe(
            lambda e: seen.append((e.state, e.progress)) if hasattr(e, "progress") else 0
        )
        job = house.ended(house.pipeline.commands.submit(path, options))
        assert (job.state, job.error) == ("done", None)
        assert house.host.calls == ["segment", "export"]
        running = [fraction for state, fraction in seen if state in ("segmenting", "exporting")]
        assert running == sorted(running)
        assert 0.25 in [round(fraction, 2) for fraction in running]


@pytest.mark.parametrize("options", [{"engine": "slicer"}, {"exporter": "openanatomy"}])
def test_outside_slicer_its_engine_and_exporter_are_refused_before_anything_is_queued(
    tmp_path, phantom, options
) -> None:
    _made, path = phantom
    with House(tmp_path, None) as house:
        with pytest.raises(PipelineError) as told:
            house.pipeline.commands.submit(path, options)
        assert told.value.code == "engine.needs_slicer"
        assert next(iter(options.values())) in told.value.message
        assert house.pipeline.store.jobs.list() == []


def test_a_setting_that_asks_for_slicer_outside_of_it_refuses_the_job(tmp_path, phantom) -> None:
    _made, path = phantom
    with House(tmp_path, None, exporter="openanatomy") as house:
        job = house.ended(house.pipeline.commands.submit(path))
        assert (job.state, job.error["code"]) == ("refused", "engine.needs_slicer")


def test_a_missing_extension_is_told_before_queueing(tmp_path, phantom) -> None:
    _made, path = phantom
    with House(tmp_path, FakeHost()) as house, pytest.raises(PipelineError, match="extension is missing"):
        house.pipeline.commands.submit(path, {"engine": "slicer", "task": "gone"})


def test_cancelling_ends_the_hosts_part_at_once_and_the_worker_stays(tmp_path, phantom) -> None:
    made, path = phantom
    with House(tmp_path, FakeHost(made.truth, hold=True)) as house:
        job = house.pipeline.commands.submit(path, {"engine": "slicer"})
        seen: list[str] = []

        def cancel() -> None:
            seen.append(house.job(job).state)
            house.pipeline.commands.cancel(job.id)

        timer = meanwhile(house.host, cancel)
        assert house.ended(job).state == "cancelled"
        timer.stop()
        assert seen == ["segmenting"]
        assert not house.host.running
        house.host.hold = False
        after = house.ended(house.pipeline.commands.submit(path, {"engine": "slicer", "formats": "gltf"}))
        assert after.state == "done"


def test_two_cases_never_work_in_the_host_at_the_same_time(tmp_path, phantom) -> None:
    made, path = phantom
    with House(tmp_path, FakeHost(made.truth), workers=2, cache_mb=0) as house:
        jobs = [
            house.pipeline.commands.submit(path, {"engine": "slicer", "formats": "gltf"}) for _ in range(2)
        ]
        assert [house.ended(job).state for job in jobs] == ["done", "done"]
        assert house.host.most == 1


def test_stopping_the_pipeline_puts_the_case_back_and_ends_what_the_host_began(tmp_path, phantom) -> None:
    made, path = phantom
    host = FakeHost(made.truth, hold=True)
    with House(tmp_path, host) as house:
        job = house.pipeline.commands.submit(path, {"engine": "slicer"})
        timer = meanwhile(host, house.pipeline.stop)
        run_until(lambda: house.pipeline.stopped, 60)
        timer.stop()
        assert not host.running
    again = House(tmp_path, FakeHost(made.truth))
    with again:
        assert again.ended(job).state == "done"
        assert again.job(job).deaths == 0


def test_an_extension_that_breaks_fails_the_case_with_its_words(tmp_path, phantom) -> None:
    _made, path = phantom
    with House(tmp_path, FakeHost(fault=RuntimeError("no such colour table"))) as house:
        job = house.ended(house.pipeline.commands.submit(path, {"engine": "slicer"}))
        assert (job.state, job.error["code"]) == ("failed", "engine.failed")
        assert "no such colour table" in job.error["message"]


def test_a_loop_that_ends_because_slicer_quits_cancels_nothing(tmp_path, phantom, monkeypatch) -> None:
    made, path = phantom
    host = FakeHost(made.truth, fault=Cancelled())
    monkeypatch.setattr(host_steps_child, "_QUIT_MS", 50)
    with House(tmp_path, host) as house:
        back = house.pipeline.flow.case_ends.back
        monkeypatch.setattr(house.pipeline.flow.case_ends, "back", without_wait(back))
        job = house.pipeline.commands.submit(path, {"engine": "slicer", "formats": "gltf"})
        run_until(lambda: house.job(job).vanished == 1, 60)
        host.fault = None
        assert house.ended(job).state == "done"


def test_a_host_without_a_file_has_not_done_its_part(tmp_path, phantom, monkeypatch) -> None:
    made, path = phantom
    host = FakeHost(made.truth)
    monkeypatch.setattr(host, "segment", lambda *_: {})
    with House(tmp_path, host) as house:
        job = house.ended(house.pipeline.commands.submit(path, {"engine": "slicer"}))
        assert (job.state, job.error["code"]) == ("failed", "engine.failed")


def test_silence_of_the_host_counts_as_hung(tmp_path, phantom, monkeypatch) -> None:
    made, path = phantom
    host = FakeHost(made.truth, hold=True)
    with House(tmp_path, host, hung_minutes=0.05) as house:
        back = house.pipeline.flow.case_ends.back
        monkeypatch.setattr(house.pipeline.flow.case_ends, "back", without_wait(back))
        job = house.pipeline.commands.submit(path, {"engine": "slicer", "formats": "gltf"})
        run_until(lambda: house.job(job).vanished == 1, 40)
        host.hold = False
        ended = house.ended(job)
        assert (ended.state, ended.vanished) == ("done", 1)


def test_the_third_death_of_slicer_over_its_own_engine_is_the_last(tmp_path, phantom, monkeypatch) -> None:
    made, path = phantom
    with House(tmp_path, FakeHost(made.truth, hold=True)) as house:
        flow = house.pipeline.flow
        job = house.pipeline.commands.submit(path, {"engine": "slicer"})

        def die() -> None:
            row = house.job(job)
            row.deaths = 2
            flow.scheduler.worker_slots[0].job = None
            Recovery(flow.context, None, None, flow.disposal, None, None)._died(row, True)
            house.host.stop()

        timer = meanwhile(house.host, die)
        ended = house.ended(job)
        timer.stop()
        assert (ended.state, ended.error["code"], ended.deaths) == ("failed", "pipeline.died", 3)


def test_nothing_can_be_waited_for_from_inside_the_hosts_own_loop(tmp_path, phantom) -> None:
    from AutoSegPipelineLib.runtime.api import AutoSeg

    made, path = phantom
    host = FakeHost(made.truth, hold=True)
    with AutoSeg(tmp_path / "home", host_steps=host, disk_reserve_mb=1) as autoseg:
        job = autoseg.submit(path, engine="slicer", formats="gltf")
        told: list[str] = []

        def meddle() -> None:
            if host.running and not told:
                try:
                    autoseg.wait(job)
                except PipelineError as error:
                    told.append(error.code)
                host.hold = False

        timer = qt.make_timer(50, meddle)
        assert autoseg.wait(job, timeout=60).state == "done"
        timer.stop()
        assert told == ["request.wrong_state"]


@pytest.mark.skipif(os.name == "nt", reason="on Windows the pipeline's job object ends it")
def test_a_killed_pipeline_leaves_no_process_of_the_host(tmp_path) -> None:
    from AutoSegPipelineLib.runtime.processes.child_command import child_environment, command_of
    from AutoSegPipelineLib.runtime.processes.child_kinds import WORKER

    child = subprocess.Popen(["sh", "-c", "sleep 600 & wait"])
    worker = subprocess.Popen(
        command_of(WORKER), env=child_environment(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        from AutoSegPipelineLib.core.protocol import to_line

        assert worker.stdin is not None and worker.stdout is not None
        worker.stdout.readline()
        for message in (
            {"type": "guard", "job": "guard", "attempt": 0, "pid": child.pid},
            {"type": "describe", "job": "describe", "attempt": 0},
        ):
            worker.stdin.write(to_line(message))
        worker.stdin.flush()
        while b'"done"' not in worker.stdout.readline():
            continue
        started = psutil.Process(child.pid).children()
        assert len(started) == 1
        worker.stdin.close()
        child.wait(timeout=20)  # with 0 where it saw the end of its own child first, else by the signal
        assert psutil.wait_procs(started, timeout=5)[1] == []
    finally:
        child.kill()
        child.wait()
        worker.wait(timeout=20)
        worker.stdout.close()
