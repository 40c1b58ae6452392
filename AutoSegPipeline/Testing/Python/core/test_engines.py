"""Engines: one row and one package make an engine; its settings reach the workers by themselves."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from AutoSegPipelineLib.core import engines, specs
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.core.spec import Spec
from AutoSegPipelineLib.processing import engines as room
from AutoSegPipelineLib.runtime.processes.child_kinds import KINDS, MODELS, WORKER
from AutoSegPipelineLib.runtime.wiring import spawner

PLACE = Spec("added_models", "text", "", "Folder of models.")
ADDED = engines.EngineRow("added", "added.AddedEngine", settings=(PLACE,))


class AddedEngine:
    """The smallest engine that can be chosen."""

    name = "added"
    title = "An engine more"
    rank = 1000

    def tasks(self) -> list[room.Task]:
        return [room.Task("added", "Added", "", ("thing",))]

    def check(self) -> room.Check:
        return room.Check(True)


def test_a_row_and_a_package_are_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("AutoSegPipelineLib.processing.engines.added")
    module.AddedEngine = AddedEngine  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(room, "ENGINES", (*engines.ENGINES, ADDED))
    assert next(iter(room.engines())) == "added"
    assert room.choose("added").title == room.choose("auto", "CT").title == "An engine more"


def test_the_rows_of_workers_name_engines_of_the_same_name() -> None:
    assert set(room.engines()) == {row.name for row in engines.ENGINES if row.engine}
    assert all(name == engine.name for name, engine in room.engines().items())


def test_an_engine_without_a_class_is_not_asked_of_workers() -> None:
    assert engines.ELSEWHERE == ("slicer",)


def test_settings_of_engines_are_settings() -> None:
    for spec in engines.SETTINGS:
        assert specs.BY_NAME[spec.name] is spec in specs.SETTINGS


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_settings_of_engines_reach_the_workers_and_nobody_else(
    kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "SETTINGS", (*engines.SETTINGS, *ADDED.settings))
    values = {**Settings.defaults().values, "added_models": "/models"}
    settings = Settings(values, Settings.defaults().origins)
    nothing: Any = lambda *_: None  # noqa: E731
    child: Any = spawner(kind, Home.at(tmp_path), settings)(nothing, nothing, nothing)
    assert (child._env.get("AUTOSEG_ADDED_MODELS") == "/models") is (kind in (WORKER, MODELS))


@pytest.mark.parametrize(
    ("kind", "value"),
    [("bool", True), ("bool", False), ("int", 7), ("float", 0.25), ("text", "a b"), ("list", ["a", "b"])],
)
def test_a_setting_survives_the_environment(kind: str, value: Any) -> None:
    spec = Spec("x", kind, value, "")
    assert spec.parse(spec.text(value), "test") == value
