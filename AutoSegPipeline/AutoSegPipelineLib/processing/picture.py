"""The picture of a case, surfaces and slices, drawn by a process of its own.

VTK ends its process where it finds no OpenGL library, and a graphics
driver may do so at any time. So one small process draws, stays warm for the
next case, and when it dies only the picture is lost. It draws while the other
files are being written.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Sequence

import numpy as np

from ..core.progress import Report
from .child_processes import end_child, start_child

if TYPE_CHECKING:
    from .drawing.sections import Sections
    from .surfaces import Surface

LIMIT_SECONDS = 120.0
_CONTROL = re.compile(r"\x1b\[[0-9;]*m")  # VTK colours its words
_LIBRARY_PARENT = str(Path(__file__).resolve().parents[2])
_MODULE = "AutoSegPipelineLib.processing.drawing.process"


class Painter:
    """The drawing process: started when first needed, given up for good when it dies twice."""

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._given = command
        self._process: subprocess.Popen[bytes] | None = None
        self._words: IO[bytes] | None = None
        self._deaths = 0
        self.problem = ""

    def ask(self, request: dict[str, Any]) -> bool:
        """Send a request; False when there is nobody to draw it (``problem`` says why)."""
        if not self.alive and self._deaths >= 2:
            return False
        try:
            process = self._running()
            assert process.stdin is not None
            process.stdin.write(json.dumps(request).encode("ascii") + b"\n")
            process.stdin.flush()
        except OSError as error:
            self._died(str(error))
            return False
        return True

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._words = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
            paths = [_LIBRARY_PARENT, os.environ.get("PYTHONPATH", "")]
            self._process = start_child(
                list(self._given or (python_command(), "-m", _MODULE)),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._words,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)},
            )
        return self._process

    @property
    def alive(self) -> bool:
        """Whether the process runs; when it ended by itself, ``problem`` says how."""
        if self._process is None:
            return False
        code = self._process.poll()
        if code is None:
            return True
        self._died(f"it ended with exit code {code}")
        return False

    def succeeded(self) -> None:
        """A picture came: this machine can draw."""
        self._deaths = 0

    def _died(self, how: str) -> None:
        self._deaths += 1
        words = ""
        if self._words is not None:
            self._words.seek(0, os.SEEK_END)
            self._words.seek(max(0, self._words.tell() - 2000))
            text = _CONTROL.sub("", self._words.read().decode("utf-8", "replace"))
            lines = text.strip().splitlines()
            words = f"; its last words: {lines[-1].strip()[:200]}" if lines else ""
        self.problem = f"the picture could not be drawn, often for lack of an OpenGL library ({how}{words})"
        self.close()

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                try:
                    process.stdin.close()
                except OSError:
                    process.kill()  # it is gone or deaf; either way it ends now
            end_child(process)
        if self._words is not None:
            self._words.close()
            self._words = None


class Shot:
    """One picture on its way."""

    def __init__(self, painter: Painter, path: Path, request: Path, asked: bool) -> None:
        self.path = path
        self._painter = painter
        self._request = request
        self._answer = request.with_suffix(".json")
        self._asked = asked
        self._begin = time.monotonic()

    def wait(self, report: Report) -> str:
        """Wait for the picture; empty when it is there, else why it is not."""
        try:
            while self._asked and not self._answer.exists():
                report.check()
                if not self._painter.alive:
                    return self._painter.problem
                if time.monotonic() - self._begin > LIMIT_SECONDS:
                    self._painter.close()
                    return f"the picture was not drawn within {LIMIT_SECONDS:.0f} s"
                time.sleep(0.01)
            if not self._asked:
                return self._painter.problem
            problem = str(json.loads(self._answer.read_text(encoding="ascii"))["problem"])
        except BaseException:
            self.abandon()
            raise
        self._clean()
        if not problem:
            self._painter.succeeded()
        return problem

    def abandon(self) -> None:
        """Nobody wants this picture any more; the process may be in the middle of it."""
        self._painter.close()
        self._clean()

    def _clean(self) -> None:
        for path in (self._request, self._answer):
            path.unlink(missing_ok=True)


_painter = Painter()


def begin_picture(
    path: Path, surfaces: Sequence[Surface], sections: Sections, work: Path, painter: Painter | None = None
) -> Shot:
    """Ask for a picture at ``path``; ``work`` is the folder for what the drawing process needs."""
    painter = painter or _painter
    request = work / f"picture-{os.urandom(6).hex()}.npz"
    arrays = {f"slice{number}": image for number, image in enumerate(sections.images)}
    for number, surface in enumerate(surfaces):
        arrays[f"points{number}"] = surface.points
        arrays[f"triangles{number}"] = surface.triangles
        arrays[f"normals{number}"] = surface.normals
    with open(request, "wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]
    segments = [
        {
            "colour": list(s.segment.colour),
            "opacity": s.segment.opacity,
            "group": s.segment.group,
            "name": s.segment.name,
        }
        for s in surfaces
    ]
    asked = painter.ask(
        {
            "arrays": str(request),
            "segments": segments,
            "mm_per_pixel": sections.mm_per_pixel,
            "in_a_row": sections.in_a_row,
            "path": str(path),
            "answer": str(request.with_suffix(".json")),
        }
    )
    return Shot(painter, path, request, asked)


def close_painter() -> None:
    """End the drawing process; the next picture starts another."""
    _painter.close()


def python_command() -> str:
    """The interpreter for child processes: inside Slicer ``sys.executable`` is the application itself."""
    name = Path(sys.executable or "").name.casefold()
    if name.startswith("python") and sys.executable:
        return sys.executable
    return shutil.which("PythonSlicer") or sys.executable
