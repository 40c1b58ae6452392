"""What plans.json and dataset.json say of a model: channels, structures, reader, licence."""

from __future__ import annotations

from typing import Iterable, Mapping

from ....core.errors import PipelineError
from ....formats.label_rows import Entry
from ..networks.model_files import ModelFiles
from .record import ModelClass
from .trained import READERS, Trained

# Names of channels that say a modality by themselves; others say nothing.
_CT = {"ct"}
_MR = {
    "mr", "mri", "t1", "t1w", "t1c", "t1ce", "t1gd", "t1n", "t2", "t2w", "t2f", "flair", "t2-flair", "adc",
    "dwi", "pd", "pdw", "swi",
}  # fmt: skip
_LICENCE_FILES = ("license", "licence", "copying")
_MOST_LICENCE = 256 << 10


def channels_of(trained: Trained) -> tuple[str, ...]:
    """The names of the input channels in their order; raises ``model.invalid``."""
    named = trained.dataset.get("channel_names") or trained.dataset.get("modality")
    if not isinstance(named, dict) or not named:
        raise PipelineError(
            "model.invalid", f"{trained.title}: dataset.json names no channel (channel_names)"
        )
    try:
        order = sorted(named, key=int)
    except ValueError:
        raise PipelineError("model.invalid", f"{trained.title}: channel_names are not numbered") from None
    if [int(key) for key in order] != list(range(len(order))):
        raise PipelineError("model.invalid", f"{trained.title}: channel_names are not numbered from 0")
    return tuple(str(named[key]) for key in order)


def modality_of(channels: Iterable[str]) -> str:
    """CT or MR where every channel's name says so, else empty."""
    words = {name.strip().casefold() for name in channels}
    return "CT" if words <= _CT else "MR" if words <= _MR else ""


def classes_of(trained: Trained, table: Iterable[Entry] = ()) -> tuple[ModelClass, ...]:
    """The structures, with what ``table`` says of them; raises ``model.invalid``.

    In the order in which nnU-Net writes them: of regions that overlap, the later ones win.
    """
    labels = trained.dataset.get("labels")
    if not isinstance(labels, dict) or "background" not in labels:
        raise PipelineError(
            "model.invalid", f"{trained.title}: dataset.json has no labels with `background`: 0"
        )
    named = [(str(name), _labels(trained, name, value)) for name, value in labels.items() if name != "ignore"]
    named = [(name, values) for name, values in named if set(values) != {0}]
    if any(len(values) > 1 for _, values in named):
        order = trained.dataset.get("regions_class_order")
        if not isinstance(order, list) or len(order) != len(named):
            text = f"{trained.title}: dataset.json has regions, but no regions_class_order of {len(named)}"
            raise PipelineError("model.invalid", text)
        values_written = [int(value) for value in order]
    else:
        values_written = [values[0] for _, values in named]
    if len(set(values_written)) != len(named) or min(values_written, default=1) < 1:
        raise PipelineError("model.invalid", f"{trained.title}: two structures have one label")
    rows = {entry.value: entry for entry in table if not entry.region}
    found = []
    for value, (name, values) in zip(values_written, named):
        row = rows.get(value)
        if row is None:
            found.append(ModelClass(value, name, values))
        else:
            found.append(ModelClass(value, row.name, values, row.colour, row.codes))
    unknown = sorted(set(rows) - set(values_written))
    if unknown:
        text = f"the table names the labels {', '.join(map(str, unknown))}, which the model does not have"
        raise PipelineError("export.bad_table", text, "Correct the table of labels.")
    return tuple(found)


def reader_of(trained: Trained) -> str:
    """nnU-Net's class that reads images; raises ``model.unsupported`` for one that reads no volumes."""
    reader = str(trained.plans.get("image_reader_writer") or "SimpleITKIO")
    if reader not in READERS:
        raise PipelineError(
            "model.unsupported",
            f"{trained.title} was trained on images that {reader} reads; scans come as volumes here",
            f"Models trained with {', '.join(READERS)} run here.",
        )
    return reader


def licence_of(files: ModelFiles, stages: Iterable[Trained]) -> str:
    """The text of a licence file beside the model, else what dataset.json says, else empty."""
    for name in sorted(files.names, key=lambda one: (one.count("/"), one)):
        stem = name.rpartition("/")[2].casefold()
        if stem.split(".")[0] in _LICENCE_FILES and files.size(name) <= _MOST_LICENCE:
            return files.read(name, _MOST_LICENCE).decode("utf-8", "replace").strip()
    for one in stages:
        for key in ("licence", "license"):
            if isinstance(one.dataset.get(key), str):
                return str(one.dataset[key]).strip()
    return ""


def suggested_configuration(information: Mapping[str, object]) -> str:
    """The configuration that ``inference_information.json`` found best; empty for an ensemble of several."""
    best = information.get("best_model_or_ensemble")
    selected = best.get("selected_model_or_models") if isinstance(best, dict) else None
    if not isinstance(selected, list) or len(selected) != 1 or not isinstance(selected[0], dict):
        return ""
    return str(selected[0].get("configuration") or "")


def _labels(trained: Trained, name: object, value: object) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(one, int) and not isinstance(one, bool) for one in values):
        text = f"{trained.title}: the label of {name!r} in dataset.json is {value!r}, not a whole number"
        raise PipelineError("model.invalid", text)
    return tuple(values)
