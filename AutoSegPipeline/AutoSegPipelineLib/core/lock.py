"""One pipeline per home: a lock that the system drops when its holder dies."""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path
from typing import IO, Any

from .errors import PipelineError
from .files import read_json, write_json


class HomeLock:
    """Held open by the pipeline for as long as it runs.

    Windows refuses to read a locked region, so who holds it stands in a second
    file beside it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._holder = path.with_name(path.name + ".holder.json")
        self._stream: IO[bytes] | None = None

    def acquire(self, what: str) -> None:
        """Take the lock, or raise ``environment.locked`` saying who has it."""
        stream = open(self._path, "a+b")  # noqa: SIM115 - held open as long as we run
        if not _lock_patiently(stream):
            stream.close()
            holder = self.holder()
            raise PipelineError(
                "environment.locked",
                f"{self._path.parent.parent} is in use by {holder.get('what', 'another program')} "
                f"(process {holder.get('pid', '?')} on {holder.get('host', '?')})",
                **holder,
            )
        self._stream = stream
        write_json(self._holder, {"what": what, "pid": os.getpid(), "host": platform.node()})

    def release(self) -> None:
        """Let go; again is fine."""
        if self._stream is None:
            return
        self._holder.unlink(missing_ok=True)
        self._stream.close()
        self._stream = None

    def holder(self) -> dict[str, Any]:
        """Who has the lock, as it was written down; empty when nobody was."""
        try:
            found = read_json(self._holder)
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def is_held(self) -> bool:
        """Whether anybody (this process too) holds the lock now."""
        if self._stream is not None:
            return True
        return self._path.exists() and is_locked(self._path)


def hold(path: Path) -> IO[bytes]:
    """Make and lock a file that nobody else has; closing it lets go."""
    stream = open(path, "a+b")  # noqa: SIM115 - the caller holds it
    if not _try_lock(stream):
        stream.close()
        raise PipelineError("environment.locked", f"{path} is locked by another program")
    return stream


def _lock_patiently(stream: IO[bytes]) -> bool:
    """Lock for good: whoever only looks (:func:`is_locked`) has it for a moment."""
    for _ in range(10):
        if _try_lock(stream):
            return True
        time.sleep(0.01)
    return False


def is_locked(path: Path) -> bool:
    """Whether a living process holds ``path``."""
    try:
        stream = open(path, "a+b")  # noqa: SIM115 - closed below, on every way
    except OSError:
        return False
    with stream:
        return not _try_lock(stream)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(stream: IO[bytes]) -> bool:
        stream.seek(0)
        try:
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(stream: IO[bytes]) -> bool:
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
