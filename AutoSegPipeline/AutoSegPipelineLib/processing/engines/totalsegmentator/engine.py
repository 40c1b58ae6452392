"""The engine: tasks of the package, run one after the other, as layers of one segmentation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....core.errors import EngineFailed, PipelineError
from ....core.progress import Report
from ....core.segmentation import Segment, Segmentation
from ...layers import values_in
from ...stage_progress import Portion
from ...volume import Volume
from ..base import Check, Task, structures_absent
from ..networks import devices
from ..networks.back_ends import wanted as back_ends
from ..networks.progress import Course
from . import weights
from .catalogue import catalogue
from .known_tasks import Catalogue, installed, package_version
from .modality import guess
from .request import Request, Run, understand
from .terminology import segment_of, title_of
from .trouble import FAILURES, translate

_LICENCE = "TotalSegmentator licence (free for non-commercial use)"
_RANK, _RANK_WITHOUT_WEIGHTS = 50, 5
_TALL = 200  # slices at the network's resolution, from which the package's three parts make sense
_checked: list[Check] = []


class TotalSegmentatorEngine:
    """Named organs, bones, vessels and muscles of CT and MR by trained networks."""

    name = "totalsegmentator"
    title = "TotalSegmentator (trained networks)"

    @property
    def rank(self) -> int:
        """Above every other engine, but only where it could begin at once."""
        ready = installed() and weights.default_present(catalogue())
        return _RANK if ready else _RANK_WITHOUT_WEIGHTS

    @property
    def version(self) -> str:
        """The package's version."""
        return package_version()

    def tasks(self) -> list[Task]:
        """What the installed package says; nothing without it."""
        if not installed():
            return []
        return [
            Task(
                known.name,
                title_of_task(known.name, len(known.classes)),
                known.modality,
                tuple(known.classes.values()),
                tuple(known.modes),
                _LICENCE if known.licence else "",
                default=number == 0,
                titles=tuple(title_of(name) for name in known.classes.values()),
            )
            for number, known in enumerate(catalogue().tasks.values())
        ]

    def facts(self) -> dict[str, object]:
        """GPUs that torch sees, what ``auto`` takes, what may compute on the CPU, and whether a licence
        number is stored."""
        return {**devices.facts(), **back_ends.facts(), "licensed": weights.has_licence()}

    def weights_hash(self, task: str) -> str:
        """See :class:`~..base.Engine`; of the weights for every quality of the task."""
        known = catalogue()
        return weights.fingerprint(known, known.find(task))

    def check(self) -> Check:
        """Whether a prediction could begin; that it could is kept, because imports take seconds."""
        if not installed():
            return Check(False, ("the Python package TotalSegmentator",), "not installed")
        if not _checked or not _checked[0].ok:
            from .health import examine

            _checked[:] = [examine()]
        return _checked[0]

    def segment(self, volume: Volume, options: dict[str, Any], report: Report) -> Segmentation:
        """See :class:`~..base.Engine`; also ``engine.weights_missing``, ``.no_gpu``, ``.no_memory`` ..."""
        known = catalogue()
        request = _request(known, volume, options)
        _refuse_without_weights(known, request.runs, bool(options.get("download_weights")))
        device = devices.resolve(str(options.get("device") or "auto"), int(options.get("had_gpus") or 0))
        used = {
            "engine": self.name,
            "task": ",".join(f"{run.task.name}:{run.quality}" for run in request.runs),
            "device": device,
        }
        layers: list[np.ndarray] = []
        segments: list[Segment] = []
        network, networks = 0.0, []
        for number, run in enumerate(request.runs):
            portion = Portion(report, number / len(request.runs), (number + 1) / len(request.runs))
            course = Course(portion, _costs(run, volume), run.task.name)
            try:
                labels, warnings = _run(known, run, volume, options, course, device)
            except PipelineError as error:
                error.data.setdefault("used", used)
                raise
            network += course.network_seconds
            networks += [note for note in course.networks if note not in networks]
            warnings += course.network_warnings
            request.warnings += [w for w in warnings if w not in request.warnings]
            found, absent = _segments(run, labels, len(layers), {segment.name for segment in segments})
            request.warnings += absent
            segments += found
            layers.append(labels)
        report.progress(1.0, f"found {len(segments)} structures")
        facts = {**request.facts, "used": used, "timings": {"network": network}, "networks": networks}
        return Segmentation(volume.grid, layers, tuple(segments), request.warnings, facts)


