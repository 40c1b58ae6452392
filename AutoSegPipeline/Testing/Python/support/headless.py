"""The command line as a person calls it: real processes, nothing of the tester's own environment."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "AutoSegPipelineLib.headless"]
# A pipeline that is quick to take what is dropped.
SERVE = (
    "serve",
    "--engine",
    "tissue",
    "--formats",
    "gltf",
    "--settle-seconds",
    "0.3",
    "--rescan-seconds",
    "0.5",
)


def clean_environment(**more: str) -> dict[str, str]:
    """Ours without the settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("AUTOSEG_")}
    for name in ("NO_COLOR", "COLUMNS", "LC_ALL", "PYTHONIOENCODING", "PYTHONUNBUFFERED"):
        kept.pop(name, None)
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    # Pages of pipelines that run side by side would meet on one port; a test that wants one says --web.
    given = {"LANG": "C.UTF-8", "AUTOSEG_WEB": "no", **more}
    kept.update({"PYTHONPATH": os.pathsep.join(path for path in paths if path), **given})
    return kept


def autoseg(
    *arguments: Any, env: dict[str, str] | None = None, timeout: float = 240.0
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=clean_environment(**(env or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        check=False,
    )


class Running:
    """A command that goes on; its lines (both streams) are collected as they come."""

    def __init__(self, *arguments: Any, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            env=clean_environment(PYTHONUNBUFFERED="1", **(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self.lines: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, text: str, seconds: float = 150.0) -> None:
        """Until a line holds ``text``; fails with all that was said otherwise."""
        until = time.monotonic() + seconds
        while text not in self.text:
            over = self.process.poll() is not None and not self._thread.is_alive()
            if text not in self.text and (over or time.monotonic() > until):
                raise AssertionError(f"{text!r} was never said:\n{self.text}")
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, seconds: float = 90.0) -> int:
        """The exit code, once it has ended by itself."""
        code = self.process.wait(seconds)
        self._thread.join(10)
        return code

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *unused: Any) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self._thread.join(10)
        if self.process.stdout is not None:
            self.process.stdout.close()


def write_scan(path: Path, spacing: float = 6.0, seed: int | None = None) -> Path:
    """A phantom CT; a finer ``spacing`` (mm) keeps the engine busy for longer, a ``seed`` gives it noise."""
    from AutoSegPipelineLib.processing.phantom import torso, write_nifti

    shape = (round(366 / spacing), round(303 / spacing), round(180 / spacing))
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = {} if seed is None else {"seed": seed, "noise_hu": 5.0}
    return write_nifti(torso(shape, (spacing,) * 3, **noise).volume, path)


def until(what: Callable[[], Any], seconds: float = 150.0) -> Any:
    """What ``what`` finds as soon as it finds something; it may call the command line."""
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, what
        time.sleep(0.3)
