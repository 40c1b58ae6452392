"""Ctrl+C and its like while the event loop sits in C++.

A Python handler runs only between two byte codes, so something must wake
Python: on POSIX the descriptor of :func:`signal.set_wakeup_fd` in the event
loop, on Windows a timer. Closing the Windows console, logging off and shutting
down come as console events on a thread that Windows makes; the process ends
as soon as that handler returns.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
from typing import Any, Callable

from ..runtime import qt

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
_WAKE_MS = 200
# CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT: Windows gives about five seconds.
_CONSOLE_EVENTS = (2, 5, 6)
_CONSOLE_SECONDS = 4.5


class Signals:
    """Calls ``heard(name)`` on the Qt thread for every signal, until :meth:`close`."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        self._heard = heard
        self._pending: list[str] = []
        self._finished = threading.Event()
        self._old: dict[int, Any] = {}
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None:
                self._old[number] = signal.signal(number, self._note)
        self._wake = _WindowsWake(self) if sys.platform == "win32" else _PosixWake(self)

    def _note(self, number: int, frame: object) -> None:
        self._pending.append(signal.Signals(number).name)

    def console_event(self, event: int) -> bool:
        """On Windows' own thread: pass it on and hold the process until the pipeline has stopped."""
        if event not in _CONSOLE_EVENTS:
            return False
        self._pending.append("console closed")
        self._finished.wait(_CONSOLE_SECONDS)
        return True

    def deliver(self) -> None:
        """Hand on what came; on the Qt thread."""
        while self._pending:
            self._heard(self._pending.pop(0))

    def close(self) -> None:
        """Give the signals back to who had them."""
        self._finished.set()
        self._wake.close()
        for number, handler in self._old.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


class _PosixWake:
    def __init__(self, owner: Signals) -> None:
        self._owner = owner
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._old = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._notifier = qt.make_notifier(self._reader.fileno(), False, self._woken)

    def _woken(self, *unused: object) -> None:
        try:
            self._reader.recv(4096)
        except BlockingIOError:
            return
        self._owner.deliver()

    def close(self) -> None:
        self._notifier.setEnabled(False)
        signal.set_wakeup_fd(self._old)
        self._reader.close()
        self._writer.close()


class _WindowsWake:
    def __init__(self, owner: Signals) -> None:
        import ctypes

        # Entering Python at all lets its signal handlers run.
        self._timer = qt.make_timer(_WAKE_MS, owner.deliver)
        prototype = ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)  # type: ignore[attr-defined,unused-ignore]
        # Kept: Windows holds only the address.
        self._handler = prototype(lambda event: int(owner.console_event(event)))
        self._kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
        self._kernel.SetConsoleCtrlHandler(self._handler, True)

    def close(self) -> None:
        self._timer.stop()
        self._kernel.SetConsoleCtrlHandler(self._handler, False)