def _run(
    known: Catalogue, run: Run, volume: Volume, options: dict[str, object], course: Course, device: str
) -> tuple[np.ndarray, list[dict[str, str]]]:
    """The run's labels; where memory does not suffice once more, with room made and a tall scan in parts."""
    try:
        return _attempt(known, run, volume, options, course, device, split=False)
    except EngineFailed as error:
        if error.code != "engine.no_memory":
            raise
        from .package import make_room

        given_up = make_room()
        tall = _height(volume) > _TALL * (run.task.modes[run.quality].mm or volume.grid.spacing[2])
        if not (tall or given_up):
            raise
        course.log(f"{error.message}; tried once more after unloading {given_up} other models", "warning")
    labels, warnings = _attempt(known, run, volume, options, course, device, split=tall)
    if tall:
        message = f"Not enough memory for task {run.task.name} in one piece; done in three parts."
        warnings.append({"code": "engine.stepped_down", "message": message})
    return labels, warnings


def _attempt(
    known: Catalogue,
    run: Run,
    volume: Volume,
    options: dict[str, object],
    course: Course,
    device: str,
    split: bool,
) -> tuple[np.ndarray, list[dict[str, str]]]:
    from .package import run_task

    try:
        return run_task(known, run, volume, options, course, device, split)
    except FAILURES as error:
        translated = translate(error, run.task.name)
        if translated is error:
            raise
        raise translated from error


def _height(volume: Volume) -> float:
    """How far the scan reaches from foot to head, in mm."""
    return sum(abs(step) * count for step, count in zip(volume.grid.affine[2], volume.grid.shape))


def title_of_task(name: str, classes: int) -> str:
    """``lung_vessels`` -> ``Lung vessels``."""
    base, mr = (name[:-3], " (MR)") if name.endswith("_mr") else (name, "")
    text = base.replace("_", " ")
    if base == "total":
        text = f"whole body, {classes} structures"
    return text[:1].upper() + text[1:] + mr


def _request(known: Catalogue, volume: Volume, options: dict[str, object]) -> Request:
    modality, guessed = volume.modality, None
    if not modality:
        guessed = guess(volume.array)
        modality = guessed.modality
    if modality not in ("CT", "MR"):
        raise EngineFailed("engine.wrong_modality", f"TotalSegmentator takes CT and MR, not {modality}")
    request = understand(known, options, modality)
    request.facts["modality"] = modality
    if guessed is not None:
        message = (
            f"The file does not say what it is; its intensities look like {modality} ({guessed.source})."
        )
        request.warnings.insert(0, {"code": "engine.modality_guessed", "message": message})
        request.facts["modality_from"] = guessed.source
    return request


def _refuse_without_weights(known: Catalogue, runs: list[Run], allowed: bool) -> None:
    for run in runs:
        missing = weights.missing(known, list(run.models))
        incomplete = [n for n in missing if (place := weights.place(n, known)) is not None and place.exists()]
        if missing and (not allowed or incomplete):
            raise weights.complain(known, missing, run.task.name)


def _costs(run: Run, volume: Volume) -> list[float]:
    """How much each prediction of the run takes, compared with one another: voxels at its resolution."""
    size = float(np.prod(volume.array.shape)) * volume.grid.voxel_ml * 1000.0
    main = run.task.modes[run.quality]
    costs = []
    for number in run.models or (0,):
        mm = main.mm if number in main.models else 3.0 if number in (297, 852) else 6.0
        voxel = volume.grid.voxel_ml * 1000.0 if mm is None else mm**3
        costs.append(size / voxel + 50_000.0)
    return costs


def _segments(
    run: Run, labels: np.ndarray, layer: int, taken: set[str]
) -> tuple[list[Segment], list[dict[str, str]]]:
    """Segments of the classes that occur, and a warning about those asked for by name that do not."""
    there = values_in(labels)
    found, absent = [], []
    for value, name in run.task.classes.items():
        if run.structures and name not in run.structures:
            continue
        if value not in there:
            absent.append(name)
            continue
        unique = name if name not in taken else f"{run.task.name}_{name}"
        found.append(segment_of(name, layer, value, 30 + layer, unique))
    return found, structures_absent([title_of(name).lower() for name in absent if run.structures])


__all__ = ["PipelineError", "TotalSegmentatorEngine", "title_of_task"]
