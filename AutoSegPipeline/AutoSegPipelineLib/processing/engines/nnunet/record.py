"""What is known of a model that was added: the file ``model.json`` beside it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Mapping, Tuple

from ....core.errors import PipelineError
from ....core.segmentation import Code

FORMAT = 1
# Task lists are written `a,b:fast`, and a model is a folder of this name on every system.
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
_FOLD = re.compile(r"(all|[0-9]{1,4})\Z")
_CHECKPOINT = re.compile(r"checkpoint_\w+\.pth\Z")
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}

Rule = Tuple[Tuple[int, ...], int]  # labels that form one structure, and what its smaller parts become


@dataclass(frozen=True)
class ModelClass:
    """One structure: ``value`` is what nnU-Net writes for it, ``labels`` those that count as it.

    Without regions the two are the same. ``name`` is as its author wrote it; ``colour`` (sRGB, 0..1)
    and ``codes`` (by the field of :class:`~....core.segmentation.Segment`) are those of the table that
    was given with the model.
    """

    value: int
    name: str
    labels: tuple[int, ...]
    colour: tuple[float, float, float] | None = None
    codes: tuple[tuple[str, Code], ...] = ()


@dataclass(frozen=True)
class Stage:
    """One trained network: its ``folder`` below the model's own, and which of its files are used.

    ``folds`` are numbers or ``all``; ``trainer`` is the class that builds the network.
    """

    folder: str
    configuration: str
    trainer: str
    folds: tuple[str, ...]
    checkpoint: str

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that is read to build it, below the model's folder."""
        names = ("plans.json", "dataset.json", *(f"fold_{fold}/{self.checkpoint}" for fold in self.folds))
        return tuple(f"{self.folder}/{name}" for name in names)


@dataclass(frozen=True)
class Model:
    """A model. ``stages`` run one after the other: a cascade has two, others one.

    ``modality`` is CT, MR or empty for any; ``channels`` names its input images, and ``patterns``
    (none, or one for each) finds them among DICOM series by their descriptions. ``files`` maps the files
    that a prediction reads, below the model's folder, to their SHA-256. ``trusted``: its checkpoints may
    run code, an administrator said so. ``reader`` is nnU-Net's class that read the images of its training.
    ``keep_largest`` are the rules of its post-processing.
    """

    name: str
    title: str
    modality: str
    channels: tuple[str, ...]
    classes: tuple[ModelClass, ...]
    stages: tuple[Stage, ...]
    reader: str
    file_ending: str
    files: Mapping[str, str]
    bytes: int
    weights_sha256: str
    source: str
    added_at: str
    added_by: str = ""
    licence: str = ""
    trusted: bool = False
    keep_largest: tuple[Rule, ...] = ()
    patterns: tuple[str, ...] = ()

    @property
    def configuration(self) -> str:
        """``2d``, ``3d_lowres``, ``3d_fullres``, ``3d_cascade_fullres`` or the author's own word."""
        return self.stages[-1].configuration

    def to_dict(self) -> dict[str, object]:
        """For ``model.json`` and every answer about models."""
        return {"format": FORMAT, **asdict(self), "configuration": self.configuration}

    @classmethod
    def from_dict(cls, value: object, place: Path) -> Model:
        """The inverse; raises ``model.invalid`` with the file at ``place``."""
        try:
            return _model(_mapping(value))
        except (KeyError, TypeError, ValueError) as error:
            raise PipelineError("model.invalid", f"{place}: {type(error).__name__}: {error}") from error


def check_name(name: str) -> str:
    """``name`` as a model may be called; raises ``model.invalid``."""
    if not NAME.match(name) or name in _RESERVED:
        raise PipelineError(
            "model.invalid",
            f"a model cannot be called {name!r}: small letters, digits, _ and - are possible, at most 63",
            "Give another name with --name.",
        )
    return name


def name_for(text: str) -> str:
    """The name that a dataset's suggests: ``Dataset123_Lower_Teeth`` -> ``lower_teeth``."""
    base = re.sub(r"^(dataset|task)\d+_", "", text.casefold())
    return check_name(re.sub(r"[^a-z0-9_-]+", "_", base).strip("_-")[:63] or "model")


def _model(value: Mapping[str, object]) -> Model:
    if value["format"] != FORMAT:
        raise ValueError(f"format {value['format']!r} is not {FORMAT}; a newer version wrote it")
    return Model(
        name=check_name(_text(value["name"])),
        title=_text(value["title"]),
        modality=_text(value["modality"]),
        channels=_texts(value["channels"]),
        classes=tuple(_class(_mapping(one)) for one in _list(value["classes"])),
        stages=tuple(_stage(_mapping(one)) for one in _list(value["stages"])),
        reader=_text(value["reader"]),
        file_ending=_text(value["file_ending"]),
        files={_text(key): _text(one) for key, one in _mapping(value["files"]).items()},
        bytes=int(_number(value["bytes"])),
        weights_sha256=_text(value["weights_sha256"]),
        source=_text(value["source"]),
        added_at=_text(value["added_at"]),
        added_by=_text(value["added_by"]),
        licence=_text(value["licence"]),
        trusted=value["trusted"] is True,
        keep_largest=tuple(_rule(one) for one in _list(value["keep_largest"])),
        patterns=_texts(value.get("patterns", [])),  # records of earlier versions have none
    )


def _class(value: Mapping[str, object]) -> ModelClass:
    colour = value["colour"]
    codes = []
    for one in _list(value["codes"]):
        field, code = _list(one)
        parts = _mapping(code)
        codes.append(
            (_text(field), Code(_text(parts["scheme"]), _text(parts["value"]), _text(parts["meaning"])))
        )
    red, green, blue = (_number(part) for part in _list(colour)) if colour is not None else (0.0, 0.0, 0.0)
    return ModelClass(
        int(_number(value["value"])),
        _text(value["name"]),
        tuple(int(_number(one)) for one in _list(value["labels"])),
        None if colour is None else (red, green, blue),
        tuple(codes),
    )


def _stage(value: Mapping[str, object]) -> Stage:
    folder = _text(value["folder"])
    if any(part in ("", ".", "..") or "\\" in part or ":" in part for part in folder.split("/")):
        raise ValueError(f"the folder {folder!r} leads elsewhere")
    folds, checkpoint = _texts(value["folds"]), _text(value["checkpoint"])
    if not folds or not all(_FOLD.match(fold) for fold in folds):
        raise ValueError(f"the folds {', '.join(folds)!r} are not numbers or 'all'")
    if not _CHECKPOINT.match(checkpoint):
        raise ValueError(f"the checkpoint {checkpoint!r} is not called checkpoint_*.pth")
    return Stage(folder, _text(value["configuration"]), _text(value["trainer"]), folds, checkpoint)


def _rule(value: object) -> Rule:
    labels, background = _list(value)
    return tuple(int(_number(one)) for one in _list(labels)), int(_number(background))


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r:.60} is no object")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{value!r:.60} is no list")
    return list(value)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(_text(one) for one in _list(value))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r:.60} is no number")
    return value
