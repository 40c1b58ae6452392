"""Several engines in one case: layers, names, progress, failures, and weights that changed."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import pytest
from AutoSegPipelineLib.core.errors import Cancelled, EngineFailed, PipelineError
from AutoSegPipelineLib.core.messages.reader import plain, read
from AutoSegPipelineLib.core.messages.worker_messages import CaseResult
from AutoSegPipelineLib.core.segmentation import Segment, Segmentation
from AutoSegPipelineLib.processing import engines as room
from AutoSegPipelineLib.processing import phantom
from AutoSegPipelineLib.processing.case import Case
from AutoSegPipelineLib.processing.engine_runs import plan_runs, run_engines
from AutoSegPipelineLib.processing.engines.tissue import TissueEngine
from AutoSegPipelineLib.processing.picture import close_painter
from AutoSegPipelineLib.processing.process import process_case
from AutoSegPipelineLib.processing.source_segmentation import SourceSegmentation
from support.processing import Recorder, case_message, grid, two_layers


class Listening(Recorder):
    """Remembers what progress says, too."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[float, str]] = []

    def progress(self, fraction: float, message: str = "") -> None:
        super().progress(fraction, message)
        self.heard.append((fraction, message))


class Boxes:
    """Finds two boxes: bones, as the engine tissue does, and a tooth."""

    name = "boxes"
    title = "Boxes"
    rank = -1
    weights = "first"
    error: Exception | None = None
    asked: list[dict[str, Any]] = []

    def tasks(self) -> list[room.Task]:
        return [room.Task("teeth", "Teeth", "", ("bones", "tooth"), default=True)]

    def check(self) -> room.Check:
        return room.Check(True)

    def weights_hash(self, task: str) -> str:
        assert task == "teeth"
        return Boxes.weights

    def segment(self, volume: Any, options: dict[str, Any], report: Any) -> Segmentation:
        Boxes.asked.append({**options, "modality": volume.modality})
        report.progress(0.5, "half")
        report.log("a line")
        if self.error is not None:
            raise self.error
        labels = np.zeros(volume.grid.array_shape, np.uint8)
        labels[12:16, 20:30, 20:30] = 1
        labels[16:19, 20:30, 20:30] = 2
        segments = [
            Segment(0, 1, "bones", "Bones", (1.0, 0.0, 0.0), priority=60),
            Segment(0, 2, "tooth", "Tooth", (0.0, 1.0, 0.0), priority=60),
        ]
        wanted = options["structures"]
        kept = tuple(one for one in segments if not wanted or one.name in wanted)
        warnings = [{"code": "engine.odd", "message": "odd"}]
        return Segmentation(
            volume.grid,
            [labels],
            kept,
            warnings,
            {
                "used": {"engine": "boxes", "task": "teeth:normal", "device": "cpu", "trusted": ["teeth"]},
                "odd": 1,
                "timings": {"network": 1.0},
            },
        )


@pytest.fixture(autouse=True)
def two_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Boxes, "asked", [])
    monkeypatch.setattr(Boxes, "weights", "first")
    monkeypatch.setattr(room, "engines", lambda: {"tissue": TissueEngine(), "boxes": Boxes()})
    monkeypatch.setattr("AutoSegPipelineLib.processing.engine_runs.engines", room.engines)


@pytest.fixture(autouse=True)
def nobody_keeps_drawing() -> Iterator[None]:
    yield
    close_painter()


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "scan.nii.gz"
    phantom.write_nifti(phantom.torso(shape=(61, 50, 30), spacing=(6.0, 6.0, 6.0)).volume, path)
    return path


def run(message: dict[str, Any], report: Recorder | None = None) -> Any:
    return process_case(Case.from_dict(message), report or Recorder())


def test_weights_that_are_replaced_meanwhile_are_not_named(scan: Path, tmp_path: Path) -> None:
    class Replacing(Listening):
        def log(self, text: str, level: str = "info") -> None:
            Boxes.weights = "second"

    run(case_message(scan, tmp_path, options={"engine": "boxes", "formats": ["labels"]}), Replacing())
    manifest = json.loads((tmp_path / "out" / "case.manifest.json").read_text(encoding="utf-8"))
    assert Boxes.weights == "second" and manifest["engines"][0]["weights"] == {"teeth": "first"}


def test_two_engines_are_layers_of_one_result(scan: Path, tmp_path: Path) -> None:
    report = Listening()
    options = {"engine": "tissue,boxes:teeth", "formats": ["labels", "statistics", "report"]}
    result = run(case_message(scan, tmp_path, options=options), report)
    manifest = json.loads((tmp_path / "out" / "case.manifest.json").read_text(encoding="utf-8"))
    assert result.engine == manifest["engine"]["name"] == "tissue,boxes"
    assert result.used["task"] == "tissue:normal,teeth:normal"
    first, second = manifest["engines"]
    assert (first["name"], second["name"]) == ("tissue", "boxes")
    assert second["structures"] == ["boxes_bones", "tooth"] and "bones" in first["structures"]
    assert second["weights"] == {"teeth": "first"} and second["facts"] == {"trusted": ["teeth"], "odd": 1}
    assert first["seconds"] > 0 and manifest["timings_s"]["segment with tissue"] == first["seconds"]
    found = {row["name"]: row for row in manifest["segments"]}
    assert found["boxes_bones"]["title"] == "Bones (boxes)" and found["tooth"]["engine"] == "boxes"
    assert found["lung_left"]["engine"] == "tissue" and found["tooth"]["layer"] > found["bones"]["layer"]
    assert {"code": "engine.odd", "message": "boxes: odd"} in manifest["warnings"]
    # Equal priorities: the engine that is named later is on top.
    pairs = {(one["winner"], one["loser"]) for one in manifest["overlaps"]}
    assert ("tooth", "body") in pairs and ("bones", "boxes_bones") not in pairs
    with open(tmp_path / "out" / "case.statistics.csv", encoding="utf-8", newline="") as stream:
        assert {row["engine"] for row in csv.DictReader(stream)} == {"tissue", "boxes"}
    page = (tmp_path / "out" / "case.report.html").read_text(encoding="utf-8")
    assert "task teeth:normal: 2 structures" in page
    half = [fraction for fraction, message in report.heard if message == "boxes: half"]
    assert half == [0.75] and "boxes: a line" in report.lines


