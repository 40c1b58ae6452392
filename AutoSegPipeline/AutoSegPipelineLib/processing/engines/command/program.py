"""Where a declared program is, the environment that it gets, and the version that it states."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Mapping, Sequence

from ....core.errors import EngineFailed
from ....core.process_tree import make_tree
from ...child_processes import run_child
from .declaration import Declaration

# They lead to this library, or would change how another Python starts.
_OWN = (
    "PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH", "PYTHONNOUSERSITE", "PYTHONSTARTUP", "PYTHONINSPECT",
    "PYTHONEXECUTABLE", "PYTHONIOENCODING", "VIRTUAL_ENV", "CONDA_PREFIX", "__PYVENV_LAUNCHER__",
)  # fmt: skip
# Slicer's launcher sets them for its own programs.
_LAUNCHER = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "QT_PLUGIN_PATH")
_PREFIX = "AUTOSEG_"
MARK = "AUTOSEG_ENGINE_RUN"  # in the environment of all that a run starts, wherever it moves
_SHELLS = (".bat", ".cmd")
_VERSION_SECONDS = 60.0
_VERSION_AGE = 600.0  # a program that was updated meanwhile is asked again
_MOST_VERSION = 60

_versions: dict[tuple[str, ...], tuple[float, str]] = {}


def find_program(word: str) -> str:
    """The program's path. Raises ``engine.not_available``."""
    path = Path(word)
    if path.is_absolute():
        found = word if path.is_file() and os.access(word, os.X_OK) else None
    elif path.name != word:
        raise EngineFailed(
            "engine.not_available", f"{word} is neither a complete path nor the name of a program"
        )
    else:
        found = shutil.which(word)
    if found is None:
        raise EngineFailed("engine.not_available", f"the program {word} is not there")
    if sys.platform == "win32" and found.lower().endswith(_SHELLS):
        raise EngineFailed(
            "engine.not_available",
            f"{found} is a batch file, which Windows runs in a shell",
            "Name the program that it starts.",
        )
    return os.path.abspath(found)


def environment_of(
    declared: Declaration, folder: Path, more: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The child's environment: this one without what is ours, temporary files in ``folder``.

    Variables of the declaration come last, but for ``more``.
    """
    drop = _OWN + (_LAUNCHER if os.environ.get("SLICER_HOME") else ())
    found = {
        name: text
        for name, text in os.environ.items()
        if name.upper() not in drop and not name.upper().startswith(_PREFIX)
    }
    found.update(dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(folder)))
    found["PYTHONUNBUFFERED"] = "1"  # else what it says of its progress waits in its buffer
    return {**found, **declared.environment, **(more or {})}


def new_run() -> str:
    """A name that no other run has; also the name that a container may get."""
    return f"autoseg-{secrets.token_hex(8)}"


def run_beside(
    declared: Declaration, command: Sequence[str], seconds: float, folder: Path, output: int | IO[bytes]
) -> int:
    """The exit code of a short command that is no case's run; nothing that it started is left afterwards.

    ``output`` gets what it writes. Raises ``OSError`` and ``subprocess.TimeoutExpired``.
    """
    mark = new_run()
    return run_child(
        list(command), seconds, make_tree(f"{MARK}={mark}"), cwd=str(folder),
        env=environment_of(declared, folder, {MARK: mark}), stdout=output, stderr=subprocess.STDOUT,
    )  # fmt: skip


def version_of(declared: Declaration) -> str:
    """What the program says of its version, empty where nobody declared how to ask.

    Raises ``engine.not_available`` where it cannot be asked.
    """
    if not declared.version:
        return ""
    known = _versions.get(declared.version)
    if known is not None and time.monotonic() - known[0] < _VERSION_AGE:
        return known[1]
    command = [find_program(declared.version[0]), *declared.version[1:]]
    with tempfile.TemporaryDirectory(prefix="version-") as folder:
        text = _said(declared, command, Path(folder))
    match = re.search(r"\d+(\.\d+)+[\w.+-]*", text)
    said = match.group(0) if match else " ".join(text.split())
    _versions[declared.version] = (time.monotonic(), said[:_MOST_VERSION])
    return said[:_MOST_VERSION]


def _said(declared: Declaration, command: Sequence[str], folder: Path) -> str:
    how = " ".join(declared.version)
    # Into a file: a process that it leaves behind may hold a pipe open for ever.
    with tempfile.TemporaryFile() as output:
        try:
            code = run_beside(declared, command, _VERSION_SECONDS, folder, output)
        except OSError as error:
            raise EngineFailed("engine.not_available", f"{how}: {error.strerror or error}") from error
        except subprocess.TimeoutExpired:
            raise EngineFailed(
                "engine.not_available", f"{how}: no answer within {_VERSION_SECONDS:.0f} s"
            ) from None
        output.seek(0)
        text = output.read(1 << 16).decode("utf-8", "replace")
    if code:
        last = " ".join(text.strip().splitlines()[-1:])[:200]
        raise EngineFailed("engine.not_available", f"{how}: exit code {code}{': ' + last if last else ''}")
    return text
