"""A lock of the operating system on a file: it ends with the process that holds it, however that ends."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Callable

# Windows locks bytes against reading too; this one lies far behind what anybody reads.
_BYTE = 1 << 30


class Lock:
    """``with Lock(path, waiting): ...``; calls ``waiting`` once when somebody else has it.

    ``shared`` locks exclude exclusive ones only (POSIX; on Windows nothing is
    locked then, because files in use cannot be deleted there anyway).
    """

    def __init__(self, path: Path, waiting: Callable[[], None] | None = None, shared: bool = False) -> None:
        self.path = path
        self.waiting = waiting
        self.shared = shared
        self.fd = -1

    def try_now(self) -> bool:
        """Take it if it is free."""
        if self.fd < 0:
            self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        if _lock(self.fd, self.shared):
            return True
        os.close(self.fd)
        self.fd = -1
        return False

    def release(self) -> None:
        """Give it back; closing the file is what unlocks it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Lock:
        told = False
        while not self.try_now():
            if not told and self.waiting is not None:
                self.waiting()
                told = True
            time.sleep(0.2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int, shared: bool) -> bool:
        if shared:
            return True
        os.lseek(fd, _BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(fd: int, shared: bool) -> bool:
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