def test_the_pipeline_can_read_what_any_engine_says_that_it_used(scan: Path, tmp_path: Path) -> None:
    result = run(case_message(scan, tmp_path, options={"engine": "boxes", "formats": ["labels"]}))
    assert read(CaseResult, plain(result)).used == {
        "engine": "boxes",
        "task": "teeth:normal",
        "device": "cpu",
    }
    manifest = json.loads((tmp_path / "out" / "case.manifest.json").read_text(encoding="utf-8"))
    assert manifest["engine"]["used"]["trusted"] == ["teeth"]


def test_each_engine_is_asked_for_its_own_structures_only(scan: Path, tmp_path: Path) -> None:
    options = {"engine": "tissue,boxes", "structures": ["tooth", "lung_left"]}
    run(case_message(scan, tmp_path / "a", options=options))
    assert Boxes.asked[0]["structures"] == ["tooth"] and Boxes.asked[0]["modality"] == "CT"
    run(case_message(scan, tmp_path / "b", options={**options, "structures": ["lung_left"]}))
    assert len(Boxes.asked) == 1


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (EngineFailed("engine.no_memory", "too little"), "engine.no_memory", "boxes: too little"),
        (RuntimeError("broken"), "engine.failed", "boxes: RuntimeError: broken"),
    ],
)
def test_the_failure_of_one_engine_ends_the_case_with_its_name(
    scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str, words: str
) -> None:
    monkeypatch.setattr(Boxes, "error", error)
    with pytest.raises(PipelineError) as caught:
        run(case_message(scan, tmp_path, options={"engine": "tissue,boxes"}))
    assert (caught.value.code, caught.value.message) == (code, words)


def test_cancelling_stays_cancelling(scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Boxes, "error", Cancelled())
    with pytest.raises(Cancelled):
        run(case_message(scan, tmp_path, options={"engine": "tissue,boxes"}))


def test_auto_never_becomes_an_engine_of_negative_rank_or_one_named_besides() -> None:
    with pytest.raises(EngineFailed):
        plan_runs({"engine": "auto"}, "MR", "x")
    with pytest.raises(PipelineError, match="auto is tissue here"):
        plan_runs({"engine": "auto,tissue"}, "CT", "x")


def _elsewhere(segment: Any, other: Any, _volume: Any, options: dict[str, Any], report: Any) -> Segmentation:
    return segment(other, options, report)  # type: ignore[no-any-return]


def test_an_answer_on_another_grid_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    small = phantom.torso((40, 34, 20)).volume
    other = phantom.torso((40, 34, 22)).volume
    runs = plan_runs({"engine": "boxes", "structures": []}, "CT", "x")
    runs[0].engine.segment = lambda volume, options, report: Boxes.segment(
        runs[0].engine, other, options, report
    )  # type: ignore[method-assign]
    with pytest.raises(EngineFailed, match="another grid"):
        run_engines(runs, small, 0, Recorder())


def test_a_kept_label_map_of_other_weights_is_computed_again(
    scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = tmp_path / "keep.seg.nrrd"
    options = {"engine": "boxes"}
    run(case_message(scan, tmp_path / "a", options=options, keep=str(keep)))
    assert run(case_message(scan, tmp_path / "b", options=options, reuse=str(keep))).cached
    monkeypatch.setattr(Boxes, "weights", "second")
    assert not run(case_message(scan, tmp_path / "c", options=options, reuse=str(keep))).cached
    assert len(Boxes.asked) == 2


def test_thresholds_belong_to_the_structures_of_their_own_engine():
    first = {"name": "one", "structures": ["bones"], "facts": {"intensity_ranges": {"bones": [100.0, None]}}}
    second = {
        "name": "two",
        "structures": ["two_bones", "lung_left"],
        "facts": {"intensity_ranges": {"bones": [150.0, None], "lung_left": [None, -400.0]}},
    }
    third = {"name": "three", "structures": ["heart"], "facts": {"quality": "fast"}}
    found = SourceSegmentation(
        two_layers(grid((4, 4, 4))), None, "one", "CT", facts={"engines": [first, second, third]}
    )
    assert found.intensity_ranges == {
        "bones": (100.0, None),
        "two_bones": (150.0, None),
        "lung_left": (None, -400.0),
    }
    assert SourceSegmentation(two_layers(grid((4, 4, 4))), None, "", "").intensity_ranges == {}
