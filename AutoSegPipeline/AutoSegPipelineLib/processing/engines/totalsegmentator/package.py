"""One task of the package on one scan, in memory from end to end."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from ...volume import Volume
from ..networks.images import to_nifti
from ..networks.pool import POOL
from ..networks.progress import Course
from . import weights
from .known_tasks import Catalogue
from .native_images import native_scan
from .request import Run
from .seams import is_lean, is_warm, seams


def run_task(
    known: Catalogue,
    run: Run,
    volume: Volume,
    options: dict[str, object],
    course: Course,
    device: str,
    split: bool = False,
) -> tuple[np.ndarray, list[dict[str, str]]]:
    """Labels (k, j, i) of ``run`` on the scan's grid, uint8, and warnings for the manifest.

    ``device`` is one of :func:`..networks.devices.resolve`.

    ``split`` lets the package do the scan in three overlapping parts, for less memory.
    """
    allowed = bool(options.get("download_weights"))
    course.say(0.0, "loading the libraries")
    prepare()
    from totalsegmentator.python_api import totalsegmentator

    warnings = []
    if not is_warm():
        message = "This version of TotalSegmentator cannot be kept loaded; every case loads it again."
        warnings.append({"code": "engine.cold", "message": message})
    course.say(0.01, "reading the scan")
    image = to_nifti(volume)
    if is_lean():
        image = native_scan(image)
    subset = list(run.structures) if run.structures and run.task.can_subset else None
    with seams(course, POOL, _fetcher(known, run, allowed)):
        result = totalsegmentator(
            image, None, ml=True, nr_thr_resamp=1, nr_thr_saving=1, task=run.task.name,
            fast=run.quality == "fast", fastest=run.quality == "fastest", roi_subset=subset,
            device=device, quiet=True, skip_saving=True, force_split=split,
        )  # fmt: skip
    course.say(0.99, "taking the labels over")
    return _labels(result, run, volume), warnings


def make_room() -> int:
    """Give up every model that is loaded; says how many there were."""
    return POOL.drop_others()


def prepare() -> None:
    """Let the package know its folders; its configuration is neither made nor changed here."""
    from totalsegmentator import config

    config.setup_nnunet()
    weights.home().mkdir(parents=True, exist_ok=True)


def _labels(image: Any, run: Run, volume: Volume) -> np.ndarray:
    labels = np.asarray(image.dataobj).transpose(2, 1, 0)
    if labels.shape != volume.array.shape:
        raise ValueError(f"the labels have shape {labels.shape}, the scan {volume.array.shape}")
    labels = np.ascontiguousarray(labels, dtype=np.uint8)
    if run.structures and not run.task.can_subset:
        keep = np.zeros(256, np.uint8)
        for value, name in run.task.classes.items():
            if name in run.structures:
                keep[value] = value
        labels = keep[labels]
    return labels


def _fetcher(known: Catalogue, run: Run, allowed: bool) -> Callable[[object, Callable[..., object]], None]:
    """What happens where the package would fetch weights."""

    parts = run.task.modes[run.quality].models

    def fetch(number: Any, original: Callable[..., object]) -> None:
        place = weights.place(number, known)
        if weights.is_complete(place) or (number in parts and run.models and number not in run.models):
            return  # of a task with several models the package asks for all of them, whatever it runs
        if not allowed or (place is not None and place.exists()):
            raise weights.complain(known, [number], run.task.name)
        original(number)

    return fetch
