"""Hashing and copying, in pieces, with every byte on the disk before a name says so."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Iterable, Iterator, Sequence

from ..core.errors import Refused
from ..core.files import disk_error, fsync_folder, retried
from ..core.messages.intake_messages import Copied, CopiedFile, Hashed
from ..core.progress import Check, no_check
from ..core.safe_open import check_regular, open_input

PIECE = 1 << 20


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)


def _pieces(path: str, check: Check, name: str = "") -> Iterator[bytes]:
    try:
        stream = open_input(path, name=name)
    except FileNotFoundError:
        raise Refused("input.missing", f"{name or os.path.basename(path)} is gone.") from None
    with stream:
        while True:
            check()
            piece = stream.read(PIECE)
            if not piece:
                return
            yield piece


def hash_file(path: str, check: Check = no_check, name: str = "") -> Hashed:
    """Hash and size of a file; raises :class:`Refused` when it is missing or unreadable.

    ``name`` is what messages call it.
    """
    digest, size = hashlib.sha256(), 0
    for piece in _pieces(path, check, name):
        digest.update(piece)
        size += len(piece)
    return Hashed(digest.hexdigest(), size)


def hash_of(parts: Iterable[str]) -> str:
    """One hash of several texts, in their order, with nothing that could run together."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogateescape")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def copy_file(source: str, target: str, check: Check = no_check, name: str = "") -> CopiedFile:
    """Copy to ``target + ".part"``, look at the source again, fsync, rename.

    Raises ``input.changed`` when the source moved on meanwhile, ``environment.*`` when the target
    cannot be written; then nothing is left under either name of the target. ``name`` is what
    messages call the source.
    """
    name = name or os.path.basename(source)
    part = target + ".part"
    try:
        before = check_regular(source, name)
    except FileNotFoundError:
        raise Refused("input.missing", f"{name} is gone.") from None
    done = False
    try:
        digest, size = _write(source, part, check, name)
        after = _stat_again(source)
        if after is None or not _same(before, after) or size != before.st_size:
            raise Refused("input.changed", f"{name} changed while it was copied.")
        try:
            retried(lambda: os.replace(part, target))
            fsync_folder(Path(os.path.abspath(target)).parent)
        except OSError as error:
            raise disk_error(error, target) from error
        done = True
    finally:
        if not done and os.path.exists(part):
            os.unlink(part)
    return CopiedFile(target, size, digest)


def _stat_again(path: str) -> os.stat_result | None:
    try:
        info = os.lstat(path)
    except OSError:
        return None
    return info if stat.S_ISREG(info.st_mode) else None


def _write(source: str, part: str, check: Check, name: str) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    try:
        os.makedirs(os.path.dirname(os.path.abspath(part)), mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        stream = os.fdopen(os.open(part, flags | getattr(os, "O_NOFOLLOW", 0), 0o600), "wb", buffering=0)
    except OSError as error:
        raise disk_error(error, part) from error
    with stream:
        for piece in _pieces(source, check, name):
            digest.update(piece)
            size += len(piece)
            try:
                view = memoryview(piece)
                while view:  # unbuffered, so that closing after a full disk cannot fail once more
                    view = view[stream.write(view) or 0 :]
            except OSError as error:
                raise disk_error(error, part) from error
        try:
            os.fsync(stream.fileno())
        except OSError as error:
            raise disk_error(error, part) from error
    return digest.hexdigest(), size


def copy_pairs(pairs: Sequence[tuple[str, str]], check: Check = no_check) -> Copied:
    """The ``copy`` task: every (from, to) in turn."""
    return Copied([copy_file(source, target, check) for source, target in pairs])


def link_or_copy(source: str, target: str, check: Check = no_check, name: str = "") -> None:
    """``target`` as a second name of ``source`` (no space used), or a copy where links do not work.

    ``name`` is what messages call the source.
    """
    check_regular(source, name)
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        copy_file(source, target, check, name)
