"""Converted networks on the disk, each with the outcome of its comparison with torch.

A conversion is a folder named by everything that it depends on. It is there completely or not at all; a
file that is not the one that was written makes it be made again. The ones used last stay, up to a limit.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Sequence

from .....core.files import remove_tree, retried, sha256, write_json
from .....core.home import default_root
from .parity import Parity

if TYPE_CHECKING:
    import torch

MOST_BYTES = 2 << 30  # the seven networks of TotalSegmentator's task `total` take 0.5 GB, as bf16x2 1.3 GB
MODEL = "network.xml"
_RECORD = "record.json"
_FORMAT = 3  # another one where the same network is converted otherwise
_PART = ".part-"
_PART_SECONDS = 24 * 3600.0  # what is older was left by a process that is gone


@dataclass(frozen=True)
class Record:
    """What is known of a conversion; ``model`` is its file, None where torch stays."""

    parity: Parity
    seconds: float
    model: Path | None = None


def folder() -> Path:
    """Where conversions lie: beside your own models, shared by every home of this user."""
    return default_root() / "converted"


def key(network: torch.nn.Module, shape: Sequence[int], about: Sequence[str]) -> str:
    """Changes with the layers, their numbers, the window and ``about`` (versions, precision, processor)."""
    digest = hashlib.sha256(json.dumps([_FORMAT, list(shape), list(about), repr(network)]).encode())
    for name, value in network.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).numpy().data)
    return digest.hexdigest()[:40]


def find(name: str, place: Path | None = None) -> Record | None:
    """The conversion called ``name``; None where there is none, or a damaged one, which is removed."""
    home = (place or folder()) / name
    record = home / _RECORD
    try:
        said = json.loads(record.read_text(encoding="utf-8"))
        if said["format"] != _FORMAT:
            raise ValueError("another format")
        if any(sha256(home / file) != wanted for file, wanted in said["files"].items()):
            raise ValueError("another file")
        model = home / MODEL if MODEL in said["files"] else None
        found = Record(Parity.from_dict(said["parity"]), float(said["seconds"]), model)
    except FileNotFoundError:
        if home.exists():
            forget(name, place)
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        forget(name, place)
        return None
    try:
        os.utime(record)
    except OSError:
        pass  # another user's; then it looks older than it is
    return found


def keep(
    name: str, parity: Parity, seconds: float, write: Callable[[Path], None] | None, place: Path | None = None
) -> None:
    """Keep a conversion; ``write`` puts its model at a path, None keeps the outcome alone. Raises OSError."""
    home = place or folder()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    _trim(home)
    part = home / f"{_PART}{uuid.uuid4().hex[:16]}"
    part.mkdir()
    try:
        if write is not None:
            write(part / MODEL)
        files = {path.name: sha256(path) for path in part.iterdir()}
        record = {"format": _FORMAT, "files": files, "parity": parity.to_dict(), "seconds": seconds}
        write_json(part / _RECORD, record)
        if not (home / name).exists():  # else another worker was faster
            retried(lambda: os.rename(part, home / name))
    finally:
        remove_tree(part)


def forget(name: str, place: Path | None = None) -> None:
    """Remove a conversion; one that cannot be removed is made again each time."""
    try:
        remove_tree((place or folder()) / name)
    except OSError:
        pass


def _trim(home: Path, most: int | None = None) -> None:
    """Remove what was left in the middle and, beyond the limit, what was used longest ago."""
    kept = []
    for path in home.iterdir():
        unfinished = path.name.startswith(_PART)
        try:
            used = (path if unfinished else path / _RECORD).stat().st_mtime
            size = sum(file.stat().st_size for file in path.iterdir())
        except OSError:
            continue  # it goes, or :func:`find` will look at it
        if not unfinished:
            kept.append((used, size, path.name))
        elif time.time() - used > _PART_SECONDS:
            forget(path.name, home)
    total = sum(size for _, size, _ in kept)
    for _, size, name in sorted(kept):
        if total <= (MOST_BYTES if most is None else most):
            return
        forget(name, home)
        total -= size
