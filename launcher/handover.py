"""Becomes the command line in the environment: same console, same signals, same exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .environment import Environment
from .installer import clean_environment
from .places import LIBRARY_PARENT

MODULE = "AutoSegPipelineLib.headless"
# `python -m` would look for modules in the folder that the user happens to be in. -P came with 3.11.
_BOOT = (
    f"import runpy, sys; del sys.path[0]; runpy.run_module({MODULE!r}, run_name='__main__', alter_sys=True)"
)


# What people type before a command, in help and advice.
PROGRAM = "py autoseg.py" if sys.platform == "win32" else "python3 autoseg.py"


def command_for(python: Path, arguments: list[str]) -> list[str]:
    """The command line that runs the program with ``arguments``."""
    if sys.version_info >= (3, 11):
        return [str(python), "-P", "-m", MODULE, *arguments]
    return [str(python), "-c", _BOOT, *arguments]


def environment_for(environment: Environment) -> dict[str, str]:
    """Environment variables in which the program and its children find the library and the packages.

    Another PYTHONPATH is not passed on: packages from elsewhere would stand
    before the pinned ones.
    """
    variables = clean_environment()
    variables.pop("PYTHONIOENCODING", None)
    if "PYTHONIOENCODING" in os.environ:
        variables["PYTHONIOENCODING"] = os.environ["PYTHONIOENCODING"]
    variables["PYTHONPATH"] = str(LIBRARY_PARENT)
    variables["VIRTUAL_ENV"] = str(environment.path)
    variables["PATH"] = os.pathsep.join([str(environment.python.parent), os.environ.get("PATH", os.defpath)])
    return variables


def become(environment: Environment, arguments: list[str], held: int) -> int:
    """Run the program. On POSIX this does not return; on Windows it returns the exit code.

    ``held`` is the open file that marks the environment as in use.
    """
    command = command_for(environment.python, arguments)
    variables = {**environment_for(environment), "AUTOSEG_PROGRAM": PROGRAM}
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform == "win32":
        from .windows import run_in_console

        return run_in_console(command, variables)
    if held >= 0:
        os.set_inheritable(held, True)
    os.execve(command[0], command, variables)


def run_to_end(command: list[str], variables: dict[str, str], cwd: Path) -> int:
    """Run one check in the foreground and return its exit code."""
    return subprocess.run(command, env=variables, cwd=cwd, check=False).returncode
