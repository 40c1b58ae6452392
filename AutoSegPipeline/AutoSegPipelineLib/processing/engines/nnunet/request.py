"""What a case asks of the models, checked before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, Sequence

from ....core.errors import EngineFailed, PipelineError
from ....core.specs import QUALITIES, did_you_mean
from ....core.structure_names import machine_name
from .record import Model


@dataclass(frozen=True)
class Effort:
    """How thorough a prediction is; ``step`` is that of nnU-Net's sliding window, in windows."""

    step: float
    mirror: bool
    every_fold: bool


# `normal` is what nnUNetv2_predict does with the model's folds.
EFFORTS: dict[str, Effort] = {
    "normal": Effort(0.5, mirror=True, every_fold=True),
    "fast": Effort(0.5, mirror=False, every_fold=False),
    "fastest": Effort(0.8, mirror=False, every_fold=False),
}


@dataclass(frozen=True)
class Run:
    """One model on the scan; no ``structures`` means all."""

    model: Model
    quality: str
    structures: tuple[str, ...] = ()

    @property
    def effort(self) -> Effort:
        """How thorough it is."""
        return EFFORTS[self.quality]


def understand(models: Sequence[Model], options: dict[str, object], modality: str) -> list[Run]:
    """The runs for ``options`` (task, quality, structures) on a scan of ``modality``.

    ``task`` names one or more models, ``teeth,jaw``; each may say a quality of its own, ``teeth:fast``.
    Without a task there must be one model only. Raises ``engine.task_unknown``,
    ``engine.quality_unknown``, ``engine.structure_unknown``, ``engine.wrong_modality``.
    """
    wanted = str(options.get("task") or "").strip()
    usual = str(options.get("quality") or "normal")
    chosen: dict[str, tuple[Model, str]] = {}
    for word in (part.strip() for part in (wanted or _only(models)).split(",")):
        if word:
            name, _, own = word.partition(":")
            model = find(models, name)
            if modality and model.modality and model.modality != modality:
                raise EngineFailed(
                    "engine.wrong_modality",
                    f"the model {model.name} is for {model.modality}, and the scan is {modality}",
                )
            chosen[model.name] = (model, _quality(own.strip() or usual))
    if not chosen:
        raise PipelineError("options.invalid", f"task: {wanted!r} names no model")
    names = options.get("structures") or ()
    structures = _structures([model for model, _ in chosen.values()], names)  # type: ignore[arg-type]
    runs = []
    for model, quality in chosen.values():
        own_classes = tuple(one.name for one in model.classes if one.name in structures)
        if own_classes or not structures:
            runs.append(Run(model, quality, own_classes))
    return runs


def find(models: Sequence[Model], name: str) -> Model:
    """The model called ``name``; raises ``engine.task_unknown`` with the nearest."""
    wanted = name.strip().casefold()
    for model in models:
        if model.name == wanted:
            return model
    known = [model.name for model in models]
    raise EngineFailed(
        "engine.task_unknown",
        f"there is no model {name!r} (known: {', '.join(known) or 'none'}){did_you_mean(wanted, known)}",
    )


def _only(models: Sequence[Model]) -> str:
    if len(models) == 1:
        return models[0].name
    known = ", ".join(model.name for model in models)
    text = f"there are several models ({known}), and the case names none" if models else "there is no model"
    raise EngineFailed("engine.task_unknown", text, "Name a model as task.")


def _quality(wanted: str) -> str:
    word = wanted.casefold()
    if word in EFFORTS:
        return word
    near = did_you_mean(word, QUALITIES)
    raise EngineFailed(
        "engine.quality_unknown", f"own models have no quality {wanted!r} (known: {', '.join(EFFORTS)}){near}"
    )


def _structures(models: Sequence[Model], wanted: Iterable[object]) -> set[str]:
    names = {machine_name(one.name): one.name for model in models for one in model.classes}
    chosen = set()
    for word in wanted:
        found = names.get(machine_name(str(word)))
        if found is None:
            where = " and ".join(model.name for model in models)
            near = did_you_mean(machine_name(str(word)), names)
            raise EngineFailed("engine.structure_unknown", f"there is no structure {word!r} in {where}{near}")
        chosen.add(found)
    return chosen
