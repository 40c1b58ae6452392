"""What can be wrong with a machine, each as a finding with the way out."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Callable, Iterator, Mapping

from .. import __version__
from ..core.errors import PipelineError
from ..core.file_systems import is_network
from ..core.files import free_bytes
from ..core.lock import HomeLock
from ..core.settings import Settings
from .doctor_cases import engines, picture, self_test
from .doctor_cluster import cluster
from .doctor_engines import back_end, broken_models, device, slicers, weights, workers
from .doctor_pacs import exchange
from .doctor_web import page
from .findings import FAIL, OK, WARN, Finding
from .flags import unknown_environment
from .session import Session

SQLITE_FLOOR = (3, 30)
_GB = 1 << 30
_NO_PAGE = "there is no web page"
_NO_PACS = "there is no exchange with a PACS"
_NO_SIGN_ON = "there is no single sign-on"
# distribution -> what is lost without it; those without words are needed for any case.
_PACKAGES = {
    "numpy": "", "scipy": "", "vtk": "", "SimpleITK": "", "pydicom": "", "PySide6-Essentials": "",
    "dcm2niix": "DICOM series cannot be converted",
    "highdicom": "DICOM segmentations cannot be read",
    "fast-simplification": "surfaces are thinned out more slowly",
    "fastapi": _NO_PAGE, "starlette": _NO_PAGE, "uvicorn": _NO_PAGE, "python-multipart": _NO_PAGE,
    "Jinja2": _NO_PAGE, "zipstream-ng": _NO_PAGE, "prometheus_client": _NO_PAGE,
    "pyarrow": "the table over all cases cannot be written as Parquet",
    "argon2-cffi": "accounts cannot be used",
    "zxcvbn": "accounts cannot be made, nor passwords changed",
    "pyotp": "accounts cannot have a second factor",
    "segno": "the QR code of a second factor cannot be shown",
    "Authlib": _NO_SIGN_ON, "joserfc": _NO_SIGN_ON,
    "pynetdicom": _NO_PACS, "dicomweb-client": _NO_PACS,
    "dicom-anonymizer": "what is sent cannot be de-identified",
}  # fmt: skip


def examine(
    session: Session, with_self_test: bool, flags: Mapping[str, object] | None = None
) -> Iterator[Finding]:
    """Every finding in turn, the quick ones first; ``flags`` are settings given on the command line."""
    yield from _program()
    yield from _packages()
    try:
        settings = session.settings(flags)
        yield Finding("settings", OK, str(session.home.settings_file))
    except PipelineError as error:
        settings = Settings.defaults()
        yield Finding("settings", FAIL, error.message, error.hint)
    for text in unknown_environment():
        yield Finding("settings", WARN, text, "Correct the variable's name.")
    for check in (_folders, _disk, page, exchange, cluster):
        yield from check(session, settings)
    yield from _memory()
    gpu = _gpu()
    yield gpu
    yield _niceness()
    yield picture()
    yield from slicers()
    python, found = workers(settings)
    yield from found
    if all(finding.status != FAIL for finding in found):
        yield from engines(python, settings)
        yield device(python, gpu.status == OK and shutil.which("nvidia-smi") is not None)
        yield from back_end(python, settings)
        yield from weights(settings)
        yield from broken_models(settings)
    if with_self_test:
        yield self_test()


def _program() -> Iterator[Finding]:
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    yield Finding("autoseg", OK, f"{__version__} on {system}")
    version = platform.python_version()
    if sys.version_info >= (3, 10):
        yield Finding("python", OK, f"{version} ({sys.executable})")
    else:
        yield Finding("python", FAIL, f"{version} is too old", "Use Python 3.10 or newer.")
    if sqlite3.sqlite_version_info >= SQLITE_FLOOR:
        yield Finding("sqlite", OK, sqlite3.sqlite_version)
    else:
        yield Finding("sqlite", FAIL, sqlite3.sqlite_version, "SQLite 3.30 or newer is needed.")


def _packages() -> Iterator[Finding]:
    there: list[str] = []
    for name, loss in _PACKAGES.items():
        try:
            there.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            text = f"{name} is not installed" + (f": {loss}" if loss else "")
            yield Finding("packages", WARN if loss else FAIL, text, f"python -m pip install {name}")
    yield Finding("packages", OK, ", ".join(there))


def _folders(session: Session, settings: Settings) -> Iterator[Finding]:
    home = session.home
    try:
        home.check()
    except PipelineError as error:
        yield Finding("folders", FAIL, error.message, error.hint)
    for name in ("root", "inbox", "results", "state"):
        folder = getattr(home, name)
        trouble = _unwritable(folder)
        if trouble:
            yield Finding(
                "folders", FAIL, f"{folder}: {trouble}", "Make it writable, or choose another folder."
            )
        elif is_network(folder) and name != "state":  # home.check() has spoken of state
            seconds = settings["settle_network_seconds"]
            text = f"{folder} is on a network file system; new files must be unchanged for {seconds:g} s"
            yield Finding("folders", OK, text)
        else:
            yield Finding("folders", OK, f"{folder}{'' if folder.exists() else ' (will be created)'}")
    if HomeLock(home.lock).is_held():
        holder = HomeLock(home.lock).holder()
        yield Finding("pipeline", OK, f"running: {holder.get('what', '?')}, process {holder.get('pid', '?')}")
    else:
        yield Finding("pipeline", OK, "not running")


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _unwritable(folder: Path) -> str:
    """Why no file can be made in ``folder`` (or where it would be made); empty when one can."""
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)):
            return ""
    except OSError as error:
        return str(error.strerror or error)


def _disk(session: Session, settings: Settings) -> Iterator[Finding]:
    least = settings["disk_min_free_mb"] << 20
    for name, folder in (("state", session.home.state), ("results", session.home.results), ("temp", _temp())):
        try:
            free = free_bytes(_existing(folder))
        except OSError as error:
            yield Finding("disk", FAIL, f"{name}: {folder}: {error.strerror}", "Make the folder reachable.")
            continue
        text = f"{name}: {free / _GB:.1f} GB free at {_existing(folder)}"
        if free < least:
            yield Finding(
                "disk", FAIL, text, f"Free space: less than disk_min_free_mb ({least >> 20} MB) is left."
            )
        elif free < 10 * least:
            yield Finding("disk", WARN, text, "A long queue may fill it.")
        else:
            yield Finding("disk", OK, text)


def _temp() -> Path:
    return Path(tempfile.gettempdir())


def _memory() -> Iterator[Finding]:
    try:
        import psutil
    except ImportError:
        yield Finding("memory", WARN, "unknown: psutil is not installed", "python -m pip install psutil")
        return
    memory = psutil.virtual_memory()
    text = f"{memory.available / _GB:.1f} of {memory.total / _GB:.1f} GB free, {os.cpu_count()} processors"
    if memory.available < 2 * _GB:
        yield Finding(
            "memory", WARN, text, "Large scans need more; close other programs or use --quality fast."
        )
    else:
        yield Finding("memory", OK, text)


def _gpu() -> Finding:
    try:
        torch = f"; torch {metadata.version('torch')}"
    except metadata.PackageNotFoundError:
        torch = "; torch is not installed"
    command = shutil.which("nvidia-smi")
    if command:
        done = _run([command, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"], 20)
        if done is not None and done.returncode == 0 and done.stdout.strip():
            return Finding("gpu", OK, " | ".join(done.stdout.strip().splitlines()) + torch)
        said = (done.stderr or done.stdout).strip() if done is not None else "no answer"
        return Finding("gpu", WARN, f"nvidia-smi: {said}", "Look at the driver, or choose --device cpu.")
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return Finding("gpu", OK, f"Apple silicon (mps){torch}")
    return Finding("gpu", OK, f"none found; engines compute on the CPU{torch}")


def _run(command: list[str], seconds: float) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _niceness() -> Finding:
    getter: Callable[[], int] | None = getattr(os, "getpriority", None) and (
        lambda: os.getpriority(os.PRIO_PROCESS, 0)
    )
    if getter is None:
        return _windows_priority()
    nice = getter()
    if nice > 0:
        fix = "Start it from a shell without nice; inside Slicer set SLICER_BACKGROUND_THREAD_PRIORITY=0."
        return Finding("priority", WARN, f"this process is nice ({nice}); workers inherit that", fix)
    return Finding("priority", OK, "normal" if nice == 0 else f"raised ({nice})")


def _windows_priority() -> Finding:
    try:
        import psutil
    except ImportError:
        return Finding("priority", OK, "unknown")
    value = psutil.Process().nice()
    low = (psutil.IDLE_PRIORITY_CLASS, psutil.BELOW_NORMAL_PRIORITY_CLASS)
    if value in low:
        return Finding(
            "priority", WARN, "below normal; workers inherit that", "Raise it in the task manager."
        )
    return Finding("priority", OK, "normal")
