"""Packages that were installed into the home, for 3D Slicer, whose own stay untouched."""

from __future__ import annotations

import json
import sys
from pathlib import Path

FOLDER = "packages"  # in `state`
MARK = "installed.json"


def usable(folder: Path) -> bool:
    """Whether ``folder`` is there and not made for another Python, whose compiled packages would break."""
    try:
        made_for = json.loads((folder / MARK).read_text(encoding="utf-8"))["python"]
    except (OSError, ValueError, KeyError, TypeError):
        return folder.is_dir()
    return bool(made_for == f"{sys.version_info[0]}.{sys.version_info[1]}")
