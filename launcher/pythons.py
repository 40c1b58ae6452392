"""Finds another Python on the machine, for the tests that need one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .installer import clean_environment
from .places import python_tag

_ASK = (
    "import ensurepip, json, sys, venv; "
    "print(json.dumps([sys.version_info[0], sys.version_info[1], sys.executable]))"
)


@dataclass(frozen=True)
class OtherPython:
    """An interpreter that runs and can make environments; ``tag`` as in :func:`.places.python_tag`."""

    path: str
    tag: str


def find_python(versions: tuple[tuple[int, int], ...]) -> OtherPython | None:
    """The first of ``versions`` that is here; this very Python is preferred."""
    if (sys.version_info[0], sys.version_info[1]) in versions:
        return OtherPython(sys.executable, python_tag())
    for version in versions:
        for command in _candidates(version):
            path = _works(command, version)
            if path:
                system = python_tag().partition("-")[2]
                return OtherPython(path, f"cp{version[0]}{version[1]}-{system}")
    return None


def _candidates(version: tuple[int, int]) -> list[list[str]]:
    """Commands that may start that version: from PATH, Windows' py, pyenv."""
    name = f"python{version[0]}.{version[1]}"
    found = [[path] for path in [shutil.which(name)] if path]
    if os.name == "nt":
        if shutil.which("py"):
            found.append(["py", f"-{version[0]}.{version[1]}"])
        return found
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    if versions.is_dir():
        for folder in sorted(versions.glob(f"{version[0]}.{version[1]}.*")):
            found.append([str(folder / "bin" / "python")])
    return found


def _works(command: list[str], version: tuple[int, int]) -> str | None:
    """The interpreter's own path, when it starts, is that version and can make environments."""
    try:
        answer = subprocess.run(
            [*command, "-I", "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            env=clean_environment(),
        )
        major, minor, path = json.loads(answer.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return str(path) if (major, minor) == version else None
