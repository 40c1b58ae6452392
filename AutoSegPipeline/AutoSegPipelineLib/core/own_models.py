"""Which channels users' own models take, and which files and DICOM series are these channels.

A model that takes several images of one scan wants ``NAME_0000.nii.gz``, ``NAME_0001.nii.gz`` and so on.
Files of such names are one case only where the case asks for such a model: other numbered files are
scans of their own. Reads ``model.json`` files; nothing else of a model.
"""

from __future__ import annotations

import fnmatch
import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Optional, Tuple

from .engine_list import wanted_engines
from .engines import OWN_MODELS
from .errors import PipelineError
from .model_records import RECORD, Record, read_record

MOST = 16  # channels; beyond that it is a numbered list
LACKING = "a model"  # what the engine of own models lacks before the first one is added
_CHANNEL = re.compile(r"(?P<stem>.*[^_/\\])_(?P<number>\d{4})(?P<ending>(\.[A-Za-z]{2,5}){1,2})\Z")

ChannelName = Tuple[str, int, str]


@dataclass(frozen=True)
class ModelChannels:
    """The images that a model takes, in their order.

    ``patterns`` has one for each, by which a DICOM series is found; it is empty where the model has none.
    """

    model: str = ""
    names: Tuple[str, ...] = ()
    patterns: Tuple[str, ...] = ()

    def matching(self, description: str) -> list[int]:
        """The channels whose pattern matches ``description`` of a series; case does not count."""
        plain = _plain(description)
        return [n for n, one in enumerate(self.patterns) if fnmatch.fnmatchcase(plain, _plain(one))]


def channel_of(name: str) -> Optional[ChannelName]:
    """Stem (with its folders), channel and ending of ``NAME_0001.nii.gz``; None for another name."""
    match = _CHANNEL.match(name)
    if match is None or int(match["number"]) >= MOST:
        return None
    return match["stem"], int(match["number"]), match["ending"]


def channel_names(models: Path, options: Mapping[str, object]) -> tuple[str, ...]:
    """The names of :func:`model_channels`; one or none means that files are not joined."""
    return model_channels(models, options).names


def model_channels(models: Path, options: Mapping[str, object]) -> ModelChannels:
    """The images that a case with ``options`` takes; of several models the one that takes most counts."""
    try:
        engines = wanted_engines(options.get("engine"))
    except PipelineError:
        return ModelChannels()
    tasks = [one.task or str(options.get("task") or "") for one in engines if one.name == OWN_MODELS]
    found: list[ModelChannels] = []
    for task in tasks:
        names = [word.partition(":")[0].strip().casefold() for word in task.split(",") if word.strip()]
        for name in names or _all(models):
            found.append(_channels(models, name))
    return max(found, key=lambda one: len(one.names), default=ModelChannels())


def _all(models: Path) -> list[str]:
    """The only model's name: without a task it is meant."""
    try:
        names = [
            entry.name for entry in os.scandir(models) if os.path.isfile(os.path.join(entry.path, RECORD))
        ]
    except OSError:
        return []
    return names if len(names) == 1 else []


def _channels(models: Path, name: str) -> ModelChannels:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        return ModelChannels()
    record = read_record(models / name)
    if record is None:
        return ModelChannels()
    names, patterns = (_texts(record, key) for key in ("channels", "patterns"))
    return ModelChannels(name, names, patterns if len(patterns) == len(names) else ())


def _texts(record: Record, key: str) -> tuple[str, ...]:
    values = record.get(key)
    return tuple(str(one) for one in values) if isinstance(values, list) else ()


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
