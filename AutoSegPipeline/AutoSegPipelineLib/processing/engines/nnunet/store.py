"""The models that were added: a folder each in ``models_dir``, with ``model.json`` in it.

Reading needs neither torch nor nnU-Net. A model is there completely or not at all: it is put together
in a folder beside its place and renamed (:mod:`.adding`).
"""

from __future__ import annotations

import json
import os
import uuid
from functools import partial
from pathlib import Path

from ....core.engines import MODELS_DIR, models_folder
from ....core.errors import PipelineError
from ....core.files import disk_error, fsync_folder, is_link, remove_tree, retried
from ....core.lock import hold
from ....core.model_records import RECORD
from ....core.specs import did_you_mean
from ..ownership import check_owner
from .record import NAME, Model

STAGING = ".part-"
OLD = ".old-"  # and its name: a model that is being replaced


def folder(setting: str | None = None) -> Path:
    """Where models lie: ``setting`` (``models_dir``; None: as in the environment), or the usual place."""
    return models_folder(os.environ.get(MODELS_DIR.environment, "") if setting is None else setting)


def models(place: Path) -> list[Model]:
    """Every model in ``place`` by name; a folder whose record cannot be read is left out."""
    restore_if_idle(place)
    found = []
    for name in _names(place):
        try:
            found.append(_read(place / name))
        except PipelineError:
            continue
    return found


def broken(place: Path) -> list[PipelineError]:
    """What is wrong with the models that :func:`models` leaves out."""
    errors = []
    for name in _names(place):
        try:
            _read(place / name)
        except PipelineError as error:
            errors.append(error)
    return errors


def model(place: Path, name: str) -> Model:
    """The model called ``name``; raises ``model.unknown`` or ``model.invalid``."""
    wanted = name.strip().casefold()
    if not NAME.match(wanted) or not (place / wanted / RECORD).is_file():
        known = _names(place)
        listed = f" (known: {', '.join(known)})" if known else ""
        text = f"there is no model {name!r} in {place}{listed}{did_you_mean(wanted, known)}"
        raise PipelineError("model.unknown", text)
    return _read(place / wanted)


def remove(place: Path, name: str) -> None:
    """Remove the model; it is gone from the list at once. Raises ``model.unknown``, ``environment.*``."""
    wanted = name.strip().casefold()
    if not NAME.match(wanted) or not place.is_dir():
        model(place, name)  # says which there are
    aside = place / f"{STAGING}{uuid.uuid4().hex[:8]}"
    try:
        with hold(place / ".lock"):
            restore(place)
            if wanted not in _names(place):
                model(place, name)
            retried(lambda: os.rename(place / wanted, aside))
            fsync_folder(place)
            remove_tree(aside)
    except OSError as error:
        raise disk_error(error, str(place / wanted)) from error


def restore(place: Path) -> None:
    """Finish what a crash in the middle of a replacement left; the caller holds the lock."""
    for old in place.glob(OLD + "*"):
        final = place / old.name[len(OLD) :]
        if final.exists():
            remove_tree(old)
        else:
            retried(partial(os.rename, old, final))
            fsync_folder(place)


def restore_if_idle(place: Path) -> None:
    """:func:`restore` where something was left and nobody is adding; for those who only read."""
    try:
        if next(place.glob(OLD + "*"), None) is not None:
            with hold(place / ".lock"):
                restore(place)
    except (OSError, PipelineError):
        return


def _names(place: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in place.iterdir() if _is_model(entry))
    except OSError:
        return []


def _is_model(entry: Path) -> bool:
    return bool(NAME.match(entry.name)) and not is_link(entry) and (entry / RECORD).is_file()


def _read(place: Path) -> Model:
    path = place / RECORD
    try:
        with open(path, encoding="utf-8") as stream:
            # The record says whose checkpoints may run code.
            check_owner(path, os.fstat(stream.fileno()), "model.invalid", "the model is not used")
            value = json.load(stream)
    except (OSError, ValueError) as error:
        raise PipelineError("model.invalid", f"{path} cannot be read: {error}") from error
    found = Model.from_dict(value, path)
    if found.name != place.name:
        raise PipelineError("model.invalid", f"{path} is about {found.name!r}; rename its folder back")
    return found
