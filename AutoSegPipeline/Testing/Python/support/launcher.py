"""A checkout with a small program, and environments of one small wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Callable

from launcher.environment import Environment, Part

# What the checkout's program does in these tests: says what it was given, ends with a code of its own.
PROGRAM = """
import json, sys, tiny
print(json.dumps({"arguments": sys.argv[1:], "tiny": tiny.VERSION, "prefix": sys.prefix}))
sys.exit(7)
"""


def write_wheel(folder: Path, version: str) -> None:
    """A wheel of the package ``tiny``, by hand (packaging.python.org's binary distribution format)."""
    info = f"tiny-{version}.dist-info"
    files = {
        "tiny.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"tiny-{version}-py3-none-any.whl", "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)


def launch(
    root: Path, *arguments: str, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run ``autoseg.py`` of a checkout to its end."""
    command = [sys.executable, str(root / "autoseg.py"), *arguments]
    environment = {**os.environ, **variables}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=300, check=False
    )


def tiny_environment(folder: Path, said: list[str], version: str = "1.0") -> Environment:
    """An environment of one small wheel; what it tells people goes to ``said``."""
    requirements = folder / "requirements"
    requirements.mkdir(exist_ok=True)
    (requirements / "base.txt").write_text(f"tiny=={version}\n")
    return Environment(folder, Part("base", folder=requirements), said.append)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Look at a condition until it holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)
