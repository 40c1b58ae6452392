"""Taking a model in: chosen, copied beside its place, checked as far as a prediction would, renamed."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Callable, Sequence

from ....core.clock import rfc3339
from ....core.errors import PipelineError
from ....core.files import disk_error, fsync_folder, remove_tree, retried, write_json
from ....core.lock import hold
from ....core.model_records import RECORD
from ....formats.label_rows import Entry
from ....formats.label_tables import read_table
from ..networks.model_files import ModelFiles, check_room, open_files
from . import description as says
from .loading import load
from .postprocessing import postprocessing_file, read_rules
from .record import Model, ModelClass, Rule, Stage, check_name, name_for
from .store import OLD, STAGING, restore
from .trained import Trained, choose_folds, choose_stages, find_trained, joined, read_json

Say = Callable[[str], None]
_INFORMATION = "inference_information.json"


@dataclass(frozen=True)
class Wanted:
    """What a person says about the model in ``source``; empty means what the model itself says.

    ``labels`` is a table of names, colours and codes by label. ``folds`` and ``checkpoint`` choose among
    its files. ``trainer`` names the class of nnunetv2 that builds the network in place of the one that
    trained it. ``patterns`` find its channels among DICOM series, one for each. ``trust``: its checkpoints
    may run code. ``by`` is who adds it.
    """

    source: Path
    name: str = ""
    title: str = ""
    modality: str = ""
    labels: Path | None = None
    folds: tuple[str, ...] = ()
    checkpoint: str = ""
    configuration: str = ""
    trainer: str = ""
    patterns: tuple[str, ...] = ()
    trust: bool = False
    replace: bool = False
    by: str = ""


def add(place: Path, wanted: Wanted, say: Say) -> Model:
    """Add the model to those in ``place``.

    Raises ``model.invalid``, ``model.unsupported``, ``model.exists``, ``engine.checkpoint_unsafe``,
    ``export.bad_table``, ``input.missing`` and ``environment.*``; then nothing was added.
    """
    files = open_files(wanted.source)
    found = find_trained(files)
    stages = choose_stages(found, wanted.configuration, _suggested(files), files.title)
    name = check_name(wanted.name) if wanted.name else name_for(_dataset_name(stages[-1], files))
    table = read_table(wanted.labels) if wanted.labels else []
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = hold(place / ".lock")
    except OSError as error:
        raise disk_error(error, str(place / name)) from error
    part = place / f"{STAGING}{uuid.uuid4().hex[:8]}"
    try:
        restore(place)
        for left in place.glob(STAGING + "*"):  # of an addition that was cut off
            remove_tree(left)
        if (place / name).exists() and not wanted.replace:
            raise PipelineError("model.exists", f"there is a model {name} already")
        part.mkdir()
        model = _take(files, stages, part, replace(wanted, name=name), table, say)
        write_json(part / RECORD, model.to_dict())
        _close_to_others(part)
        _move(part, place, name)
    except OSError as error:
        raise disk_error(error, str(place / name)) from error
    finally:
        remove_tree(part)
        lock.close()
    return model


def _take(
    files: ModelFiles, chosen: list[Trained], part: Path, wanted: Wanted, table: Sequence[Entry], say: Say
) -> Model:
    """Copy what a prediction needs into ``part``, check it, and say what it is."""
    hashes: dict[str, str] = {}
    stages: list[Stage] = []
    rules: tuple[Rule, ...] = ()
    main = chosen[-1]
    channels, classes = says.channels_of(main), says.classes_of(main, table)
    reader = says.reader_of(main)
    _check_patterns(wanted.patterns, channels)
    check_room(sum(files.size(name) for one in chosen for name in _needed(one, wanted)), part)
    for number, one in enumerate(chosen):
        folds, checkpoint = choose_folds(one, wanted.folds, wanted.checkpoint)
        folder = f"stage_{number + 1}"
        for name in _needed(one, wanted):
            inner = joined(folder, name[len(one.place) :].lstrip("/"))
            say(f"copying {name}")
            hashes[inner] = files.copy(name, part.joinpath(*inner.split("/")))
        stage = Stage(folder, one.configuration, wanted.trainer, folds, checkpoint)
        stages.append(_checked(part, stage, one, wanted.trust, say))
        if one is main:
            name = postprocessing_file(files, one.place, folds)
            rules = read_rules(files, name) if name else ()
    return Model(
        name=wanted.name,
        title=wanted.title or _title(main, wanted.name),
        modality=wanted.modality or says.modality_of(channels),
        channels=channels,
        classes=classes,
        stages=tuple(stages),
        reader=reader,
        file_ending=str(main.dataset.get("file_ending") or ".nii.gz"),
        files=hashes,
        bytes=sum(path.stat().st_size for path in part.rglob("*") if path.is_file()),
        weights_sha256=_hash(hashes, stages, classes, rules),
        source=files.title,
        added_at=rfc3339(time.time()),
        added_by=wanted.by,
        licence=says.licence_of(files, chosen),
        trusted=wanted.trust,
        keep_largest=rules,
        patterns=wanted.patterns,
    )


def _checked(part: Path, stage: Stage, trained: Trained, trust: bool, say: Say) -> Stage:
    """The stage with the configuration and trainer that its checkpoint states; its networks were built."""
    folder = part / stage.folder
    say(f"checking {stage.configuration or trained.title}, fold {', '.join(stage.folds)}")
    loaded = load(folder, replace(stage, configuration=""), trained.title, trust)
    configuration = loaded.configuration
    if configuration != trained.configuration and replace(trained, configuration=configuration).previous:
        raise PipelineError(
            "model.invalid",
            f"{trained.title}: its checkpoint is of a cascade ({configuration}), its folder's name is not",
            "Give the folder or zip as nnU-Net named it, with the network of the stage before.",
        )
    return replace(stage, configuration=configuration, trainer=loaded.trainer)


def _needed(trained: Trained, wanted: Wanted) -> list[str]:
    folds, checkpoint = choose_folds(trained, wanted.folds, wanted.checkpoint)
    names = ["plans.json", "dataset.json", *(f"fold_{fold}/{checkpoint}" for fold in folds)]
    return [joined(trained.place, name) for name in names]


def _check_patterns(patterns: tuple[str, ...], channels: tuple[str, ...]) -> None:
    if not patterns:
        return
    if len(channels) == 1:
        raise PipelineError(
            "model.invalid",
            f"the model takes one image ({channels[0]}), so no pattern has to find it",
            "Add it without --channel; every series that is given to it is its image.",
        )
    if len(patterns) != len(channels) or not all(one.strip() for one in patterns):
        count = "1 pattern" if len(patterns) == 1 else f"{len(patterns)} patterns"
        text = f"{count} for {len(channels)} channels ({', '.join(channels)})"
        raise PipelineError("model.invalid", text, "Give one --channel for each channel, in their order.")


def _hash(
    files: dict[str, str], stages: list[Stage], classes: tuple[ModelClass, ...], rules: tuple[Rule, ...]
) -> str:
    """Changes with everything that decides about the labels, their names, codes and colours."""
    networks = [[one.trainer, one.folds, one.checkpoint] for one in stages]
    parts = [sorted(files.items()), networks, [asdict(one) for one in classes], rules]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _suggested(files: ModelFiles) -> str:
    for name in files.names:
        if name.rpartition("/")[2] == _INFORMATION:
            return says.suggested_configuration(read_json(files, name))
    return ""


def _dataset_name(trained: Trained, files: ModelFiles) -> str:
    named = trained.plans.get("dataset_name")
    return named if isinstance(named, str) and named else Path(files.title).stem


def _title(trained: Trained, name: str) -> str:
    named = trained.dataset.get("name")
    text = named if isinstance(named, str) and named.strip() else name.replace("_", " ")
    return text[:1].upper() + text[1:120]


def _close_to_others(part: Path) -> None:
    """Whatever the umask: what others may write is not used."""
    if sys.platform != "win32":
        for path in (part, *part.rglob("*")):
            path.chmod(path.stat().st_mode & ~0o022)


def _move(part: Path, place: Path, name: str) -> None:
    """Put ``part`` into its place; a model that was there is back where that fails."""
    final, aside = place / name, place / f"{OLD}{name}"
    was_there = final.exists()
    if was_there:
        retried(lambda: os.rename(final, aside))
    try:
        retried(lambda: os.rename(part, final))
    except OSError:
        if was_there:
            retried(lambda: os.rename(aside, final))
        raise
    fsync_folder(place)
    remove_tree(aside)
