"""Where the checkout is, and its files, for the tests of the skeleton and the launcher."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
MODULE = ROOT / "AutoSegPipeline"
LIBRARY = MODULE / "AutoSegPipelineLib"

for _folder in (ROOT, MODULE, MODULE / "Testing"):
    if str(_folder) not in sys.path:
        sys.path.append(str(_folder))


def library_files() -> list[Path]:
    """Every Python file of the library."""
    return sorted(path for path in LIBRARY.rglob("*.py") if "__pycache__" not in path.parts)


def project_files() -> list[Path]:
    """Every file that belongs to the project: git's list, or the tree where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0 and listed.stdout:
        paths = [ROOT / name.decode() for name in listed.stdout.split(b"\0") if name]
    else:
        hidden = {".git", "node_modules", "__pycache__", ".cache"}
        paths = [
            path
            for path in ROOT.rglob("*")
            if not hidden.intersection(path.parts) and not any(p.startswith(".venv") for p in path.parts)
        ]
    return sorted(path for path in paths if path.is_file())
