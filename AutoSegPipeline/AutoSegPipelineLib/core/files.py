"""Files that survive a crash: fsynced writes, retried renames, hashes, containment."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Sequence, TypeVar

from .errors import PipelineError

T = TypeVar("T")

# Windows: somebody (a virus scanner, a viewer) has the file open; it passes.
_SHARING = (5, 32, 33)  # ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION
_FULL = tuple(getattr(errno, name) for name in ("ENOSPC", "EDQUOT") if hasattr(errno, name))
_WIN_FULL = (39, 112)  # ERROR_HANDLE_DISK_FULL, ERROR_DISK_FULL


def is_disk_full(error: BaseException) -> bool:
    """Whether ``error`` says that the disk or the quota is full."""
    if not isinstance(error, OSError):
        return False
    return error.errno in _FULL or getattr(error, "winerror", None) in _WIN_FULL


def is_sharing_violation(error: BaseException) -> bool:
    """Whether somebody else holds the file open (Windows only)."""
    return isinstance(error, OSError) and getattr(error, "winerror", None) in _SHARING


def retried(action: Callable[[], T], tries: int = 5, pause: float = 0.01) -> T:
    """``action()``, tried again for a moment while Windows says that the file is in use."""
    for left in range(tries - 1, -1, -1):
        try:
            return action()
        except OSError as error:
            if not left or not is_sharing_violation(error):
                raise
            time.sleep(pause)
    raise AssertionError("unreachable")


def disk_error(error: OSError, path: str) -> PipelineError:
    """A write's OSError as one of the ``environment`` codes; names the folder, as ``path`` may be staged."""
    code = "environment.disk_full" if is_disk_full(error) else "environment.home_unwritable"
    return PipelineError(code, f"Writing to {os.path.dirname(path)} failed: {error.strerror or error}.")


def fsync_folder(folder: Path) -> None:
    """Make renames in ``folder`` durable. Windows has no such call; NTFS journals them."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # some network file systems
            raise
    finally:
        os.close(descriptor)


def fsync_file(path: Path) -> None:
    """Make the bytes of ``path`` durable."""
    # Windows refuses to flush what was opened for reading only.
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_SYNC_THREADS = 16


def sync_paths(paths: Sequence[str]) -> None:
    """Make many durable: the bytes of files and the entries of folders, all at the same time.

    A file system writes its journal once for all who wait for it: sixteen threads
    take about a twentieth of the time of one. What is gone needs no sync.
    Raises ``environment.*``.
    """

    def one(path: str) -> None:
        try:
            if os.path.isdir(path):
                fsync_folder(Path(path))
            else:
                fsync_file(Path(path))
        except FileNotFoundError:
            return
        except OSError as error:
            raise disk_error(error, path) from error

    with ThreadPoolExecutor(_SYNC_THREADS) as threads:
        for _ in threads.map(one, paths):
            pass


def create_private(path: Path) -> None:
    """An empty file that its user alone may read, where there is none.

    One that is there is not even opened: on POSIX, closing a descriptor gives up every lock that this
    process has on the file, also those of SQLite's connections to it.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def write_json(path: Path, value: object, durable: bool = True) -> None:
    """Write ``value`` so that ``path`` holds either the old or the complete new text.

    Without ``durable`` a power cut may take it; who goes on from it syncs file and folder first.
    """
    part = path.with_name(path.name + f".{os.getpid()}.part")
    try:
        with open(part, "w", encoding="utf-8") as stream:
            json.dump(value, stream, indent=1, ensure_ascii=False)
            stream.write("\n")
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        retried(lambda: os.replace(part, path))
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if durable:
        fsync_folder(path.parent)


def replace_file(part: Path, path: Path) -> None:
    """Let the written ``part`` take the name ``path`` in one step, durably."""
    fsync_file(part)
    retried(lambda: os.replace(part, path))
    fsync_folder(path.parent)


def read_json(path: Path) -> Any:
    """The JSON value in ``path``; raises ``ValueError`` when it is none."""
    with open(path, encoding="utf-8-sig") as stream:
        return json.load(stream)


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, object]:
    """Hook of ``json.loads``: a key that stands twice is an error, not the last one's silent win."""
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} is there twice")
        found[key] = value
    return found


def sha256(path: Path) -> str:
    """Hex SHA-256 of the file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while True:
            block = stream.read(1 << 20)
            if not block:
                return digest.hexdigest()
            digest.update(block)


def contained(base: Path, path: Path) -> bool:
    """Whether ``path`` lies in ``base`` (or is it), with links and ``..`` resolved."""
    try:
        return os.path.commonpath([base.resolve(), path.resolve()]) == str(base.resolve())
    except ValueError:  # another drive
        return False


def is_link(path: Path) -> bool:
    """Whether ``path`` is a symbolic link or, on Windows, any reparse point (junctions too)."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    reparse = getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0x400)
    return stat.S_ISLNK(found.st_mode) or bool(getattr(found, "st_file_attributes", 0) & reparse)


def remove_tree(path: Path) -> None:
    """Remove a folder or file with all that is in it; gone already is fine."""
    if not os.path.lexists(path):
        return
    if path.is_dir() and not is_link(path):

        def again(function: Callable[..., object], name: str, error: object) -> None:
            raised = error[1] if isinstance(error, tuple) else error
            if isinstance(raised, FileNotFoundError):
                return
            os.chmod(name, stat.S_IRWXU)  # Windows keeps read-only files
            retried(lambda: function(name))

        if sys.version_info >= (3, 12):
            shutil.rmtree(path, onexc=again)
        else:
            shutil.rmtree(path, onerror=again)
    else:
        retried(lambda: path.unlink(missing_ok=True))


def free_bytes(folder: Path) -> int:
    """Bytes that this user may still write on the disk of ``folder``."""
    return shutil.disk_usage(folder).free


def same_disk(one: Path, other: Path) -> bool:
    """Whether a rename between the two folders cannot cross disks."""
    return os.stat(one).st_dev == os.stat(other).st_dev
