"""Paths, and what every test must leave behind: no process of its own."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any, Iterator

import hypothesis
import psutil
import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]
os.umask(0o077)
# Pipelines of tests serve no page, unless a test asks for one: they would meet on one port.
os.environ["AUTOSEG_WEB"] = "no"
# Labels of tests are the package's bit for bit, and nothing is kept in the user's own folders.
os.environ["AUTOSEG_BACK_END"] = "torch"
# On a busy machine to make an example may take seconds; where CI is set, Hypothesis allows for that itself.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
if not os.environ.get("CI"):
    hypothesis.settings.load_profile("patient")
# The one application of this process must know of widgets before anything makes a plain one.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
try:
    from PySide6.QtWidgets import QApplication

    WIDGETS: QApplication | None = QApplication([])
    WIDGETS.setQuitOnLastWindowClosed(False)
except ImportError:  # a machine without OpenGL's libraries; the tests of the panel say so
    WIDGETS = None

# A test file that uses one of these starts processes, servers, browsers or pipelines.
_SUPPORT = (
    "archive bundle_run certificate dicom_peers headless inbox inside launcher orthanc panel pipeline"
    " process_tree receiving security slicer_core slurm tiny_totalsegmentator uploads web web_events web_page"
    " web_server wheels worker_process"
)
STARTING = {f"support.{name}" for name in _SUPPORT.split()} | {
    "AutoSegPipelineLib.runtime.api",
    "AutoSegPipelineLib.runtime.processes.child",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of every file that takes something from a module of `STARTING`."""
    starting: dict[Any, bool] = {None: False}  # by module
    for item in items:
        module = getattr(item, "module", None)
        if module not in starting:
            taken = {getattr(value, "__module__", None) for value in vars(module).values()}
            starting[module] = bool(taken & STARTING)
        if starting[module]:
            item.add_marker("processes")


def _lives(child: psutil.Process) -> bool:
    """Whether ``child`` runs; it may end between two looks."""
    try:
        return child.is_running() and child.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _children() -> list[psutil.Process]:
    """Processes below this one. Linux names them; looking through all of a machine takes milliseconds."""
    try:
        of_threads = list(Path("/proc/self/task").glob("*/children"))  # empty elsewhere
        if of_threads and not any(path.read_bytes() for path in of_threads):
            return []
    except OSError:
        pass  # a thread ended meanwhile
    return psutil.Process().children(recursive=True)


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Fail a test whose children outlive it by more than a few seconds."""
    before = {child.pid for child in _children()}
    yield
    until = time.monotonic() + 15
    while True:
        left = [child for child in _children() if child.pid not in before]
        left = [child for child in left if _lives(child)]
        if not left or time.monotonic() > until:
            break
        time.sleep(0.05)
    assert not left, f"left running: {left}"


@pytest.fixture(scope="module")
def program() -> Iterator[Any]:
    """Chromium, for the tests of one file."""
    from support.web_page import chromium

    with chromium() as found:
        yield found


@pytest.fixture
def browser(program: Any, site: Any) -> Iterator[Any]:
    """A browser for one test; ``site`` is the file's own."""
    from support.web_page import Browser

    with Browser(program, site) as found:
        yield found
