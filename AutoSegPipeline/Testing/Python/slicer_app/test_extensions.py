"""The extension's own folder of models is shared with our workers, and the user's scene stays as it is."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

NAME = "AutoSegPipelineLib.slicer_app.extensions"


def shared(monkeypatch: pytest.MonkeyPatch, fresh: str | None, widget: object = None) -> str | None:
    """What ``share_models`` hands to the workers, where a new logic of the extension says ``fresh``."""

    def builds_the_panel(module: str) -> None:
        raise AssertionError(f"the panel of {module} adds a node to the scene")

    slicer: Any = ModuleType("slicer")
    slicer.util = SimpleNamespace(getModuleLogic=builds_the_panel)
    slicer.modules = SimpleNamespace(totalsegmentator=object())
    if widget is not None:
        slicer.modules.TotalSegmentatorWidget = widget
    extension: Any = ModuleType("TotalSegmentator")
    extension.TotalSegmentatorLogic = lambda: SimpleNamespace(totalSegmentatorWeightsPath=fresh)
    monkeypatch.setitem(sys.modules, "slicer", slicer)
    monkeypatch.setitem(sys.modules, "TotalSegmentator", extension)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", "before")
    try:
        importlib.import_module(NAME).share_models()
    finally:
        sys.modules.pop(NAME, None)
    return os.environ.get("TOTALSEG_WEIGHTS_PATH")


def test_the_extensions_folder_is_read_without_building_its_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shared(monkeypatch, "/models") == "/models"
    assert shared(monkeypatch, None) == "before"


def test_what_was_set_in_the_open_panel_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = SimpleNamespace(logic=SimpleNamespace(totalSegmentatorWeightsPath="/chosen"))
    assert shared(monkeypatch, "/models", opened) == "/chosen"
    assert shared(monkeypatch, "/models", SimpleNamespace(logic=None)) == "/models"
