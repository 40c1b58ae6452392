"""The worker as the pipeline sees it: a process that speaks lines of JSON."""

from __future__ import annotations

import errno
import json
import sys
import time

import pytest
from AutoSegPipelineLib import __version__
from AutoSegPipelineLib.core.errors import PipelineError
from AutoSegPipelineLib.core.messages.child_messages import Progress
from AutoSegPipelineLib.core.protocol import unpack
from AutoSegPipelineLib.processing.engines.tissue import TissueEngine
from AutoSegPipelineLib.processing.phantom import torso, write_nifti
from AutoSegPipelineLib.processing.worker import as_pipeline_error, describe_engines
from AutoSegPipelineLib.processing.writers.seg_nrrd import write_seg_nrrd
from support.processing import case_message, grid, two_layers
from support.worker_process import Worker

QUICK = {"formats": ["seg", "labels"]}


@pytest.fixture(scope="module")
def warm():
    """One worker for all tests that leave it alive."""
    worker = Worker()
    yield worker
    worker.send(type="quit")
    assert worker.process.wait(20) == 0
    worker.close()


@pytest.fixture
def segmentation(tmp_path):
    path = tmp_path / "two.seg.nrrd"
    write_seg_nrrd(path, two_layers(grid((20, 16, 12))))
    return path


def test_it_says_hello_then_works_and_progress_never_falls(warm, segmentation, tmp_path):
    message = case_message(segmentation, tmp_path, kind="segmentation", options=QUICK)
    warm.send(type="case", job="j1", attempt=2, case=message)
    seen = warm.until("done", "failed")
    assert seen[-1]["type"] == "done" and (seen[-1]["job"], seen[-1]["attempt"]) == ("j1", 2)
    result = unpack("result", seen[-1])
    assert result["manifest_name"] == "case.manifest.json" and result["shape"] == [20, 16, 12]
    assert {o["kind"] for o in result["outputs"]} == {"gltf", "seg", "labels", "manifest"}
    fractions = [m["fraction"] for m in seen if m["type"] == "progress"]
    assert fractions == sorted(fractions) and fractions[0] < 0.2 and fractions[-1] == 1.0
    assert [m["state"] for m in seen if m["type"] == "stage"] == ["preparing", "exporting"]


def test_a_bad_case_fails_with_its_code_and_the_worker_goes_on(warm, segmentation, tmp_path):
    warm.send(
        type="case", job="j2", attempt=1, case=case_message(tmp_path / "no.nii", tmp_path, label="no.nii")
    )
    failed = warm.until("done", "failed")[-1]
    assert failed["type"] == "failed" and failed["error"]["code"] == "input.missing"
    assert "no.nii" in failed["error"]["message"] and failed["error"]["hint"]
    warm.send(type="case", job="j3", attempt=1, case={"kind": "scan"})
    assert warm.until("failed")[-1]["error"]["code"] == "request.invalid"
    message = case_message(segmentation, tmp_path, kind="segmentation", options=QUICK)
    warm.send(type="case", job="j4", attempt=1, case=message)
    assert warm.until("done", "failed")[-1]["type"] == "done"


def test_it_describes_its_engines(warm):
    warm.send(type="describe", job="d", attempt=0)
    engines = unpack("result", warm.until("done", "failed")[-1])["engines"]
    tissue = next(engine for engine in engines if engine["name"] == "tissue")
    assert tissue["ok"] is True and tissue["tasks"][0]["modality"] == "CT"
    assert tissue["version"] == __version__  # another one makes the cached label maps void


def test_an_engines_own_version_is_the_one_that_is_told(monkeypatch):
    monkeypatch.setattr(TissueEngine, "version", "7.1", raising=False)
    assert [one["version"] for one in describe_engines()["engines"] if one["name"] == "tissue"] == ["7.1"]


def test_a_command_it_does_not_know_fails_and_harms_nobody(warm):
    warm.send(type="dance", job="d", attempt=0)
    assert warm.until("failed")[-1]["error"]["code"] == "worker.protocol"


def test_a_cancelled_case_ends_within_five_seconds_and_models_stay_warm(warm, tmp_path, segmentation):
    path = tmp_path / "torso.nii.gz"
    write_nifti(torso(shape=(160, 130, 100), spacing=(2.2, 2.2, 2.2)).volume, path)
    warm.send(type="case", job="long", attempt=1, case=case_message(path, tmp_path, options=QUICK))
    warm.until("stage")
    warm.send(type="cancel", job="long", attempt=1)
    begin = time.monotonic()
    failed = warm.until("done", "failed", seconds=30)[-1]
    assert failed["type"] == "failed" and failed["error"]["code"] == "job.cancelled"
    assert time.monotonic() - begin < 5
    message = case_message(segmentation, tmp_path / "next", kind="segmentation", options=QUICK)
    warm.send(type="case", job="after", attempt=1, case=message)
    assert warm.until("done", "failed")[-1]["type"] == "done"


