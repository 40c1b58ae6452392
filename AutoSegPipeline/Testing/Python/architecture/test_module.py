"""The extension's shell: icon, metadata, and the module file under stand-ins for Slicer's classes."""

from __future__ import annotations

import importlib.util
import struct
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import AutoSegPipelineLib
import pytest
import support.skeleton as support
from support.programs import package


class Parent:
    """What Slicer hands to a module: attributes to be set."""


class Application:
    """Slicer's application: one signal and the notes that it keeps."""

    def __init__(self) -> None:
        self.slots: dict[str, Callable[[], None]] = {}
        self.notes: dict[str, str] = {}

    def connect(self, signal: str, slot: Callable[[], None]) -> None:
        self.slots[signal] = slot

    def userSettings(self) -> Application:
        return self

    def value(self, key: str) -> str | None:
        return self.notes.get(key)


class Layout:
    """Remembers what was added."""

    def __init__(self) -> None:
        self.widgets: list[object] = []

    def addWidget(self, widget: object) -> None:
        self.widgets.append(widget)

    def addStretch(self, factor: int) -> None:
        self.stretch = factor


class Module:
    def __init__(self, parent: object) -> None:
        self.parent = parent


class Widget:
    def __init__(self, parent: object = None) -> None:
        self.layout = Layout()

    def setup(self) -> None:
        self.was_set_up = True


class Logic:
    pass


class SelfTest:
    pass


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """AutoSegPipeline.py, loaded as Slicer loads it."""
    stand_ins = {
        "slicer": {"app": Application(), "util": types.SimpleNamespace(mainWindow=lambda: None)},
        "slicer.i18n": {"tr": lambda text: text, "translate": lambda context, text: text},
        "slicer.ScriptedLoadableModule": {
            "ScriptedLoadableModule": Module,
            "ScriptedLoadableModuleWidget": Widget,
            "ScriptedLoadableModuleLogic": Logic,
            "ScriptedLoadableModuleTest": SelfTest,
        },
    }
    for name, contents in stand_ins.items():
        stand_in = types.ModuleType(name)
        vars(stand_in).update(contents)
        monkeypatch.setitem(sys.modules, name, stand_in)
    spec = importlib.util.spec_from_file_location("AutoSegPipeline", support.MODULE / "AutoSegPipeline.py")
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    yield loaded


def test_the_module_registers_with_title_category_and_help(module: types.ModuleType) -> None:
    parent = module.AutoSegPipeline(Parent()).parent
    assert parent.title and parent.categories == ["Segmentation"] and parent.dependencies == []
    assert "not a medical device" in parent.helpText


def test_the_logic_tells_the_librarys_version(module: types.ModuleType) -> None:
    assert module.AutoSegPipelineLogic().version() == AutoSegPipelineLib.__version__


def test_the_panel_opens_without_a_main_window_and_makes_no_folder(
    module: types.ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package("PySide6.QtWidgets", "OpenGL's libraries, libEGL")
    from AutoSegPipelineLib.slicer_app import shared_session
    from AutoSegPipelineLib.slicer_app.session import Session
    from support.panel import Host

    one = Session(Host(tmp_path), tmp_path / "home")
    monkeypatch.setattr(shared_session, "shared", lambda: one)
    widget = module.AutoSegPipelineWidget()
    widget.setup()
    assert widget.layout.widgets == [widget.panel.widget]
    assert "not a medical device" in widget.panel.ui.purposeLabel.text()
    assert widget.logic.session is one and one.state == "stopped"
    widget.cleanup()
    assert not (tmp_path / "home").exists()


def test_slicers_start_begins_to_watch_only_where_the_user_asked_for_it(
    module: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    from AutoSegPipelineLib.slicer_app import start

    begun: list[bool] = []
    monkeypatch.setattr(start, "with_slicer", lambda: begun.append(True))
    module.AutoSegPipeline(Parent())
    application = module.slicer.app
    application.slots["startupCompleted()"]()
    assert begun == []
    application.notes["AutoSegPipeline/start_with_slicer"] = "yes"
    application.slots["startupCompleted()"]()
    assert begun == [True]


def test_slicers_four_classes_are_named_after_the_file(module: types.ModuleType) -> None:
    for suffix in ("", "Widget", "Logic", "Test"):
        assert hasattr(module, f"AutoSegPipeline{suffix}")


def test_the_icon_is_a_picture_of_128_by_128() -> None:
    data = (support.MODULE / "Resources" / "Icons" / "AutoSegPipeline.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (128, 128)


def test_the_extension_carries_what_the_index_asks_for() -> None:
    text = (support.ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    for variable in (
        "EXTENSION_ICONURL",
        "EXTENSION_SCREENSHOTURLS",
        "EXTENSION_DESCRIPTION",
        "EXTENSION_HOMEPAGE",
    ):
        assert f"set({variable} " in text
    licence = (support.ROOT / "LICENSE.txt").read_text(encoding="utf-8")
    assert "Apache License" in licence and "END OF TERMS AND CONDITIONS" in licence
