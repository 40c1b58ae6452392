"""Every control under "How scans are processed", and what all controls share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from AutoSegPipelineLib.core import result_formats
from AutoSegPipelineLib.slicer_app.panel.options import OptionsPart
from support.panel import Place, places, text


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    yield from places(tmp_path)


def pick(name: str, choice: str) -> Callable[[Any], None]:
    """A person picks from a combo box."""

    def act(ui: Any) -> None:
        combo = getattr(ui, name)
        at = combo.findText(choice)
        if at >= 0:
            combo.setCurrentIndex(at)
            combo.activated.emit(at)
        else:
            combo.lineEdit().setText(choice)
            combo.lineEdit().editingFinished.emit()

    return act


def write(name: str, words: str) -> Callable[[Any], None]:
    def act(ui: Any) -> None:
        getattr(ui, name).setText(words)
        getattr(ui, name).editingFinished.emit()

    return act


def spin(name: str, value: float) -> Callable[[Any], None]:
    return lambda ui: getattr(ui, name).setValue(value)


def click(name: str) -> Callable[[Any], None]:
    return lambda ui: getattr(ui, name).click()


CONTROLS: list[tuple[str, Callable[[Any], None], Any]] = [
    ("engine", pick("engineCombo", "tissue"), "tissue"),
    ("task", pick("taskCombo", "total"), "total"),
    ("quality", pick("qualityCombo", "fastest"), "fastest"),
    ("structures", write("structuresEdit", "bones, lung_left"), ["bones", "lung_left"]),
    ("device", pick("deviceCombo", "gpu:1"), "gpu:1"),
    ("device", pick("deviceCombo", "cpu"), "cpu"),
    ("exporter", pick("exporterCombo", "openanatomy"), "openanatomy"),
    ("detail", spin("detailSpin", 25.0), 0.25),
    ("smoothing", click("smoothingCheck"), False),
    ("download_weights", click("downloadWeightsCheck"), True),
    ("inputs", pick("inputsCombo", "archive"), "archive"),
    ("formats", click("stlCheck"), [*result_formats.DEFAULT[:7], "stl", "manifest"]),
    ("formats", click("objCheck"), [*result_formats.DEFAULT[:7], "obj", "manifest"]),
    *(
        ("formats", click(f"{name}Check"), [one for one in result_formats.DEFAULT if one != name])
        for name in result_formats.DEFAULT
        if name not in result_formats.ALWAYS
    ),
]


@pytest.mark.parametrize(("name", "act", "value"), CONTROLS)
def test_a_control_writes_its_option_and_another_panel_shows_it(
    place: Place, name: str, act: Callable[[Any], None], value: Any
) -> None:
    assert place.written() == {}
    act(place.ui)
    assert place.written() == {name: value}
    assert text(place.ui.noticeLabel) == ""
    shown = OptionsPart(place.session, place.ui, place.panel.say)
    shown.refresh()
    act_again = dict(place.written())
    assert act_again == {name: value}  # showing writes nothing
    assert place.session.settings()[name] == value


def test_no_control_of_the_options_was_forgotten() -> None:
    shown = {name for name, _, _ in CONTROLS}
    asked = {"engine", "task", "quality", "structures", "device", "formats", "detail", "inputs"}
    assert asked <= shown


def test_every_control_has_a_tooltip(place: Place) -> None:
    from AutoSegPipelineLib.runtime import qt

    everything = qt.everything()
    kinds = (
        everything.QAbstractButton,
        everything.QLineEdit,
        everything.QComboBox,
        everything.QAbstractSpinBox,
    )
    kinds += (everything.QLabel, everything.QTableWidget, everything.QPlainTextEdit, everything.QProgressBar)
    names = [name for name, widget in vars(place.ui).items() if isinstance(widget, kinds)]
    named = [name for name in names if not name.startswith("qt_") and name]
    assert len(named) > 50
    assert [name for name in named if not getattr(place.ui, name).toolTip()] == []


def test_a_running_pipeline_heeds_a_change_without_a_restart(place: Place) -> None:
    place.session.start()
    place.until(lambda: place.session.state == "running")
    pick("qualityCombo", "fast")(place.ui)
    pipeline = place.session.autoseg.pipeline
    assert pipeline.flow.context.settings["quality"] == "fast"
    assert place.session.state == "running"


def test_a_settings_file_that_cannot_be_read_is_told_and_changes_nothing(place: Place) -> None:
    path = place.session.home.settings_file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{", encoding="utf-8")
    click("smoothingCheck")(place.ui)
    assert "settings.json" in text(place.ui.noticeLabel)
    assert path.read_text(encoding="utf-8") == "{"
    path.write_text(json.dumps({"quality": "fast"}), encoding="utf-8")
    click("smoothingCheck")(place.ui)
    assert text(place.ui.noticeLabel) == ""
    assert place.written()["quality"] == "fast"


def test_engines_and_tasks_are_those_that_the_worker_described(place: Place) -> None:
    place.panel.options.describe(
        [
            {"name": "tissue", "tasks": [{"name": "tissues"}]},
            {"name": "other", "tasks": [{"name": "a"}, {"name": "b"}]},
        ]
    )
    combo = place.ui.engineCombo
    assert [combo.itemText(row) for row in range(combo.count())] == ["auto", "tissue", "other"]
    pick("engineCombo", "other")(place.ui)
    place.panel.options.refresh()
    tasks = place.ui.taskCombo
    assert [tasks.itemText(row) for row in range(tasks.count())] == ["", "a", "b"]


def test_ones_own_models_are_offered_by_themselves_and_behind_the_best_engine(place: Place) -> None:
    place.panel.options.describe(
        [
            {"name": "networks", "ok": True, "auto": True, "tasks": [{"name": "total"}]},
            {"name": "own", "ok": True, "auto": False, "tasks": [{"name": "teeth"}, {"name": "jaw"}]},
            {"name": "broken", "ok": False, "auto": False, "tasks": [{"name": "none"}]},
        ]
    )
    combo = place.ui.engineCombo
    both = ["networks,own:teeth", "networks,own:jaw"]
    assert [combo.itemText(row) for row in range(combo.count())] == [
        "auto",
        "networks",
        "own",
        "broken",
        *both,
    ]
    pick("engineCombo", both[0])(place.ui)
    place.panel.options.refresh()
    assert place.written()["engine"] == both[0]
    tasks = place.ui.taskCombo
    assert [tasks.itemText(row) for row in range(tasks.count())] == ["", "total"]
