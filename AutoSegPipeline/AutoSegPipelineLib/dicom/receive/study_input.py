"""A study that is one input: the entry's options name a model that takes several of its series."""

from __future__ import annotations

from pathlib import Path
from typing import Iterable

from ...core.engines import models_folder
from ...core.errors import PipelineError
from ...core.files import read_json, write_json
from ...core.own_models import model_channels
from ...core.pacs.config import Entry
from ...core.settings import Settings, resolve_options
from ...core.store import Store
from .series_folder import SeriesFolder

_FILE = "study.json"


def is_one_input(entry: Entry, settings: Settings) -> bool:
    """Whether the series of a study are handed over together; only patterns of a model can join them."""
    if entry.unit != "study":
        return False
    models = models_folder(str(settings["models_dir"]))
    return len(model_channels(models, resolve_options(settings, entry.options)).patterns) > 1


def together(pending: Iterable[SeriesFolder]) -> list[list[SeriesFolder]]:
    """Series that may be one input: of one study, and of one account, which sees the case afterwards."""
    found: dict[tuple[str, str], list[SeriesFolder]] = {}
    for one in sorted(pending, key=lambda one: one.key):
        found.setdefault((one.note.origin.study or one.key, one.note.origin.account), []).append(one)
    return list(found.values())


def belongs(one: SeriesFolder, first: SeriesFolder) -> bool:
    """Whether ``one`` came to the same title as ``first``, and is of the same study and account."""
    a, b = one.note.origin, first.note.origin
    same = (a.called, a.study, a.account) == (b.called, b.study, b.account) and bool(a.study)
    return same or one.key == first.key


def note_members(folder: Path, members: Iterable[SeriesFolder]) -> None:
    """Write which version of each series is handed over with ``folder``, before it counts."""
    write_json(folder / _FILE, {one.key: one.closed for one in members})


def noted_members(folder: Path) -> dict[str, int]:
    """What :func:`note_members` wrote, empty where there is nothing."""
    try:
        return {str(key): int(closed) for key, closed in read_json(folder / _FILE).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def earlier_job(store: Store, members: Iterable[SeriesFolder]) -> tuple[int, str | None]:
    """Version for the next job of the study, and the job that it supersedes."""
    newest: tuple[int, str | None] = (0, None)
    for one in members:
        for job in one.note.jobs:
            try:
                version = store.jobs.get(job).version
            except PipelineError:  # not adopted yet, or removed
                version = 0
            version = max(version, one.note.done)
            if version >= newest[0]:
                newest = (version, job)
    return newest[0] + 1, newest[1]
