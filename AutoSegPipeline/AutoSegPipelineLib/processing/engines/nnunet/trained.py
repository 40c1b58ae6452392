"""Trained networks in what somebody hands over: folders with plans.json, dataset.json and ``fold_*``.

Only names and JSON are read here; checkpoints are looked at by :mod:`.checkpoint`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Mapping

from ....core.errors import PipelineError
from ....core.specs import did_you_mean
from ..networks.model_files import ModelFiles

_MOST_JSON = 256 << 20  # dataset.json may list every training case
_CHECKPOINT = re.compile(r"(?:(?P<place>.*)/)?fold_(?P<fold>all|\d{1,4})/(?P<file>checkpoint_\w+\.pth)\Z")
_VERSION_1 = re.compile(r"(\.model(\.pkl)?|(^|/)plans\.pkl)\Z")
CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
# What a single configuration is taken from, where there are several and nobody says which.
_USUAL = ("3d_fullres", "3d_cascade_fullres", "3d_lowres", "2d")
# Readers of nnU-Net that read volumes.
READERS = ("SimpleITKIO", "SimpleITKIOWithReorient", "NibabelIO", "NibabelIOWithReorient")


@dataclass(frozen=True)
class Trained:
    """One trained network: ``place`` is its folder below the source, empty for the source itself.

    ``checkpoints`` maps each fold to its checkpoint files. ``configuration`` is what the folder's name
    says (``Trainer__Plans__configuration``), else the only one that the plans have, else empty.
    """

    place: str
    plans: Mapping[str, object]
    dataset: Mapping[str, object]
    checkpoints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    configuration: str = ""

    @property
    def title(self) -> str:
        """The folder's name."""
        return self.place.rpartition("/")[2] or self.configuration

    @property
    def previous(self) -> str:
        """The configuration whose labels a cascade takes; empty for no cascade."""
        return str(settings_of(self.plans, self.configuration).get("previous_stage") or "")


def find_trained(files: ModelFiles) -> list[Trained]:
    """Every trained network; raises ``model.unsupported`` for nnU-Net v1 and ``model.invalid`` for none."""
    places: dict[str, dict[str, list[str]]] = {}
    for name in files.names:
        match = _CHECKPOINT.match(name)
        if match:
            folds = places.setdefault(match["place"] or "", {})
            folds.setdefault(match["fold"], []).append(match["file"])
    if not places:
        raise _nothing(files)
    return [_trained(files, place, folds) for place, folds in sorted(places.items())]


def choose_stages(found: list[Trained], configuration: str, suggested: str, title: str) -> list[Trained]:
    """The networks to run, the last of them the one meant; raises ``model.invalid``.

    ``suggested`` is what nnU-Net's own comparison found best, empty for unknown.
    """
    by_configuration = {one.configuration: one for one in reversed(found)}
    stages = [_main(by_configuration, configuration, suggested, title)]
    while stages[0].previous:
        before = by_configuration.get(stages[0].previous)
        if before is None or before in stages:
            raise PipelineError(
                "model.invalid",
                f"{title}: {stages[0].configuration} is a cascade and needs {stages[0].previous}, "
                "which is not there",
                "Give the folder or zip that holds both (the Dataset folder of nnUNet_results).",
            )
        stages.insert(0, before)
    for stage in stages:
        same = [one.place for one in found if one.configuration == stage.configuration]
        if len(same) > 1:
            text = f"{title} has several networks {stage.configuration}: {', '.join(same)}"
            raise PipelineError("model.invalid", text, "Add the folder of one of them.")
    return stages


