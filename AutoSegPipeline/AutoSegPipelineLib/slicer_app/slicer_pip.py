"""Packages for Slicer's own Python: by ``slicer.packaging`` since Slicer 5.12, by ``slicer.util`` before.

Whatever Slicer has keeps its version: pip gets all of it as constraints, and fails where that cannot be.
"""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Callable

import slicer

from ..core.errors import PipelineError
from .install_packages import own_packages

REQUESTER = "AutoSeg Pipeline"
# What pip takes for a version; a package that states something else cannot be held.
_VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[a-zA-Z0-9.]+)?")


def install(packages: list[str]) -> None:
    """Install what is missing of ``packages``; whoever calls has asked the user. Holds the loop.

    Raises ``install.failed``. With ``slicer.packaging`` nothing is installed while Slicer runs its tests.
    """
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text(held(own_packages()), encoding="utf-8")
        try:
            _installer()(packages, constraints)
        except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
            text = f"pip could not install {', '.join(packages)}: {error}"
            raise PipelineError("install.failed", text) from error


def uninstall(packages: list[str]) -> None:
    """Remove ``packages``. Holds the loop. Raises ``install.not_removed``."""
    try:
        with slicer.util.WaitCursor():
            slicer.util.pip_uninstall(packages)
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        text = f"pip could not remove {', '.join(packages)}: {error}"
        raise PipelineError("install.not_removed", text) from error


def held(packages: dict[str, str]) -> str:
    """Constraints for pip: each package stays at its version."""
    return "".join(
        f"{name}=={version}\n" for name, version in sorted(packages.items()) if _VERSION.fullmatch(version)
    )


def _installer() -> Callable[[list[str], Path], object]:
    """How this Slicer installs: called with packages and the file of constraints."""
    try:
        ensure = importlib.import_module("slicer.packaging").pip_ensure
        known = list(inspect.signature(ensure).parameters)
    except (ImportError, AttributeError):
        known = []
    if "constraints" in known:
        return lambda packages, constraints: ensure(
            packages, constraints=constraints, prompt_install=False, requester=REQUESTER
        )

    def before(packages: list[str], constraints: Path) -> object:
        with slicer.util.WaitCursor():
            return slicer.util.pip_install([*packages, "-c", str(constraints)])

    return before
