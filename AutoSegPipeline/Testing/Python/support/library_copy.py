"""A copy of the library that a test may change, and the command line on it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from support import skeleton
from support.headless import autoseg


class LibraryCopy:
    """The library below ``folder``, which must not exist yet."""

    def __init__(self, folder: Path) -> None:
        self.library = folder / "AutoSegPipelineLib"
        shutil.copytree(skeleton.LIBRARY, self.library, ignore=shutil.ignore_patterns("__pycache__"))
        self.variables = {"PYTHONPATH": str(folder)}

    def new(self, file: str, text: str) -> None:
        """Add a file."""
        path = self.library / file
        assert not path.exists(), f"{file} exists already"
        path.write_text(text, encoding="utf-8")

    def below(self, file: str, anchor: str, text: str, above: bool = False) -> None:
        """Insert lines below (or above) the only place that reads ``anchor``."""
        path = self.library / file
        old = path.read_text(encoding="utf-8")
        assert old.count(anchor) == 1, f"{file} does not have once: {anchor}"
        both = (text.rstrip(), anchor) if above else (anchor, text.rstrip())
        path.write_text(old.replace(anchor, "\n".join(both)), encoding="utf-8")

    def autoseg(self, *arguments: Any) -> subprocess.CompletedProcess[str]:
        """One command, which must succeed."""
        done = autoseg(*arguments, env=self.variables)
        assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done
