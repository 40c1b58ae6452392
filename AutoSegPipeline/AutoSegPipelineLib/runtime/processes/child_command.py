"""How a child is called and which environment it gets. ``os.environ`` is only read."""

from __future__ import annotations

import os
import shutil
import site
import sys
from pathlib import Path
from typing import Mapping

from ...core.errors import PipelineError
from .. import qt
from .child_kinds import ChildKind

# They would change how the child starts or what its streams mean.
_HARMFUL = ("PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONEXECUTABLE", "PYTHONIOENCODING")
# They lead to the packages and libraries of the Python that runs now.
_OWN = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "__PYVENV_LAUNCHER__")
# Slicer's launcher sets them for its own programs; another Python would load Slicer's libraries.
_LAUNCHER = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "QT_PLUGIN_PATH")
# `python -m MODULE` with folders first of all; no quotes or spaces that a launcher could split.
_START = (
    "import\tos,sys,runpy;sys.path[:]=sys.argv.pop(1).split(os.pathsep)+list(filter(None,sys.path));"
    "runpy.run_module(sys.argv.pop(1),run_name='__main__',alter_sys=True)"
)


def library_parent() -> Path:
    """The folder that holds ``AutoSegPipelineLib``; no child finds it by itself."""
    return Path(__file__).resolve().parents[3]


def interpreter() -> str:
    """The Python for children: PythonSlicer inside Slicer, else the running one."""
    if not qt.IN_SLICER:
        return sys.executable
    found = shutil.which("PythonSlicer")
    if found is None:
        raise PipelineError("worker.not_started", "PythonSlicer is not on Slicer's path")
    return found


def command_of(kind: ChildKind, python: str | None = None, packages: Path | None = None) -> list[str]:
    """Starts a child of this kind under ``python``, or under the children's usual one.

    ``packages`` is a folder whose packages the child finds before its own.
    """
    return [python or interpreter(), *module_arguments(kind.module, packages)]


def module_arguments(module: str, packages: Path | None = None) -> list[str]:
    """What ``python -m`` would get for this module of the library, and the folders to find it in.

    They are arguments because PythonSlicer is a launcher that may set PYTHONPATH itself.
    """
    folders = [str(library_parent()), *([str(packages)] if packages else [])]
    return ["-c", _START, os.pathsep.join(folders), f"AutoSegPipelineLib.{module}"]


def child_environment(
    work: Path,
    extra: Mapping[str, str] | None = None,
    base: Mapping[str, str] | None = None,
    foreign: bool = False,
) -> dict[str, str]:
    """The environment of a child whose temporary files belong into ``work``.

    Ours comes first on PYTHONPATH, the rest stays: inside Slicer the launcher's
    entries and PYTHONHOME are what makes PythonSlicer work. A ``foreign`` child
    runs under another Python, which must find this library and otherwise its own
    packages only.
    """
    env = dict(os.environ if base is None else base)
    for name in _HARMFUL + (_OWN if foreign else ()) + (_LAUNCHER if foreign and qt.IN_SLICER else ()):
        env.pop(name, None)
    paths = [str(library_parent())]
    paths += [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path and path not in paths]
    env["PYTHONPATH"] = os.pathsep.join(paths)
    for name in ("TMPDIR", "TMP", "TEMP"):
        env[name] = str(work)
    env["PYTHONUNBUFFERED"] = "1"
    env["PYTHONUTF8"] = "1"
    # `-m` would put the current folder first, where a scan's neighbour may be called numpy.py; so would `-c`.
    env["PYTHONSAFEPATH"] = "1"
    if not site.ENABLE_USER_SITE and not foreign:
        env["PYTHONNOUSERSITE"] = "1"  # the child sees the packages that its parent sees, no others
    env.update(extra or {})
    return env
