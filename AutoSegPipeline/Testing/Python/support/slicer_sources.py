"""Slicer's own Python code out of checkouts of its sources, where the environment names some.

``AUTOSEG_TEST_SLICER_SOURCES`` lists folders with ``Base/Python`` and ``Modules/Scripted/WebServer`` of one
state of Slicer each, divided as ``PATH`` is. What is C++ in Slicer is a stand-in: ``slicer.app``, and ``qt``,
which is PySide6 with PythonQt's way to connect a notifier.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Iterator

import pytest
from AutoSegPipelineLib.runtime import qt as ours

VARIABLE = "AUTOSEG_TEST_SLICER_SOURCES"
SOURCES = [Path(one) for one in os.environ.get(VARIABLE, "").split(os.pathsep) if one]
needs_sources = pytest.mark.skipif(not SOURCES, reason=f"needs sources of Slicer: {VARIABLE}")
each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
_NAMES = ("slicer", "qt", "ctk", "WebServer", "WebServerLib", "AutoSegPipelineLib.slicer_app.slicer_pip")


class Notifier(ours.QSocketNotifier):  # type: ignore[misc]
    """Connected by the text of a signal, as PythonQt does it."""

    def connect(self, signal: str, slot: Callable[[int], object]) -> None:
        self._slot = lambda *_: slot(int(self.socket()))
        self.activated.connect(self._slot)

    def disconnect(self, signal: str, slot: Callable[[int], object]) -> None:
        self.activated.disconnect(self._slot)


class Qt(types.ModuleType):
    """``import qt``."""

    QSocketNotifier = Notifier

    def __getattr__(self, name: str) -> Any:
        return getattr(ours.everything(), name)


@contextmanager
def slicer_of(source: Path, monkeypatch: pytest.MonkeyPatch, testing: bool = False) -> Iterator[Any]:
    """``import slicer``, ``WebServer`` and what they need are of this source; the package ``slicer``."""
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_slicers(name)}
    sys.modules.update(qt=Qt("qt"), ctk=types.ModuleType("ctk"))
    folder = source / "Modules" / "Scripted" / "WebServer"
    monkeypatch.setattr(sys, "path", [str(source / "Base" / "Python"), str(folder), *sys.path])
    importlib.invalidate_caches()
    try:
        slicer: Any = importlib.import_module("slicer")
        slicer.app = SimpleNamespace(
            testingEnabled=lambda: testing, thread=lambda: None, processEvents=lambda: None
        )
        slicer.modules.webserver = SimpleNamespace(path=str(folder / "WebServer.py"))
        yield slicer
    finally:
        for name in [name for name in sys.modules if _is_slicers(name)]:
            del sys.modules[name]
        sys.modules.update(before)


def _is_slicers(name: str) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in _NAMES)
