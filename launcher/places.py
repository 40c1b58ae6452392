"""Where things lie: the checkout, its requirements, and the folder of environments."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIBRARY_PARENT = ROOT / "AutoSegPipeline"
REQUIREMENTS = ROOT / "requirements"
TESTING = LIBRARY_PARENT / "Testing"
DEFAULT_NAME = ".venv-autoseg"


def user_cache() -> Path:
    """The folder for this user's caches, as each system has it."""
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def environments_folder(chosen: str | None, root: Path = ROOT) -> Path:
    """The folder that holds the environments; it is made, and hidden from git.

    Beside ``autoseg.py``, or in the user's cache where the checkout cannot be
    written. Raises OSError when nothing can be written at all.
    """
    if chosen:
        return _made(Path(chosen).expanduser().absolute())
    try:
        return _made(root / DEFAULT_NAME)
    except OSError:
        name = hashlib.sha256(os.fsencode(str(root))).hexdigest()[:12]
        return _made(user_cache() / "autosegpipeline" / f"environments-{name}")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".write-{os.getpid()}"
    probe.touch()
    probe.unlink()
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="ascii")
    return folder


def python_tag() -> str:
    """``cp311-linux-x86_64``: environments of one tag can be shared by runs of that Python only."""
    version = f"{sys.version_info[0]}{sys.version_info[1]}"
    return f"cp{version}-{sys.platform}-{platform.machine().lower() or 'unknown'}"


def interpreter(environment: Path) -> Path:
    """The Python of a virtual environment."""
    if os.name == "nt":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"
