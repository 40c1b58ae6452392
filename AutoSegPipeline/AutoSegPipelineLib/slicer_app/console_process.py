"""A console process of an extension, read from the Qt loop without ever blocking.

Slicer's extensions read their processes line by line with calls that wait. Here a
timer in a nested event loop takes what is there: Slicer stays alive, and a stop is
seen at once. The process that was started may only be a launcher, so its tree is ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, Callable

from ..core.errors import Cancelled
from ..core.process_tree import ProcessTree, make_tree
from ..runtime import qt

_LOOK_MS = 50
_MOST_BYTES = 1 << 16
_LOOKS_AFTER_ITS_END = 40  # 2 s: a grandchild may hold the pipe open for ever
_TAIL_LINES = 40


class Reader:
    """Waits for one ``subprocess.Popen`` whose standard output is a pipe, and hands out its lines."""

    def __init__(
        self,
        process: subprocess.Popen[bytes] | subprocess.Popen[str],
        on_line: Callable[[str], None],
        tree: ProcessTree | None = None,
    ) -> None:
        self._process = process
        self._on_line = on_line
        self._tree = tree or make_tree()
        self._tree.add(process.pid)
        assert process.stdout is not None
        self._stdout = process.stdout
        self._pipe = pipe_of(process.stdout.fileno())
        self._rest = b""
        self._loop: Any = None
        self._over = False
        self._looks_left = _LOOKS_AFTER_ITS_END
        self._stopped = False
        self._content = False
        self.tail: list[str] = []

    def wait(self) -> int:
        """Serve events until the process has ended; its exit code.

        Raises :class:`~..core.errors.Cancelled` after :meth:`stop`, or when the
        application quits: that ends every nested loop.
        """
        self._loop = qt.QEventLoop()
        timer = qt.make_timer(_LOOK_MS, self._look)
        try:
            if not self._stopped:
                qt.run_loop(self._loop)
        finally:
            timer.stop()
            finished = self._over and not self._stopped
            if not finished:
                self._tree.kill()
            code = self._reap()
            self._tree.close()
        if not finished:
            raise Cancelled()
        return 0 if self._content else code

    def stop(self) -> None:
        """End the process with all that it started; :meth:`wait` raises ``Cancelled``."""
        self._stopped = True
        self._tree.kill()
        if self._loop is not None:
            self._loop.quit()

    def content(self) -> None:
        """What is wanted of the process is done; it need not end by itself."""
        self._content = True

    def _reap(self) -> int:
        try:
            return int(self._process.wait(timeout=5))
        except subprocess.TimeoutExpired:
            self._process.kill()
            return int(self._process.wait(timeout=5))
        finally:
            self._stdout.close()

    def _look(self) -> None:
        if self._over:
            return
        data = self._pipe()
        if data:
            self._take(data)
        ended = self._process.poll() is not None
        if ended and not data:
            self._looks_left -= 1
        if data == b"" or self._content or (ended and self._looks_left <= 0):
            self._finish()

    def _finish(self) -> None:
        if self._content:
            self._tree.kill()
        elif self._process.poll() is None:
            return  # it closed its output and is on its way out
        if self._rest:
            self._take(b"\n")
        self._over = True
        self._loop.quit()

    def _take(self, data: bytes) -> None:
        # A progress bar is drawn again after a carriage return.
        pieces = (self._rest + data).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = pieces.pop()
        for piece in pieces:
            line = piece.decode("utf-8", "replace").rstrip()
            if line:
                self.tail = [*self.tail[1 - _TAIL_LINES :], line]
                self._on_line(line)


def pipe_of(descriptor: int) -> Callable[[], bytes | None]:
    """Reads what is in the pipe now: bytes, ``b""`` at its end, None while it is empty."""
    return _windows_pipe(descriptor) if sys.platform == "win32" else _posix_pipe(descriptor)


def _posix_pipe(descriptor: int) -> Callable[[], bytes | None]:
    os.set_blocking(descriptor, False)

    def read() -> bytes | None:
        try:
            return os.read(descriptor, _MOST_BYTES)
        except BlockingIOError:
            return None

    return read


def _windows_pipe(descriptor: int, peek: Callable[[], int] | None = None) -> Callable[[], bytes | None]:
    """Anonymous pipes cannot be made non-blocking there: never read more than there is."""
    how_many = peek or _peeker(descriptor)

    def read() -> bytes | None:
        try:
            waiting = how_many()
        except OSError:  # ERROR_BROKEN_PIPE: the other end is closed and everything was read
            return b""
        return os.read(descriptor, min(waiting, _MOST_BYTES)) if waiting else None

    return read


def _peeker(descriptor: int) -> Callable[[], int]:
    import ctypes
    import msvcrt
    from ctypes import wintypes

    windows: Any = ctypes
    kernel = windows.WinDLL("kernel32", use_last_error=True)
    handle = wintypes.HANDLE(msvcrt.get_osfhandle(descriptor))  # type: ignore[attr-defined]
    counts = [wintypes.LPDWORD] * 3
    kernel.PeekNamedPipe.argtypes = [wintypes.HANDLE, wintypes.LPVOID, wintypes.DWORD, *counts]
    kernel.PeekNamedPipe.restype = wintypes.BOOL

    def peek() -> int:
        waiting = wintypes.DWORD(0)
        if not kernel.PeekNamedPipe(handle, None, 0, None, ctypes.byref(waiting), None):
            raise windows.WinError(windows.get_last_error())
        return int(waiting.value)

    return peek
