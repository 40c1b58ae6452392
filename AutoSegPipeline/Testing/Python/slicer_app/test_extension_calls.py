"""What an extension starts is read without blocking, and every version of an extension can be called."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from AutoSegPipelineLib.core.errors import Cancelled, EngineFailed
from AutoSegPipelineLib.core.process_table import process_table
from AutoSegPipelineLib.runtime import qt
from AutoSegPipelineLib.slicer_app import console_process
from AutoSegPipelineLib.slicer_app import extension_calls as calls
from AutoSegPipelineLib.slicer_app.console_process import Reader

LAUNCHER = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-u', '-c', sys.argv[1]]))"


def started(program: str) -> subprocess.Popen[str]:
    """As slicer.util.launchConsoleProcess starts it: through a launcher, text, both outputs in one pipe."""
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, program],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )


def test_lines_come_while_the_loop_lives_and_a_bar_is_a_line_each_time_it_is_drawn() -> None:
    lines: list[str] = []
    turns: list[float] = []
    program = (
        "import sys, time\n"
        "for i in (10, 50, 100):\n"
        "    sys.stderr.write(f'\\r{i}%|##'); sys.stderr.flush(); time.sleep(0.3)\n"
        "print('caf\\u00e9'); sys.stdout.buffer.write(b'\\xff broken\\nlast')"
    )
    timer = qt.make_timer(10, lambda: turns.append(time.monotonic()))
    assert Reader(started(program), lines.append).wait() == 0
    timer.stop()
    assert lines == ["10%|##", "50%|##", "100%|##café", "\ufffd broken", "last"]
    assert max(later - one for one, later in zip(turns, turns[1:])) < 0.2
    assert len(turns) > 30


def test_the_exit_code_and_the_last_words_are_kept() -> None:
    reader = Reader(
        started("import sys; print('x\\n' * 200); sys.exit('no licence here')"), lambda line: None
    )
    assert reader.wait() == 1
    assert reader.tail[-1] == "no licence here"
    assert len(reader.tail) == 40


@pytest.mark.skipif(os.name == "nt", reason="Windows has no process table of POSIX")
def test_stopping_ends_the_launcher_and_what_it_launched_at_once() -> None:
    process = started("import time; print('up', flush=True); time.sleep(600)")
    known: list[int] = []

    def stop(_line: str) -> None:
        table = process_table()
        known.extend(pid for pid, one in table.items() if one.parent == process.pid)
        reader.stop()

    reader = Reader(process, stop)
    begin = time.monotonic()
    with pytest.raises(Cancelled):
        reader.wait()
    assert time.monotonic() - begin < 5
    assert known
    table = process_table()
    assert [pid for pid in known if pid in table and not table[pid].zombie] == []


def test_an_application_that_quits_ends_the_process_too() -> None:
    process = started("import time; print('up', flush=True); time.sleep(600)")
    reader = Reader(process, lambda line: reader._loop.quit())  # quitting ends every nested loop
    with pytest.raises(Cancelled):
        reader.wait()
    assert process.poll() is not None


def test_a_grandchild_that_holds_the_pipe_does_not_hold_slicer(monkeypatch) -> None:
    monkeypatch.setattr(console_process, "_LOOKS_AFTER_ITS_END", 4)
    program = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(15)'])\n"
        "print(child.pid, flush=True)"
    )
    lines: list[str] = []
    begin = time.monotonic()
    assert Reader(started(program), lines.append).wait() == 0
    assert time.monotonic() - begin < 10
    os.kill(int(lines[0]), 9)


def test_a_process_that_hangs_after_it_saved_is_ended_and_counts_as_done() -> None:
    reader = Reader(
        started("import time; print('Saved in 3s', flush=True); time.sleep(600)"),
        lambda line: reader.content(),
    )
    assert reader.wait() == 0


def test_on_windows_only_what_is_in_the_pipe_is_read() -> None:
    read_end, write_end = os.pipe()
    waiting = [0]

    def peek() -> int:
        if waiting[0] < 0:
            raise BrokenPipeError("ERROR_BROKEN_PIPE")
        return waiting[0]

    pipe = console_process._windows_pipe(read_end, peek)
    assert pipe() is None  # a plain read would wait here for ever
    os.write(write_end, b"line\n")
    waiting[0] = 5
    assert pipe() == b"line\n"
    waiting[0] = -1
    assert pipe() == b""
    os.close(read_end)
    os.close(write_end)


class NewLogic:
    """TotalSegmentator extension since 2025."""

    def process(
        self, inputVolume, outputSegmentation, quality=None, cpu=False, task=None, subset=None,
        interactive=False, sequenceBrowserNode=None,
    ) -> None:  # fmt: skip
        self.asked = (quality, cpu, task, subset, interactive)


class MiddleLogic:
    """Its branches for Slicer 5.6 and 5.8."""

    def process(
        self, inputVolume, outputSegmentation, fast=True, cpu=False, task=None, subset=None,
        interactive=False, sequenceBrowserNode=None,
    ) -> None:  # fmt: skip
        self.asked = (fast, cpu, task, subset, interactive)


class OldLogic:
    """Its branch for Slicer 5.4."""

    def process(self, inputVolume, outputSegmentation, fast=True, task=None, subset=None) -> None:
        self.asked = (fast, task, subset)


WISH: dict[str, Any] = {"quality": "fastest", "cpu": True, "task": "total", "subset": ["liver"]}


@pytest.mark.parametrize(
    ("logic", "asked", "told"),
    [
        (NewLogic(), ("faster", True, "total", ["liver"], False), 0),
        (MiddleLogic(), (True, True, "total", ["liver"], False), 1),
        (OldLogic(), (True, "total", ["liver"]), 2),
    ],
)
def test_every_version_of_process_is_asked_in_its_own_words(logic, asked, told) -> None:
    sentences = calls.call_process(logic.process, "volume", "segmentation", WISH)
    assert logic.asked == asked
    assert len(sentences) == told


def test_what_was_used_is_told_as_that_version_does_it() -> None:
    told = [calls.used_of(logic.process, WISH) for logic in (NewLogic(), MiddleLogic(), OldLogic())]
    assert [one["task"] for one in told] == ["total:fastest", "total:fast", "total:fast"]
    assert [one["device"] for one in told] == ["cpu", "cpu", "gpu"], "the old one cannot be told"
    course = calls.Course(1)
    assert not course.without_gpu
    course.hear("No GPU detected. Running on CPU. This can be very slow.")
    course.hear("100%|####")
    assert course.without_gpu


def test_normal_quality_is_never_the_old_default_of_fast() -> None:
    logic = OldLogic()
    calls.call_process(logic.process, 1, 2, {**WISH, "quality": "normal", "cpu": False, "subset": None})
    assert logic.asked == (False, "total", None)


def test_old_and_new_order_of_openanatomys_arguments() -> None:
    def new(inputItem, outputFolder=None, reductionFactor=None, outputFormat=None) -> None:
        seen.append((inputItem, outputFolder, reductionFactor, outputFormat))

    def old(inputItem, reductionFactor, outputFormat, outputFolder) -> None:
        seen.append((inputItem, outputFolder, reductionFactor, outputFormat))

    seen: list[Any] = []
    for export in (new, old):
        calls.call_export(export, 7, "folder", 0.9)
    assert seen == [(7, "folder", 0.9, "glTF")] * 2


TASKS = {
    "total": {"title": "total", "modalities": ["CT"], "qualityModes": ["normal", "fast", "faster"]},
    "total_mr": {"title": "total (MR)", "modalities": ["MR"], "qualityModes": ["normal", "fast", "faster"]},
    "breasts": {"title": "breasts", "modalities": ["CT"]},
    "old": {"label": "old", "supportsFast": True},
}


def test_the_task_follows_the_modality_and_says_so() -> None:
    assert calls.choose_task(TASKS, {}, "MR") == ("total_mr", "")
    name, told = calls.choose_task(TASKS, {"task": "total", "quality": "fast"}, "MR")
    assert name == "total_mr" and "because this is MR" in told
    assert calls.choose_task(TASKS, {"task": "old", "quality": "fast"}, "CT") == ("old", "")


@pytest.mark.parametrize(
    ("options", "modality", "code"),
    [
        ({"task": "totl"}, "CT", "engine.task_unknown"),
        ({"task": "breasts"}, "MR", "engine.wrong_modality"),
        ({"task": "total", "modality_mismatch": "refuse"}, "MR", "engine.wrong_modality"),
        ({"task": "breasts", "quality": "fast"}, "CT", "engine.quality_unknown"),
        ({"task": "old", "quality": "fastest"}, "CT", "engine.quality_unknown"),
    ],
)
def test_what_the_extension_cannot_do_is_said_before_it_starts(options, modality, code) -> None:
    with pytest.raises(EngineFailed) as told:
        calls.choose_task(TASKS, options, modality)
    assert told.value.code == code


def test_progress_runs_through_the_bars_of_all_networks() -> None:
    course = calls.Course(2)
    lines = ["Resampling...", " 50%|###", "100%|####", "  0%|", " 50%|", "100%|"]
    heard = [course.hear(line) for line in lines]
    assert heard[0] is None
    rest = [round(value, 3) for value in heard[1:] if value is not None]
    assert rest == [0.245, 0.49, 0.49, 0.735, 0.98]


@pytest.mark.parametrize(
    ("code", "tail", "expected"),
    [
        (1, ["RuntimeError: CUDA out of memory."], "engine.no_memory"),
        (-9, ["predicting"], "engine.no_memory"),
        (1, ["ERROR: task requires a license"], "engine.licence_needed"),
        (2, ["ValueError: no"], "engine.failed"),
    ],
)
def test_last_words_become_codes(code, tail, expected) -> None:
    error = calls.translate(code, tail)
    assert error.code == expected
    assert tail[-1] in error.message


def test_a_device_that_the_extension_cannot_be_told_is_an_error() -> None:
    assert calls.wants_cpu({"device": "cpu"})
    assert not calls.wants_cpu({"device": "auto"})
    with pytest.raises(EngineFailed):
        calls.wants_cpu({"device": "gpu:1"})


def test_what_openanatomy_leaves_out_is_heard() -> None:
    models = calls.Models(3)
    assert models.fraction == 0.0
    models.hear("  Warning: empty model, not exported.")
    for line in ("Writing x_Models...", "Model 1/3: left kidney", "Model 2/3: cyst"):
        models.hear(line)
    models.hear("  Warning: empty model, not exported.")
    models.hear("Model 3/3: T11 vertebra")
    assert (models.fraction, models.left_out) == (1.0, ["cyst"])


def test_foreign_gltf_that_lies_elsewhere_or_lacks_a_structure_is_no_result(tmp_path: Path) -> None:
    from dataclasses import replace

    from AutoSegPipelineLib.core.errors import PipelineError
    from AutoSegPipelineLib.processing.phantom import torso
    from AutoSegPipelineLib.processing.surfaces import make_surfaces
    from AutoSegPipelineLib.processing.writers.gltf import write_gltf
    from AutoSegPipelineLib.processing.writers.gltf_foreign import verify_foreign

    surfaces = make_surfaces(torso(shape=(31, 25, 20), spacing=(12.0, 12.0, 12.0)).truth, 1.0, False)
    titled = [replace(s, segment=replace(s.segment, name=s.segment.title)) for s in surfaces]
    path = tmp_path / "x.gltf"
    write_gltf(path, titled, "x")
    assert verify_foreign(path, surfaces) == []
    write_gltf(path, titled[1:], "x")
    with pytest.raises(PipelineError, match="structures missing"):
        verify_foreign(path, surfaces)
    assert verify_foreign(path, surfaces, [titled[0].segment.name]) == []
    with pytest.raises(PipelineError, match="structures missing"):
        verify_foreign(path, surfaces, [titled[1].segment.name])
    with pytest.raises(PipelineError, match="structures missing"):
        verify_foreign(path, surfaces, [one.segment.name for one in titled])
    write_gltf(path, [replace(s, points=s.points + 50.0) for s in titled], "x")
    with pytest.raises(PipelineError, match="away from the scan"):
        verify_foreign(path, surfaces)


def test_labels_of_another_grid_come_to_the_scans() -> None:
    import numpy as np
    from AutoSegPipelineLib.core.segmentation import Grid, Segment, Segmentation
    from AutoSegPipelineLib.processing.saved_segmentation import on_grid

    grid = Grid((6, 5, 4), ((2, 0, 0, 10), (0, 3, 0, 20), (0, 0, 4, 30), (0, 0, 0, 1)))
    whole = np.zeros(grid.array_shape, np.uint8)
    whole[1:3, 2:4, 1:5] = 3
    segment = Segment(0, 3, "a", "A", (1, 0, 0))
    cut = Grid((4, 2, 2), ((-2, 0, 0, 18), (0, 3, 0, 26), (0, 0, 4, 34), (0, 0, 0, 1)))  # cut out, i turned
    part = Segmentation(cut, [np.ascontiguousarray(whole[1:3, 2:4, 1:5][..., ::-1])], (segment,))
    assert np.array_equal(on_grid(part, grid).layers[0], whole)
