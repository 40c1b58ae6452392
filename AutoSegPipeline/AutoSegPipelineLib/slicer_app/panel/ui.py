"""Loading the .ui and reading widgets, the same under PythonQt and PySide6.

In PythonQt a property is an attribute (``edit.text``), in PySide6 a method
(``edit.text()``): :func:`value` reads either. Setters are methods in both.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Protocol, cast

from ...runtime import qt

FILE = Path(__file__).resolve().parents[3] / "Resources" / "UI" / "AutoSegPipeline.ui"


class Widgets(Protocol):
    """The widgets of the form, as attributes by the names that the .ui file gives them."""

    def __getattr__(self, name: str) -> Any: ...


def load(path: Path = FILE) -> tuple[object, Widgets]:
    """(the widget of a .ui, its named children as attributes)."""
    if qt.IN_SLICER:
        import slicer

        widget = slicer.util.loadUI(str(path))
        return widget, slicer.util.childWidgetVariables(widget)
    everything = qt.everything()
    loader = everything.QUiLoader()
    loader.registerCustomWidget(_stand_in(everything))
    widget = loader.load(str(path))
    if widget is None:
        raise ValueError(f"{path}: {loader.errorString()}")
    children = widget.findChildren(everything.QWidget)
    for box in children:
        if isinstance(box, everything.QGroupBox):
            box.setTitle(str(box.property("text")))
    named = SimpleNamespace(**{child.objectName(): child for child in children})
    return widget, cast(Widgets, named)


def _stand_in(everything: Any) -> type:
    """A plain box for CTK's collapsible one, which only Slicer has; ``text`` and ``collapsed`` are kept."""
    global _kept
    if _kept is None:

        class ctkCollapsibleButton(everything.QGroupBox):
            pass

        _kept = ctkCollapsibleButton
    return _kept


_kept: type | None = None  # the loader holds no reference of its own


def value(widget: object, name: str) -> Any:
    """A property of a widget: ``value(edit, "text")``."""
    found = getattr(widget, name)
    return found() if callable(found) else found


def on(widget: Any, signal: str, argument: str, slot: Callable[[], object]) -> None:
    """Call ``slot()`` at a signal; ``argument`` is its C++ type, which PythonQt wants."""
    listener = qt.guarded(lambda *_: slot())
    if qt.IN_SLICER:
        widget.connect(f"{signal}({argument})", listener)
    else:
        getattr(widget, signal).connect(listener)


def clicked(button: object, slot: Callable[[], object]) -> None:
    """Call ``slot()`` when a button or check box is clicked by a person."""
    on(button, "clicked", "bool", slot)


class Quietly:
    """Widgets change in the ``with`` block without telling anybody."""

    def __init__(self, *widgets: Any) -> None:
        self._widgets = widgets
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before = [bool(widget.blockSignals(True)) for widget in self._widgets]

    def __exit__(self, *_: object) -> None:
        for widget, before in zip(self._widgets, self._before):
            widget.blockSignals(before)


def set_text(widget: Any, text: str) -> None:
    """``setText`` only where it changes something: repainting has its price."""
    if value(widget, "text") != text:
        widget.setText(text)


def set_enabled(widget: Any, on_: bool) -> None:
    """``setEnabled`` only where it changes something."""
    if bool(value(widget, "enabled" if qt.IN_SLICER else "isEnabled")) != on_:
        widget.setEnabled(on_)


# Names of properties that differ between the two worlds: PySide6 has the getter only.
CHECKED = "checked" if qt.IN_SLICER else "isChecked"
_FOCUS = "focus" if qt.IN_SLICER else "hasFocus"


def has_focus(widget: object) -> bool:
    """Whether a person is typing there: what he wrote so far must not be overwritten."""
    return bool(value(widget, _FOCUS))
