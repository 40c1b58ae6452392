"""Whether a stored model could run now: its files are those that were added, and its networks build."""

from __future__ import annotations

from pathlib import Path

from . import store
from .loading import load_stage
from .record import Model


def check(place: Path, name: str) -> Model:
    """The model, checked; raises ``model.*`` and ``engine.checkpoint_unsafe``."""
    model = store.model(place, name)
    folder = place / model.name
    for number in range(len(model.stages)):
        load_stage(folder, model, number)
    return model
