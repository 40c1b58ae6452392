"""How scans are processed: each control is one row of the table of settings and writes ``settings.json``."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable

from ...core import result_formats, specs
from ...core.engine_list import AUTO, wanted_engines
from ...core.engines import ELSEWHERE
from ...core.errors import PipelineError
from ...core.settings import Settings
from ...runtime import qt
from ..session import Session
from . import ui
from .part import Part

_COMBOS = ("engine", "task", "quality", "device", "exporter", "inputs")
_EDITABLE = ("engine", "task", "device")
_CHECKS = {"smoothing": "smoothingCheck", "download_weights": "downloadWeightsCheck"}
_DEVICES = ("auto", "cpu", "gpu", "mps")
_FORMAT_COLUMNS = 2


class OptionsPart(Part):
    """Reads and writes the home's settings; what the environment says wins and is shown."""

    def __init__(self, session: Session, widgets: ui.Widgets, say: Callable[[str], None]) -> None:
        super().__init__(session, widgets, say)
        self._engines: list[dict[str, Any]] = []
        self._choices: dict[str, tuple[str, ...]] = {}
        for name in _COMBOS:
            combo = getattr(widgets, f"{name}Combo")
            if name not in specs.BY_NAME:
                combo.hide()
                getattr(widgets, f"{name}Label").hide()
                continue
            self._fill(name, specs.BY_NAME[name].choices)
            if name in _EDITABLE:
                combo.setInsertPolicy(qt.enumerator(qt.everything().QComboBox, "InsertPolicy", "NoInsert"))
                ui.on(combo.lineEdit(), "editingFinished", "", self.doing(partial(self._pick, name)))
            ui.on(combo, "activated", "int", self.doing(partial(self._pick, name)))
        self._fill("device", _DEVICES)
        ui.on(widgets.structuresEdit, "editingFinished", "", self.doing(self._structures))
        ui.on(widgets.detailSpin, "valueChanged", "double", self.doing(self._detail))
        self._formats = _format_checks(widgets)
        for check in self._formats.values():
            self.on_click(check, self._choose_formats)
        for name, widget in _CHECKS.items():
            self.on_click(getattr(widgets, widget), partial(self._check, name))

    def _checked(self, widget: str) -> bool:
        return bool(ui.value(getattr(self.ui, widget), ui.CHECKED))

    def _change(self, name: str, value: object) -> None:
        if self.session.settings()[name] != value:
            self.session.change(**{name: value})

    def _pick(self, name: str) -> None:
        text = str(ui.value(getattr(self.ui, f"{name}Combo"), "currentText")).strip()
        self._change(name, text)

    def _check(self, name: str) -> None:
        self._change(name, self._checked(_CHECKS[name]))

    def _structures(self) -> None:
        text = str(ui.value(self.ui.structuresEdit, "text"))
        self._change("structures", specs.BY_NAME["structures"].parse(text, "structures"))

    def _detail(self) -> None:
        self._change("detail", round(float(ui.value(self.ui.detailSpin, "value")) / 100, 6))

    def _choose_formats(self) -> None:
        chosen = [kind for kind, check in self._formats.items() if ui.value(check, ui.CHECKED)]
        self._change("formats", chosen)

    # --- showing ------------------------------------------------------------------------------

    def describe(self, engines: list[dict[str, object]]) -> None:
        """What the workers said they can do (meta ``describe``)."""
        if engines != self._engines:
            self._engines = engines
            self.refresh()

    def refresh(self) -> None:
        """Show what holds now."""
        settings = self.session.settings()
        self._fill("engine", self._names())
        self._fill("task", self._tasks(str(settings["engine"])))
        for name in _COMBOS:
            if name in specs.BY_NAME:
                self._show_combo(name, str(settings[name]))
        self._show_rest(settings)
        for name in (
            *(f"{name}Combo" for name in _COMBOS),
            "structuresEdit",
            "detailSpin",
            *_CHECKS.values(),
        ):
            ui.set_enabled(getattr(self.ui, name), not self.read_only)
        for kind, check in self._formats.items():
            row = result_formats.BY_KIND[kind]
            free = not row.always and (not row.lacks or kind in settings["formats"])
            ui.set_enabled(check, not self.read_only and free)

    def _tasks(self, engine: str) -> tuple[str, ...]:
        """The tasks of the engines that name none themselves, models of one's own among them."""
        try:
            wanted = [one.name for one in wanted_engines(engine) if not one.task]
        except PipelineError:
            wanted = []
        names = ["", *(
            str(task["name"])
            for one in self._engines
            if one["name"] in wanted or AUTO in wanted
            for task in one.get("tasks", [])
        )]  # fmt: skip
        return tuple(dict.fromkeys(names))

    def _names(self) -> tuple[str, ...]:
        """What the list of engines offers: each by itself, and behind the best one what joins it."""
        usable = [one for one in self._engines if one.get("ok") and one["name"] not in ELSEWHERE]
        best = next((one for one in usable if one.get("auto", True)), None)
        added = [
            f"{best['name']},{one['name']}:{task['name']}"
            for one in usable
            if best is not None and one is not best and not one.get("auto", True)
            for task in one.get("tasks", [])
        ]
        return (AUTO, *(str(one["name"]) for one in self._engines), *added)

    def _fill(self, name: str, choices: tuple[str, ...]) -> None:
        if self._choices.get(name) == choices or not choices:
            return
        self._choices[name] = choices
        combo = getattr(self.ui, f"{name}Combo")
        with ui.Quietly(combo):
            combo.clear()
            combo.addItems(list(choices))

    def _show_combo(self, name: str, text: str) -> None:
        combo = getattr(self.ui, f"{name}Combo")
        if name in _EDITABLE and ui.has_focus(combo.lineEdit()):
            return
        with ui.Quietly(combo):
            at = int(combo.findText(text))
            if at >= 0:
                combo.setCurrentIndex(at)
            if name in _EDITABLE:
                combo.setEditText(text)

    def _show_rest(self, settings: Settings) -> None:
        widgets = self.ui
        if not ui.has_focus(widgets.structuresEdit):
            ui.set_text(widgets.structuresEdit, ", ".join(settings["structures"]))
        if not ui.has_focus(widgets.detailSpin):
            with ui.Quietly(widgets.detailSpin):
                widgets.detailSpin.setValue(settings["detail"] * 100)
        for kind, check in self._formats.items():
            with ui.Quietly(check):
                check.setChecked(kind in settings["formats"])
        for name, widget in _CHECKS.items():
            with ui.Quietly(getattr(widgets, widget)):
                getattr(widgets, widget).setChecked(bool(settings[name]))


def _format_checks(widgets: ui.Widgets) -> dict[str, Any]:
    """A check box for each result format, by its kind; ``widgets`` gets them as ``glbCheck``."""
    layout = widgets.formatsBox.layout()
    checks = {}
    for number, row in enumerate(result_formats.FORMATS):
        check = qt.everything().QCheckBox(row.title)
        check.setObjectName(f"{row.kind}Check")
        names = ", ".join(f"NAME{ending}" for ending in row.endings)
        lacks = f" {row.lacks}." if row.lacks else ""
        check.setToolTip(f"{names}: {row.help}{'; always written' if row.always else ''}.{lacks}")
        layout.addWidget(check, *divmod(number, _FORMAT_COLUMNS))
        setattr(widgets, f"{row.kind}Check", check)
        checks[row.kind] = check
    return checks
