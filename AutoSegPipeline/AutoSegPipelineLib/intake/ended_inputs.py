"""Moves the inputs of an ended case out of the way, under the names that their source gave them.

Every step can be repeated after a crash: what was moved already is left alone.
"""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path
from typing import Mapping

from ..core.errors import PipelineError
from ..core.files import fsync_file, fsync_folder, read_json, remove_tree, retried, write_json
from ..core.incoming import Intent, read_intent

REASON = "reason.json"


def archive_input(folder: Path, parent: Path, name: str, reason: dict[str, object]) -> Path:
    """Move ``state/incoming/<id>`` to ``parent/name`` (``name-2`` where taken) with ``reason.json``.

    ``input/`` is dissolved: its files get their original names back; what the
    pipeline made itself (conversions, work) is dropped. The answer is the new folder.
    """
    intent = read_intent(folder) or _intent_in_reason(folder)
    if intent is None:
        raise PipelineError("input.missing", f"{folder} has no intent.json; nothing was moved")
    for leftover in ("work", "split.json"):
        remove_tree(folder / leftover)
    if not (folder / REASON).exists():
        write_json(folder / REASON, {**reason, "intent": intent.to_dict()})
    _dissolve(folder, intent)
    (folder / "intent.json").unlink(missing_ok=True)
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return move_folder(folder, parent, name)


def _intent_in_reason(folder: Path) -> Intent | None:
    """What a crash after the last but one step has left of the intent."""
    try:
        return Intent.from_dict(read_json(folder / REASON)["intent"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _dissolve(folder: Path, intent: Intent) -> None:
    """``input/<staged>`` becomes ``<original>``, never over one of our own names."""
    for item in intent.files:
        source = folder / "input" / item.name
        if os.path.lexists(source):  # a link that leads nowhere is a file of somebody's, too
            target = folder / _clear_of_ours(item.original)
            target.parent.mkdir(parents=True, exist_ok=True)
            retried(partial(os.replace, source, target))
    remains = folder / "input"
    if remains.exists() and not any(path.is_symlink() or path.is_file() for path in remains.rglob("*")):
        remove_tree(remains)


def _clear_of_ours(original: str) -> str:
    first = original.replace("\\", "/").split("/")[0]
    taken = first.lower() in (REASON, "intent.json", "input", "work")
    return f"original/{original}" if taken else original


def fetch_back(folder: Path, target: Path) -> Intent:
    """The inverse of :func:`archive_input`, for a retry: ``target`` is ``state/incoming/<id>``.

    Raises ``input.missing`` when somebody has taken files away meanwhile.
    """
    intent = _intent_in_reason(folder)
    if intent is None:
        raise PipelineError("input.missing", f"the input was archived in {folder} and is gone")
    for item in intent.files:
        here, there = folder / _clear_of_ours(item.original), target / "input" / item.name
        if not os.path.lexists(here) and not os.path.lexists(there):
            raise PipelineError("input.missing", f"{item.original} is no longer in {folder}")
    (target / "input").mkdir(mode=0o700, parents=True, exist_ok=True)
    for item in intent.files:
        place = target / "input" / item.name
        move_files([(folder / _clear_of_ours(item.original), place)])
    write_json(target / "intent.json", intent.to_dict())
    remove_tree(folder)
    return intent


def move_folder(folder: Path, parent: Path, name: str) -> Path:
    """Rename ``folder`` to ``parent/name``, by a copy where ``parent`` is on another disk."""
    number = 1
    while True:
        target = parent / (name if number == 1 else f"{name}-{number}")
        if not target.exists():
            break
        if _same_reason(folder, target):  # a crash after the copy, before the original went
            remove_tree(folder)
            return target
        number += 1
    try:
        retried(lambda: os.rename(folder, target))
    except OSError:
        if not folder.exists() or os.stat(folder).st_dev == os.stat(parent).st_dev:
            raise
        part = parent / f".{target.name}.part"
        remove_tree(part)
        shutil.copytree(folder, part, symlinks=True)  # what a link leads to is none of ours
        for path in part.rglob("*"):
            if path.is_file() and not path.is_symlink():
                fsync_file(path)
        os.rename(part, target)
        remove_tree(folder)
    fsync_folder(parent)
    return target


def _same_reason(one: Path, other: Path) -> bool:
    intents = [_intent_in_reason(folder) for folder in (one, other)]
    return intents[0] is not None and intents[1] is not None and intents[0].id == intents[1].id


def _move(source: Path, target: Path) -> None:
    try:
        retried(lambda: os.replace(source, target))
    except OSError:
        if not os.path.lexists(source) or os.lstat(source).st_dev == os.stat(target.parent).st_dev:
            raise
        part = target.with_name(target.name + ".part")
        shutil.copyfile(source, part, follow_symlinks=False)
        if not part.is_symlink():
            fsync_file(part)
        os.replace(part, target)
        source.unlink()


def move_files(pairs: list[tuple[Path, Path]]) -> None:
    """Rename each ``(from, to)``; a pair that was moved before is left alone."""
    for source, target in pairs:
        if not os.path.lexists(source) and os.path.lexists(target):
            continue
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _move(source, target)
    for folder in {target.parent for _, target in pairs}:
        fsync_folder(folder)


def link_files(pairs: list[tuple[Path, Path]], names: Mapping[str, str]) -> None:
    """Make each ``to`` another name of ``from`` (a copy where links cannot be); existing ones stay.

    ``names``: how their source called the files, by the name of ``to``. Raises ``dicom.late_slices``.
    """
    for source, target in pairs:
        if target.exists():
            continue
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except FileNotFoundError as error:
            gone = f"{names.get(target.name, 'a file')} of the earlier version is gone"
            raise PipelineError("dicom.late_slices", gone) from error
        except OSError:
            part = target.with_name(target.name + ".part")
            shutil.copyfile(source, part)
            fsync_file(part)
            os.replace(part, target)
