"""Where 3D Slicer's Python is: inside a folder that the user names, and in the usual places of each system.

Layouts (Slicer's build system, CMake variable Slicer_BIN_DIR): ``bin/PythonSlicer`` in an installation
on Linux and Windows, ``Contents/bin/PythonSlicer`` in a macOS application.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Iterable, Mapping

from .errors import PipelineError

NAME = "PythonSlicer"
_BELOW = ("bin", "Contents/bin", "Slicer.app/Contents/bin", ".")


def python_in(folder: Path, windows: bool = os.name == "nt") -> Path | None:
    """PythonSlicer of the Slicer in ``folder``: its root, the ``.app``, its ``bin``, or a program in it."""
    name = f"{NAME}.exe" if windows else NAME
    place = folder.parent if folder.is_file() else folder
    for below in _BELOW:
        found = place / below / name
        if found.is_file():
            return Path(os.path.abspath(found))
    return None


def installed(
    environ: Mapping[str, str] | None = None, system: str = sys.platform, user: Path | None = None
) -> list[Path]:
    """PythonSlicer of every Slicer on PATH and in the usual folders, each once, the newest names first."""
    variables = os.environ if environ is None else environ
    windows = system == "win32"
    places: list[Path] = []
    search = variables.get("PATH", "")
    for program in (NAME, "Slicer"):
        on_path = shutil.which(program, path=search)
        if on_path:
            places.append(Path(os.path.realpath(on_path)))
    for parent, pattern in _usual(variables, system, user or Path.home()):
        places += sorted(_matching(parent, pattern), key=_version, reverse=True)
    found = (python_in(place, windows) for place in places)
    return list(dict.fromkeys(python for python in found if python is not None))


def _usual(variables: Mapping[str, str], system: str, user: Path) -> Iterable[tuple[Path, str]]:
    if system == "win32":
        # Slicer's installer takes the user's own programs since 5.0, before that Program Files.
        for name in ("LOCALAPPDATA", "APPDATA"):
            if variables.get(name):
                yield Path(variables[name]) / "slicer.org", "Slicer*"
        for name in ("LOCALAPPDATA", "ProgramFiles", "PROGRAMFILES"):
            if variables.get(name):
                yield Path(variables[name]), "Slicer*"
        return
    if system == "darwin":
        for folder in (Path("/Applications"), user / "Applications"):
            yield folder, "Slicer*.app"
        return
    folders = (user, user / "Apps", user / "apps", user / "opt", user / "software", user / "Downloads")
    for folder in (*folders, Path("/opt"), Path("/usr/local"), Path("/usr/local/lib")):
        yield folder, "[Ss]licer*"


def _matching(parent: Path, pattern: str) -> list[Path]:
    try:
        return [path for path in parent.glob(pattern) if path.is_dir()]
    except OSError:  # a folder that this user may not look into
        return []


def _version(folder: Path) -> tuple[int, ...]:
    """``(5, 8, 1)`` of ``Slicer-5.8.1-linux-amd64``; a name without a version comes last."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", folder.name)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def worker_python(python: str, slicer: str) -> str | None:
    """The interpreter that the settings ``worker_python`` and ``slicer`` name, or None for the usual one.

    Raises ``worker.not_started`` where it is not there, ``request.invalid`` when both are given.
    """
    if python and slicer:
        raise PipelineError(
            "request.invalid", "worker_python and slicer are both given", "Give one of them; they exclude."
        )
    if slicer:
        inside = python_in(Path(slicer).expanduser())
        if inside is None:
            raise PipelineError(
                "worker.not_started",
                f"there is no {NAME} in {slicer}",
                "Give the folder that holds Slicer's program; `autoseg doctor` lists the Slicers it finds.",
            )
        return str(inside)
    if python:
        # Never resolved: a virtual environment's Python is a link, and where it stands is what counts.
        path = shutil.which(os.path.expanduser(python))
        if path is None:
            raise PipelineError(
                "worker.not_started", f"{python} is no program that can be run", "Give the path of a Python."
            )
        return os.path.abspath(path)
    return None
