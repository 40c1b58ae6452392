"""Installing without holding the application: one process, its words line by line, and a way to stop it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Callable, Sequence

from ..core.home import Home
from ..core.process_tree import make_tree
from ..runtime import qt
from ..runtime.processes.child_command import child_environment
from . import install_packages

_FAILED_TO_START = 0
_CANCEL_MS = 10_000
MODULE = "AutoSegPipelineLib.slicer_app.install_packages"


def packages_folder(home: Home) -> Path:
    """Where the packages of the full web server and of the PACS lie in Slicer."""
    return home.state / "packages"


def packages_state(home: Home) -> str:
    """``installed``, ``missing`` or ``outdated``."""
    return install_packages.state_of(packages_folder(home), sys.version)


class Installation:
    """One run of :mod:`.install_packages`. ``on_end(worked)`` comes once, after the last ``on_line``."""

    def __init__(
        self,
        home: Home,
        python: str,
        on_line: Callable[[str], None],
        on_end: Callable[[bool], None],
        remove: Sequence[Path] = (),
    ) -> None:
        """With ``remove`` it removes these folders instead."""
        self._home = home
        self._python = python
        self._on_line = on_line
        self._on_end = on_end
        self._remove = remove
        self._process: Any = None
        self._tree: Any = None
        self._rest = b""
        self._cancelled = False
        self._alarm: Any = None

    def start(self) -> None:
        """Begin; the event loop does the rest."""
        home = self._home
        home.create()
        work = home.work / "install"
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        process = self._process = qt.QProcess()
        process.setProcessChannelMode(qt.enumerator(qt.QProcess, "ProcessChannelMode", "MergedChannels"))
        process.setProcessEnvironment(qt.environment(child_environment(work)))
        process.readyReadStandardOutput.connect(qt.guarded(self._read))
        process.started.connect(qt.guarded(self._started))
        process.finished.connect(qt.guarded(self._finished))
        process.errorOccurred.connect(qt.guarded(self._failed))
        self._tree = make_tree()
        what = ["--remove", *map(str, self._remove)] if self._remove else [str(packages_folder(home))]
        process.start(self._python, ["-m", MODULE, *what])

    def cancel(self) -> None:
        """Have it give up; it removes what it wrote so far."""
        if self._process is not None and not self._cancelled:
            self._cancelled = True
            self._process.closeWriteChannel()
            self._alarm = qt.make_alarm(self._kill)
            self._alarm.start(_CANCEL_MS)

    def kill(self) -> None:
        """End it at once: the application quits."""
        self._cancelled = True
        self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            self._tree.kill()
            self._process.kill()

    def _started(self, *_: object) -> None:
        self._tree.add(int(self._process.processId()))

    def _read(self, *_: object) -> None:
        data = self._rest + qt.to_bytes(self._process.readAllStandardOutput())
        *lines, self._rest = data.replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._say(line)

    def _say(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip()
        if text:
            self._on_line(text)

    def _failed(self, error: object = None) -> None:
        if error is not None and qt.number(error) == _FAILED_TO_START:
            self._on_line(f"{self._python} cannot be started: {self._process.errorString()}")
            qt.single_shot(0, lambda: self._end(False))

    def _finished(self, *_: object) -> None:
        if self._process is None:
            return
        self._read()
        self._say(self._rest)
        self._end(
            not qt.crashed(self._process) and int(self._process.exitCode()) == 0 and not self._cancelled
        )

    def _end(self, worked: bool) -> None:
        if self._process is None:
            return
        qt.release(self._process)
        self._process = None
        self._tree.close()
        if self._alarm is not None:
            self._alarm.stop()
        if self._cancelled:
            self._on_line("cancelled; nothing was installed")
        self._on_end(worked)