def test_it_ends_when_its_input_closes_in_the_middle_of_a_case(tmp_path):
    path = tmp_path / "torso.nii.gz"
    write_nifti(torso(shape=(160, 130, 100), spacing=(2.2, 2.2, 2.2)).volume, path)
    worker = Worker()
    worker.send(type="case", job="long", attempt=1, case=case_message(path, tmp_path))
    worker.until("stage")
    begin = time.monotonic()
    worker.close()
    assert time.monotonic() - begin < 5
    assert not (tmp_path / "out" / "case.manifest.json").exists()


def test_it_quits_when_asked_and_prints_of_libraries_never_reach_the_protocol(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("print('a library greets')\n", encoding="ascii")
    worker = Worker(
        sys.executable, "-c",
        "import AutoSegPipelineLib.processing.worker as w, AutoSegPipelineLib.processing.process as c, os\n"
        "def loud(case, report):\n"
        "    print('chatter'); os.write(1, b'more chatter\\n'); raise ValueError('odd')\n"
        "c.process_case = loud\n"
        "raise SystemExit(w.main())",
    )  # fmt: skip
    assert worker.until("hello")[-1]["pid"] == worker.process.pid
    worker.send(type="case", job="j", attempt=1, case=case_message(tmp_path / "x", tmp_path))
    seen = worker.until("failed")
    assert seen[-1]["error"]["code"] == "pipeline.internal" and "odd" in seen[-1]["error"]["message"]
    assert any("Traceback" in m["text"] and "ValueError" in m["text"] for m in seen if m["type"] == "log")
    worker.send(type="quit")
    assert worker.process.wait(20) == 0
    worker.close()


def test_a_result_too_long_for_a_line_travels_in_a_file(tmp_path):
    worker = Worker(
        sys.executable, "-c",
        "import AutoSegPipelineLib.processing.worker as w, AutoSegPipelineLib.processing.process as c\n"
        "from AutoSegPipelineLib.core.messages.worker_messages import CaseResult\n"
        "c.process_case = lambda case, report: CaseResult('e', 'CT', (1, 1, 1), (1.0, 1.0, 1.0),\n"
        "    warnings=[{'code': 'x', 'message': 'm' * 200000}])\n"
        "raise SystemExit(w.main())",
    )  # fmt: skip
    worker.send(type="case", job="j", attempt=1, case=case_message(tmp_path / "x", tmp_path))
    done = worker.until("done", "failed")[-1]
    assert "result_file" in done
    assert len(unpack("result", done)["warnings"][0]["message"]) == 200000
    worker.close()


def test_every_kind_of_trouble_gets_its_code(tmp_path):
    folder = str(tmp_path)
    full = OSError(errno.ENOSPC, "No space left on device")
    assert as_pipeline_error(full, folder).code == "environment.disk_full"
    assert as_pipeline_error(MemoryError(), folder).code == "engine.no_memory"
    assert as_pipeline_error(KeyError("x"), folder).code == "pipeline.internal"
    broken = PipelineError("export.verification", "a.gltf: ends early")
    assert as_pipeline_error(broken, folder) is broken


def test_a_case_whose_results_folder_went_away_is_no_fault_of_the_case(tmp_path):
    gone = str(tmp_path / "gone")
    for error in (FileNotFoundError(errno.ENOENT, "No such file"), PipelineError("export.failed", "a.stl")):
        assert as_pipeline_error(error, gone).code == "environment.results_unreachable"
    assert as_pipeline_error(KeyError("x"), gone).code == "pipeline.internal"
    wrong = PipelineError("engine.wrong_modality", "MR")
    assert as_pipeline_error(wrong, gone) is wrong


def test_a_broken_file_on_a_full_disk_is_the_disks_fault(tmp_path, monkeypatch):
    from AutoSegPipelineLib.processing import worker

    monkeypatch.setattr(worker, "NO_SPACE_BYTES", 1 << 62)
    broken = PipelineError("export.verification", "a.gltf: ends early")
    assert as_pipeline_error(broken, str(tmp_path)).code == "environment.disk_full"
    wrong = PipelineError("engine.wrong_modality", "MR")
    assert as_pipeline_error(wrong, str(tmp_path)) is wrong


def test_the_heart_beats_while_it_works():
    worker = Worker(
        sys.executable, "-c",
        "import AutoSegPipelineLib.processing.worker as w\n"
        "w.HEARTBEAT_SECONDS = 0.1\nraise SystemExit(w.main())",
    )  # fmt: skip
    beat = worker.until("heartbeat", seconds=20)[-1]
    assert beat["rss_mb"] > 1
    assert json.dumps(beat)
    worker.close()


def test_progress_that_an_engine_takes_back_is_not_passed_on(monkeypatch):
    class Channel:
        sent: list = []

        def send(self, message):
            self.sent.append(message)

        def check(self):
            return

    from AutoSegPipelineLib.processing import worker

    monkeypatch.setattr(worker, "PROGRESS_SECONDS", 0.0)
    report = worker.ChannelReport(Channel(), engine_runs=True)
    for state in ("preparing", "segmenting", "exporting"):
        report.stage(state)
        for fraction in (0.5, 0.2, 7.0, -1.0):
            report.progress(fraction)
    told = [m.fraction for m in Channel.sent if isinstance(m, Progress)]
    assert told == sorted(told) and told[0] == 0.0 and told[-1] == 1.0
    assert len(set(told)) >= 6
