"""Bytes that stay where they were put: fsync, hashes, replacing in one step."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from .result import Output

_BLOCK = 1 << 20


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(_BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


def sync_file(path: Path) -> None:
    """Put a written file onto the disk; Windows wants a handle that may write."""
    handle = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Put a folder's entries onto the disk; Windows has no such call and needs none."""
    if sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def seal(kind: str, path: Path) -> Output:
    """Sync a finished result file and say what it is."""
    sync_file(path)
    return Output(kind, path.name, path.stat().st_size, hash_file(path))


def replace_file(part: Path, path: Path) -> None:
    """Let the synced ``part`` take the name ``path`` in one step, durably."""
    sync_file(part)
    os.replace(part, path)
    sync_folder(path.parent)