def choose_folds(trained: Trained, folds: tuple[str, ...], checkpoint: str) -> tuple[tuple[str, ...], str]:
    """Which folds and which checkpoint file; raises ``model.invalid``.

    As in nnU-Net, ``fold_all`` counts only where there is no other, or where it is asked for.
    """
    there = trained.checkpoints
    wanted = folds or tuple(f for f in there if f != "all") or tuple(there)
    missing = [fold for fold in wanted if fold not in there]
    if missing:
        text = f"{trained.title} has no fold {', '.join(missing)} (it has: {', '.join(there)})"
        raise PipelineError("model.invalid", text)
    wanted = tuple(dict.fromkeys(wanted))
    for name in (checkpoint,) if checkpoint else CHECKPOINTS:
        if all(name in there[fold] for fold in wanted):
            return wanted, name
    names = checkpoint or " or ".join(CHECKPOINTS)
    lacking = next(f for f in wanted if (checkpoint or CHECKPOINTS[0]) not in there[f])
    text = f"{trained.title}: fold_{lacking} has no {names} (it has: {', '.join(there[lacking])})"
    raise PipelineError(
        "model.invalid", text, "Name the checkpoint with --checkpoint, or finish the training."
    )


def read_json(files: ModelFiles, name: str) -> Mapping[str, object]:
    """The object in a JSON file of the source; raises ``model.invalid``."""
    try:
        value = json.loads(files.read(name, _MOST_JSON).decode("utf-8"))
    except ValueError as error:
        raise PipelineError("model.invalid", f"{files.title}: {name} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise PipelineError("model.invalid", f"{files.title}: {name} is not a JSON object")
    return value


def joined(place: str, name: str) -> str:
    """The path of a file of the folder ``place``."""
    return f"{place}/{name}" if place else name


def _trained(files: ModelFiles, place: str, folds: dict[str, list[str]]) -> Trained:
    for name in ("plans.json", "dataset.json"):
        if joined(place, name) not in files.names:
            where = place or "it"
            raise PipelineError("model.invalid", f"{files.title}: {where} has checkpoints, but no {name}")
    plans = read_json(files, joined(place, "plans.json"))
    dataset = read_json(files, joined(place, "dataset.json"))
    known = plans.get("configurations")
    if not isinstance(known, dict):
        raise PipelineError(
            "model.invalid", f"{files.title}: {joined(place, 'plans.json')} has no configurations"
        )
    # With the source itself the name of the complete path counts.
    title = place.rpartition("/")[2] or files.title.replace("\\", "/").rstrip("/").rpartition("/")[2]
    named = title.split("__")[2] if title.count("__") == 2 else ""
    configuration = named if named in known else next(iter(known)) if len(known) == 1 else ""
    order = sorted(folds, key=lambda fold: (fold == "all", int(fold) if fold != "all" else 0))
    return Trained(place, plans, dataset, {f: tuple(sorted(folds[f])) for f in order}, configuration)


def _main(known: dict[str, Trained], configuration: str, suggested: str, title: str) -> Trained:
    if configuration:
        if configuration not in known:
            names = ", ".join(name or "of unknown configuration" for name in known)
            near = did_you_mean(configuration, known)
            raise PipelineError(
                "model.invalid", f"{title} has no network {configuration!r} (it has: {names}){near}"
            )
        return known[configuration]
    if len(known) == 1:
        return next(iter(known.values()))
    for name in (suggested, *_USUAL):
        if name in known:
            return known[name]
    raise PipelineError(
        "model.invalid", f"{title} has several networks: {', '.join(known)}", "Name one with --configuration."
    )


def settings_of(plans: Mapping[str, object], configuration: str) -> dict[str, object]:
    """The configuration with what it inherits."""
    known = plans.get("configurations")
    merged: dict[str, object] = {}
    seen: set[str] = set()
    while isinstance(known, dict) and configuration in known and configuration not in seen:
        seen.add(configuration)
        merged = {**known[configuration], **merged}
        configuration = str(known[configuration].get("inherits_from") or "")
    return merged


def _nothing(files: ModelFiles) -> PipelineError:
    old = [name for name in files.names if _VERSION_1.search(name)]
    if old:
        return PipelineError(
            "model.unsupported",
            f"{files.title} holds weights of nnU-Net version 1 ({old[0]}), which nnunetv2 cannot run",
            "Train the model again with nnunetv2 (nnUNetv2_convert_old_nnUNet_dataset converts the training "
            "data), or ask its authors for weights of version 2.",
        )
    return PipelineError(
        "model.invalid",
        f"{files.title} holds no trained model (fold_*/checkpoint_final.pth beside plans.json)",
    )
