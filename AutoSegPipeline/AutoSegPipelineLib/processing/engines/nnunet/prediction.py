"""One model on one scan: its networks one after the other, as ``nnUNetv2_predict`` runs them."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

import numpy as np

from ....core.errors import EngineFailed
from ....core.segmentation import Grid
from ... import heap
from ...volume import Volume
from ..networks.pool import POOL, Weights, give_back_where_tight
from ..networks.predict import predict_labels, torch_device
from ..networks.processors import cpu_threads
from ..networks.progress import Course, bar
from ..networks.replacing import replaced
from ..networks.trouble import FAILURES, translate
from .images import MemoryImages, check_one_grid
from .loading import load_stage
from .postprocessing import apply_rules
from .record import Model, Stage
from .request import Run
from .trained import settings_of

if TYPE_CHECKING:
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

TITLE = "nnU-Net"


def predict_model(place: Path, run: Run, volume: Volume, course: Course, device: str) -> np.ndarray:
    """Labels (k, j, i) on the grid of ``volume``, which is the model's first channel and has the others.

    ``place`` is the model's folder. Raises ``engine.channel_missing``, ``engine.channels_differ``, what
    loading raises, and what running out of memory and such things become.
    """
    model, volumes = run.model, [volume, *volume.channels]
    if len(volumes) != len(model.channels):
        missing = ", ".join(model.channels[len(volumes) :])
        raise EngineFailed(
            "engine.channel_missing",
            f"the model {model.name} takes {len(model.channels)} images ({', '.join(model.channels)}), and "
            + (f"{missing} is missing" if missing else f"the case has {len(volumes)}"),
        )
    check_one_grid(volumes, model.channels)
    try:
        return _attempt(place, run, volumes, course, device)
    except EngineFailed as error:
        if error.code != "engine.no_memory":
            raise
        given_up = POOL.drop_others()
        if not given_up:
            raise
        course.log(f"{error.message}; tried once more after unloading {given_up} other models", "warning")
    return _attempt(place, run, volumes, course, device)


def costs(place: Path, run: Run, grid: Grid) -> list[float]:
    """How much each stage takes, compared with one another: voxels at its spacing, for each fold."""
    size = grid.voxel_ml * 1000.0 * float(np.prod(grid.shape))
    found = []
    for stage in run.model.stages:
        voxels = _voxels(place / stage.folder, stage, size) if len(run.model.stages) > 1 else 1.0
        found.append(voxels * (len(stage.folds) if run.effort.every_fold else 1))
    return found


def _voxels(folder: Path, stage: Stage, size: float) -> float:
    """How many voxels a scan of ``size`` mm³ has for the stage, at least a window's."""
    try:
        plans = json.loads((folder / "plans.json").read_text(encoding="utf-8"))
        settings = settings_of(plans, stage.configuration)
        voxel, window = _product(settings["spacing"]), _product(settings["patch_size"])
        return max(size / voxel, window)
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError):
        return 1.0  # loading says what is wrong with it


def _product(numbers: object) -> float:
    if not isinstance(numbers, list):
        raise TypeError(f"{numbers!r:.60} is no list")
    return math.prod(float(one) for one in numbers)


def _attempt(place: Path, run: Run, volumes: Sequence[Volume], course: Course, device: str) -> np.ndarray:
    try:
        return _stages(place, run, volumes, course, torch_device(device))
    except FAILURES as error:
        repair = "Check the model with `autoseg models check`, or add it again."
        translated = translate(error, TITLE, run.model.name, repair)
        if translated is error:
            raise
        raise translated from error


def _stages(
    place: Path, run: Run, volumes: Sequence[Volume], course: Course, device: torch.device
) -> np.ndarray:
    import torch
    from nnunetv2.inference import predict_from_raw_data

    files = [f"channel {number}" for number in range(len(volumes))]
    images = MemoryImages(dict(zip(files, volumes)))
    threads, benchmark = torch.get_num_threads(), torch.backends.cudnn.benchmark
    torch.set_num_threads(cpu_threads() if device.type == "cpu" else 1)
    previous = None
    try:
        for number, stage in enumerate(run.model.stages):
            folds = stage.folds if run.effort.every_fold else stage.folds[:1]
            course.prediction_begins(len(folds))
            predictor = _predictor(place, run, number, folds, device, course)
            predictor.course = course
            try:
                with replaced([(predict_from_raw_data, "tqdm", bar(course))]), images.as_files():
                    labels, properties = predict_labels(predictor, course, files, previous)
                    if number == len(run.model.stages) - 1:
                        labels = apply_rules(labels, run.model.keep_largest)
                    previous = f"labels {number}"
                    writer = predictor.plans_manager.image_reader_writer_class()
                    writer.write_seg(labels, previous, properties)
            finally:
                predictor.course = None
            course.prediction_ends()
    finally:
        torch.set_num_threads(threads)
        torch.backends.cudnn.benchmark = benchmark
        if device.type == "cpu":
            heap.keep_freed()
        give_back_where_tight()
    assert previous is not None
    return np.ascontiguousarray(images.labels(previous))


def _predictor(
    place: Path, run: Run, number: int, folds: tuple[str, ...], device: torch.device, course: Course
) -> nnUNetPredictor:
    stage = run.model.stages[number]
    loads, begin = POOL.loads, time.perf_counter()
    load = partial(_load, place, _with_folds(run.model, number, folds), number)
    name = f"{run.model.name} {stage.configuration}"
    weights = Weights(str(place / stage.folder), folds, stage.checkpoint, load, name)
    predictor = POOL.get(weights, device, run.effort.step, run.effort.mirror)
    if POOL.loads > loads:
        seconds = time.perf_counter() - begin
        course.log(f"loaded {run.model.name}, {stage.configuration} in {seconds:.1f} s ({len(POOL)} kept)")
    return predictor


def _load(place: Path, model: Model, number: int, predictor: nnUNetPredictor) -> None:
    load_stage(place, model, number).into(predictor)


def _with_folds(model: Model, number: int, folds: tuple[str, ...]) -> Model:
    stages = list(model.stages)
    stages[number] = replace(stages[number], folds=folds)
    return replace(model, stages=tuple(stages))
