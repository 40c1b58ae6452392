"""What a case asks for, checked against what the package has before anything heavy begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ....core.errors import EngineFailed, PipelineError
from ....core.specs import QUALITIES, did_you_mean
from ....core.structure_names import machine_name
from . import weights
from .known_tasks import DEFAULT, Catalogue, Known
from .terminology import title_of


@dataclass(frozen=True)
class Run:
    """One call of the package; no ``structures`` means all of the task's."""

    task: Known
    quality: str
    structures: tuple[str, ...] = ()
    models: tuple[int, ...] = ()


@dataclass
class Request:
    """The runs of a case, and what its manifest should tell about how they were chosen."""

    runs: list[Run]
    warnings: list[dict[str, str]] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)


def understand(known: Catalogue, options: dict[str, object], modality: str) -> Request:
    """The runs for ``options`` (task, quality, structures) on a scan of ``modality``.

    ``task`` holds one or more names, ``total,body``; each may say a quality of its
    own, ``total:fast``. Raises ``engine.task_unknown``, ``engine.quality_unknown``,
    ``engine.structure_unknown``, ``engine.wrong_modality``, ``engine.licence_needed``.
    """
    request = Request([])
    wanted = str(options.get("task") or "") or DEFAULT.get(modality, DEFAULT["CT"])
    may_switch = options.get("modality_mismatch", "switch") != "refuse"
    tasks: dict[str, tuple[Known, str]] = {}
    for word in (part.strip() for part in wanted.split(",")):
        if word:
            name, _, own = word.partition(":")
            task = _for_modality(known, known.find(name), modality, request, may_switch)
            tasks[task.name] = (task, _quality(task, own.strip() or str(options.get("quality") or "normal")))
    if not tasks:
        raise PipelineError("options.invalid", f"task: {wanted!r} names no task")
    chosen = _structures([task for task, _ in tasks.values()], options.get("structures") or ())
    for task, quality in tasks.values():
        own_classes = tuple(name for name in task.classes.values() if name in chosen)
        if chosen and not own_classes:
            continue
        if task.licence and not weights.has_licence():
            raise EngineFailed(
                "engine.licence_needed",
                f"task {task.name} of TotalSegmentator needs a licence number, and {weights.home()} has none",
            )
        models = tuple(weights.needed(known, task, quality, own_classes))
        request.runs.append(Run(task, quality, own_classes, models))
    return request


def _for_modality(
    known: Catalogue, task: Known, modality: str, request: Request, may_switch: bool = True
) -> Known:
    if not modality or task.modality == modality:
        return task
    twin = known.twin(task, modality)
    if twin is None or not may_switch:
        raise EngineFailed(
            "engine.wrong_modality",
            f"task {task.name} of TotalSegmentator is for {task.modality}, and the scan is {modality}",
            None if twin is None else f"Choose task {twin.name}, or allow it with modality_mismatch=switch.",
        )
    message = f"Task {task.name} is for {task.modality}, the scan is {modality}: done with {twin.name}."
    request.warnings.append({"code": "engine.task_switched", "message": message})
    return twin


def _quality(task: Known, wanted: str) -> str:
    word = wanted.casefold()
    if word in task.modes:
        return word
    have = ", ".join(task.modes)
    near = did_you_mean(word, task.modes) if word not in QUALITIES else ""
    raise EngineFailed(
        "engine.quality_unknown", f"task {task.name} has no quality {wanted!r} (it has: {have}){near}"
    )


def _structures(tasks: list[Known], wanted: Any) -> set[str]:
    """Class names for what people write: ``kidney_left``, ``Kidney left``, ``Left kidney``."""
    names: dict[str, str] = {}
    for task in tasks:
        for name in task.classes.values():
            names.setdefault(name.casefold(), name)
            names.setdefault(machine_name(title_of(name)), name)
    chosen = set()
    for word in wanted:
        found = names.get(str(word).strip().casefold()) or names.get(machine_name(str(word)))
        if found is None:
            where = " and ".join(task.name for task in tasks)
            raise EngineFailed(
                "engine.structure_unknown",
                f"there is no structure {word!r} in {where}{did_you_mean(str(word).casefold(), names)}",
            )
        chosen.add(found)
    return chosen
