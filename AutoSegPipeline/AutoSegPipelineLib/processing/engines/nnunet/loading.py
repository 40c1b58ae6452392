"""From a stored model's files to networks in memory: what nnU-Net's predictor needs."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

from ....core.errors import EngineFailed, PipelineError
from ....core.files import sha256
from .allowed import check_plans, trainer_class
from .checkpoint import read_checkpoint
from .record import Model, Stage

if TYPE_CHECKING:
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager


@dataclass
class Loaded:
    """The network of one stage and the parameters of its folds, with nnU-Net's managers.

    ``configuration`` is what the first checkpoint states.
    """

    network: torch.nn.Module
    parameters: list[dict[str, torch.Tensor]]
    plans: PlansManager
    settings: ConfigurationManager
    dataset: dict[str, object]
    configuration: str
    trainer: str
    mirroring: tuple[int, ...] | None

    def into(self, predictor: nnUNetPredictor) -> None:
        """Make nnU-Net's ``predictor`` use these networks."""
        predictor.manual_initialization(
            self.network,
            self.plans,
            self.settings,
            self.parameters,
            self.dataset,
            self.trainer,
            self.mirroring,
        )


def load_stage(place: Path, model: Model, number: int) -> Loaded:
    """The stage ``number`` of the model in ``place``; raises ``model.*`` and ``engine.checkpoint_unsafe``.

    A file that has changed is refused: results state the hash of those that were added, and it was those
    that an administrator trusted.
    """
    stage = model.stages[number]
    check_files(place, model, [stage])
    return load(place / stage.folder, stage, f"model {model.name}", model.trusted)


def load(folder: Path, stage: Stage, shown: str, trusted: bool) -> Loaded:
    """As nnU-Net's ``initialize_from_trained_model_folder``, but reading checkpoints safely.

    An empty ``configuration`` or ``trainer`` of the stage means what the first checkpoint says.
    """
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    plans = _json(folder / "plans.json", shown)
    dataset = _json(folder / "dataset.json", shown)
    checkpoints = [
        read_checkpoint(
            folder / f"fold_{fold}" / stage.checkpoint, f"{shown}, fold_{fold}/{stage.checkpoint}", trusted
        )
        for fold in stage.folds
    ]
    first = checkpoints[0]
    parameters = [one.weights for one in checkpoints]
    trainer = stage.trainer or first.trainer
    try:
        manager = PlansManager(plans)
        settings = manager.get_configuration(stage.configuration or first.configuration)
        check_plans(plans, settings, shown)
        network = _build(trainer_class(trainer, shown), manager, settings, dataset)
        for state in reversed(parameters):
            network.load_state_dict(state)
    except _WRONG as error:
        lines = str(error).strip().splitlines() or [""]
        raise PipelineError(
            "model.invalid", f"{shown}: its network cannot be built: {type(error).__name__}: {lines[0][:300]}"
        ) from error
    return Loaded(
        network, parameters, manager, settings, dataset, first.configuration, trainer, first.mirroring
    )


def check_files(place: Path, model: Model, stages: Sequence[Stage]) -> None:
    """Raise ``model.invalid`` where a file that these stages read is not the one that was added."""
    for name in dict.fromkeys(name for stage in stages for name in stage.files):
        path = place.joinpath(*name.split("/"))
        if name not in model.files:
            raise EngineFailed("model.invalid", f"model {model.name}: {name} was not added with it", _AGAIN)
        if not path.is_file():
            raise EngineFailed("model.invalid", f"model {model.name}: {name} is missing", _AGAIN)
        if sha256(path) != model.files[name]:
            text = f"model {model.name}: {name} is not the file that was added"
            raise EngineFailed("model.invalid", text, _AGAIN)


_WRONG = (RuntimeError, LookupError, TypeError, ValueError, AssertionError, AttributeError, ImportError)
_AGAIN = "Add the model again with --replace."


def _build(
    trainer: type[nnUNetTrainer],
    plans: PlansManager,
    settings: ConfigurationManager,
    dataset: dict[str, object],
) -> torch.nn.Module:
    from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels

    channels = determine_num_input_channels(plans, settings, dataset)
    heads = plans.get_label_manager(dataset).num_segmentation_heads
    build = trainer.build_network_architecture
    if "plans_manager" in inspect.signature(build).parameters:
        return build(plans, settings, channels, heads, enable_deep_supervision=False)
    return build(
        settings.network_arch_class_name, settings.network_arch_init_kwargs,
        settings.network_arch_init_kwargs_req_import, channels, heads, enable_deep_supervision=False,
    )  # fmt: skip


def _json(path: Path, shown: str) -> dict[str, object]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PipelineError("model.invalid", f"{shown}: {path.name} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise PipelineError("model.invalid", f"{shown}: {path.name} is not a JSON object")
    return value
