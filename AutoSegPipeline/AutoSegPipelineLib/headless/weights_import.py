"""Bringing TotalSegmentator's released weights into the folder where the package looks for them.

A model is a folder ``DatasetNNN_NAME`` with ``<trainer>__<plans>__<configuration>/`` in it, which holds
``plans.json``, ``dataset.json`` and ``fold_N/checkpoint_*.pth`` (nnU-Net's layout of results). It is
put together in a folder beside its place, checked, and renamed: it is there completely or not at all.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Callable, Iterator

from ..core.errors import PipelineError
from ..core.files import fsync_file, fsync_folder, is_link, remove_tree
from ..core.lock import hold

MODEL = re.compile(r"Dataset\d{3,}_[A-Za-z0-9][A-Za-z0-9._-]*\Z")
STAGING = ".autoseg-import"
_DEEPEST = 6  # a copied home: home/nnunet/results/DatasetNNN_...
_CHUNK = 1 << 20
Say = Callable[[str], None]


@dataclass(frozen=True)
class Imported:
    """One model: ``state`` imported, replaced or kept (it was there already)."""

    name: str
    state: str
    bytes: int


@dataclass(frozen=True)
class WeightsFile:
    """A model in what the user gave: a folder, or members of an archive below ``prefix``."""

    name: str
    folder: Path | None = None
    archive: Path | None = None
    prefix: str = ""


def import_weights(source: Path, target: Path, say: Say, replace: bool = False) -> list[Imported]:
    """Every model in ``source`` (an archive, a model's folder, a folder of either) into ``target``.

    Raises ``weights.invalid`` for something that is not a complete model, ``input.missing``,
    ``input.unreadable``, ``environment.*``; models before the wrong one stay imported.
    """
    if not source.exists():
        raise PipelineError("input.missing", f"{source} does not exist")
    models = list(_search(source, _DEEPEST))
    if not models:
        raise PipelineError("weights.invalid", f"{source} holds no model (a folder Dataset123_...)")
    try:
        target.mkdir(parents=True, exist_ok=True)
        lock = hold(target / f"{STAGING}.lock")
    except OSError as error:
        raise PipelineError("environment.home_unwritable", f"{target}: {error.strerror}") from error
    staging = target / STAGING
    try:
        remove_tree(staging)  # of an import that was cut off
        return [_import_one(found, target, staging, say, replace) for found in models]
    finally:
        remove_tree(staging)
        lock.close()


def _search(source: Path, depth: int) -> Iterator[WeightsFile]:
    if is_link(source):
        return
    if source.is_file():
        if zipfile.is_zipfile(source):
            yield from _in_archive(source)
        elif source.suffix.lower() == ".zip" or depth == _DEEPEST:
            raise PipelineError("weights.invalid", f"{source} is no archive, or its end is missing")
        return
    if MODEL.match(source.name):
        yield WeightsFile(source.name, folder=source)
        return
    if depth:
        for entry in sorted(source.iterdir()):
            if entry.is_dir() or entry.suffix.lower() == ".zip":
                yield from _search(entry, depth - 1)


def _in_archive(path: Path) -> Iterator[WeightsFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            prefixes = {}
            for name in archive.namelist():
                parts = PurePosixPath(name).parts
                for number, part in enumerate(parts[:-1] if not name.endswith("/") else parts):
                    if MODEL.match(part):
                        prefixes["/".join(parts[: number + 1]) + "/"] = part
                        break
    except (zipfile.BadZipFile, OSError) as error:
        raise PipelineError("weights.invalid", f"{path} cannot be read: {error}") from error
    for prefix, name in sorted(prefixes.items()):
        yield WeightsFile(name, archive=path, prefix=prefix)


def _import_one(found: WeightsFile, target: Path, staging: Path, say: Say, replace: bool) -> Imported:
    from ..processing.engines.totalsegmentator.weights import is_complete

    final = target / found.name
    was_there = final.exists()
    if was_there and not replace and is_complete(final):
        say(f"{found.name}: is there already")
        return Imported(found.name, "kept", 0)
    fresh = staging / "fresh" / found.name
    fresh.mkdir(parents=True)
    say(f"{found.name}: copying ...")
    try:
        size = _unpack(found, fresh) if found.archive else _copy(found, fresh)
        check_model(fresh)
        if was_there:
            (staging / "old").mkdir(exist_ok=True)
            os.rename(final, staging / "old" / found.name)
        os.rename(fresh, final)
    except zipfile.BadZipFile as error:
        raise PipelineError("weights.invalid", f"{found.archive}: {error}") from error
    except OSError as error:
        raise PipelineError("environment.home_unwritable", f"{found.name}: {error}") from error
    fsync_folder(target)
    return Imported(found.name, "replaced" if was_there else "imported", size)


def _copy(found: WeightsFile, fresh: Path) -> int:
    from ..processing.engines.networks.model_files import check_room

    assert found.folder is not None
    files = [path for path in sorted(found.folder.rglob("*")) if not path.is_dir() or is_link(path)]
    for path in files:
        if is_link(path):
            raise PipelineError("weights.invalid", f"{path} is a link; copy the file itself")
    check_room(sum(path.stat().st_size for path in files), fresh)
    size = 0
    for path in files:
        place = fresh / path.relative_to(found.folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "rb") as source, open(place, "wb") as stream:
            shutil.copyfileobj(source, stream, _CHUNK)
        fsync_file(place)
        size += place.stat().st_size
    return size


def _unpack(found: WeightsFile, fresh: Path) -> int:
    from ..processing.engines.networks.model_files import check_room

    assert found.archive is not None
    with zipfile.ZipFile(found.archive) as archive:
        members = [info for info in archive.infolist() if info.filename.startswith(found.prefix)]
        check_room(sum(info.file_size for info in members), fresh)
        size = 0
        for info in members:
            place = _place(info, found, fresh)
            if place is None:
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            # Reading checks the member's CRC and never gives more than the declared bytes.
            with archive.open(info) as source, open(place, "wb") as stream:
                shutil.copyfileobj(source, stream, _CHUNK)
            fsync_file(place)
            size += info.file_size
    return size


def _place(info: zipfile.ZipInfo, found: WeightsFile, fresh: Path) -> Path | None:
    """Where a member goes, None for a folder; raises for a name that could lead elsewhere."""
    from ..processing.engines.networks.model_files import safe_name

    if info.filename == found.prefix or info.is_dir():
        return None
    return fresh.joinpath(*safe_name(info, str(found.archive), "weights.invalid", found.prefix).split("/"))


def check_model(folder: Path) -> None:
    """Raise ``weights.invalid`` unless nnU-Net could load the model in ``folder``."""
    configurations = sorted({path.parents[1] for path in folder.glob("*/fold_*/checkpoint_*.pth")})
    if not configurations:
        raise PipelineError("weights.invalid", f"{folder.name} has no */fold_*/checkpoint_*.pth")
    for place in configurations:
        for name in ("plans.json", "dataset.json"):
            _check_json(place / name, folder)
        for checkpoint in place.glob("fold_*/checkpoint_*.pth"):
            shown = f"{folder.name}/{checkpoint.relative_to(folder).as_posix()}"
            with open(checkpoint, "rb") as stream:
                head = stream.read(2)
            if not head:
                raise PipelineError("weights.invalid", f"{shown} is empty")
            # torch.save writes an archive since 1.6; its directory stands at the end.
            if head == b"PK" and not zipfile.is_zipfile(checkpoint):
                raise PipelineError("weights.invalid", f"{shown} ends early")


def _check_json(path: Path, folder: Path) -> None:
    shown = f"{folder.name}/{path.relative_to(folder).as_posix()}"
    try:
        fine = isinstance(json.loads(path.read_text(encoding="utf-8")), dict)
    except FileNotFoundError:
        raise PipelineError("weights.invalid", f"{shown} is missing") from None
    except (OSError, ValueError) as error:
        raise PipelineError("weights.invalid", f"{shown} cannot be read: {error}") from error
    if not fine:
        raise PipelineError("weights.invalid", f"{shown} is not a JSON object")
