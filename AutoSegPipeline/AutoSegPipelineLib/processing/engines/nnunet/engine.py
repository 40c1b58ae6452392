"""The engine: each model that was added is a task."""

from __future__ import annotations

import importlib.util
import re

import numpy as np

from ....core.errors import EngineFailed, PipelineError
from ....core.own_models import LACKING
from ....core.progress import Report
from ....core.segmentation import Segment, Segmentation
from ....core.structure_names import machine_name
from ...stage_progress import Portion
from ...volume import Volume
from ..base import Check, Task, structures_absent
from ..networks import devices
from ..networks.back_ends import wanted as back_ends
from ..networks.progress import Course
from . import store
from .prediction import costs, predict_model
from .request import EFFORTS, Run, understand
from .segments import layers_of, title_of

PACKAGE = "nnunetv2"
_OLDEST = (2, 5)  # plans that name their network's class
_checked: list[Check] = []


class NnUnetEngine:
    """Users' own networks, trained with nnU-Net."""

    name = "nnunet"
    title = "nnU-Net (own models)"
    rank = -1  # whoever wants a model of theirs names it

    @property
    def version(self) -> str:
        """nnU-Net's version; a model's own identity is :meth:`weights_hash`."""
        return _package_version()

    def tasks(self) -> list[Task]:
        """A task for each model."""
        return [
            Task(
                model.name,
                model.title,
                model.modality,
                tuple(machine_name(one.name) for one in model.classes),
                tuple(EFFORTS),
                titles=tuple(title_of(one) for one in model.classes),
            )
            for model in store.models(store.folder())
        ]

    def weights_hash(self, task: str) -> str:
        """Changes with every file of the model that decides about labels; empty for no model."""
        try:
            return store.model(store.folder(), task).weights_sha256
        except PipelineError:
            return ""

    def facts(self) -> dict[str, object]:
        """GPUs that torch sees, what ``auto`` takes, and what may compute on the CPU."""
        return {**devices.facts(), **back_ends.facts()}

    def check(self) -> Check:
        """Whether nnU-Net is here and a model is; that nnU-Net works is kept, as imports take seconds."""
        if importlib.util.find_spec(PACKAGE) is None:
            return Check(False, (f"the Python package {PACKAGE}",), "not installed")
        if not _checked or not _checked[0].ok:
            _checked[:] = [_examine()]
        place = store.folder()
        if _checked[0].ok and not store.models(place):
            return Check(False, (LACKING,), f"no model was added to {place}")
        return _checked[0]

    def segment(self, volume: Volume, options: dict[str, object], report: Report) -> Segmentation:
        """See :class:`~..base.Engine`; also ``engine.channel_missing``, ``engine.no_gpu``, ``model.*`` ..."""
        place = store.folder()
        runs = understand(store.models(place), options, volume.modality)
        had = options.get("had_gpus") or 0
        device = devices.resolve(str(options.get("device") or "auto"), int(str(had)))
        used = {
            "engine": self.name,
            "task": ",".join(f"{run.model.name}:{run.quality}" for run in runs),
            "device": device,
        }
        layers: list[np.ndarray] = []
        segments: list[Segment] = []
        warnings = [_trusted(run) for run in runs if run.model.trusted]
        network, networks = 0.0, []
        for number, run in enumerate(runs):
            portion = Portion(report, number / len(runs), (number + 1) / len(runs))
            course = Course(portion, costs(place / run.model.name, run, volume.grid), run.model.name)
            try:
                labels = predict_model(place / run.model.name, run, volume, course, device)
            except PipelineError as error:
                error.data.setdefault("used", used)
                raise
            network += course.network_seconds
            networks += [note for note in course.networks if note not in networks]
            warnings += [one for one in course.network_warnings if one not in warnings]
            more, found, absent = layers_of(run, labels, len(layers), {one.name for one in segments})
            layers += more
            segments += found
            warnings += structures_absent([title.lower() for title in absent])
        report.progress(1.0, f"found {len(segments)} structures")
        if not layers:  # regions of which none was found
            layers = [np.zeros(volume.grid.array_shape, np.uint8)]
        licences = [_licence(run) for run in runs if run.model.licence]
        facts: dict[str, object] = {
            "used": {**used, "licence": "; ".join(licences)} if licences else used,
            "timings": {"network": network},
            "networks": networks,
            "weights": {run.model.name: run.model.weights_sha256 for run in runs},
        }
        if volume.modality or runs[0].model.modality:
            facts["modality"] = volume.modality or runs[0].model.modality
        return Segmentation(volume.grid, layers, tuple(segments), warnings, facts)


def _licence(run: Run) -> str:
    """The beginning of the licence's text, in one line; ``model.json`` holds all of it."""
    text = " ".join(run.model.licence.split())
    return f"{run.model.name}: {text if len(text) <= 200 else text[:199] + '…'}"


def _trusted(run: Run) -> dict[str, str]:
    who = f" by {run.model.added_by}" if run.model.added_by else ""
    message = f"The model {run.model.name} was added{who} as trusted: its checkpoints may run a program."
    return {"code": "engine.model_trusted", "message": message}


def _package_version() -> str:
    from importlib import metadata

    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return ""


def _examine() -> Check:
    """Import what a prediction imports, and find nnU-Net's trainer, as adding a model does."""
    version = _package_version()
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        return Check(
            False, (f"{PACKAGE} {oldest} or later",), f"{PACKAGE} {version} is too old for own models"
        )
    from ..networks.trouble import FAILURES, short

    try:
        import torch
        from nnunetv2.inference import predict_from_raw_data  # noqa: F401

        from .allowed import trainer_class
        from .checkpoint import check_torch

        trainer_class("nnUNetTrainer", PACKAGE)
        check_torch(torch.__version__)
    except EngineFailed as error:
        return Check(False, (), error.message)
    except (*FAILURES, PipelineError) as error:
        return Check(False, (), f"the installation is broken: {type(error).__name__}: {short(str(error))}")
    return Check(True, note=devices.describe())
