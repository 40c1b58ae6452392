"""An engine more, by its row and its package alone: doctor and the check of rules know it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.headless import autoseg
from support.library_copy import LibraryCopy

ROW = """    EngineRow(
        "bone", "bone.BoneEngine", title="Bone Finder", package="{package}", pip=("bone-finder",),
        weights="bone_weights",
    ),"""
ENGINE = '''"""Bone."""

from importlib.util import find_spec

from .base import Check, Task


class BoneEngine:
    name = "bone"
    title = "Bone of a CT"
    rank = 1

    def tasks(self):
        return [Task("skeleton", "Skeleton", "CT", ("bones",), aliases=("bones",))] if self.check().ok else []

    def check(self):
        return Check(find_spec("{package}") is not None, note="well")
'''
WEIGHTS = '''"""Weights of the engine bone."""

import json

tasks = [{"name": "skeleton", "qualities": {"normal": [1, 2], "fast": [3]}}]
models = [
    {"number": 1, "name": "large", "bytes": 5000000, "state": "there"},
    {"number": 2, "name": "other", "bytes": 1000000, "state": "there"},
    {"number": 3, "name": "small", "bytes": 0, "state": "missing"},
]
print(json.dumps({"version": "1", "folder": "/models", "tasks": tasks, "models": models}))
'''


def copy_with(folder: Path, package: str) -> LibraryCopy:
    copy = LibraryCopy(folder / "program")
    copy.new("processing/engines/bone.py", ENGINE.replace("{package}", package))
    copy.new("processing/engines/bone_weights.py", WEIGHTS)
    copy.below(
        "core/engines.py",
        "ENGINES: tuple[EngineRow, ...] = (",
        ROW.format(package=package),
    )
    return copy


def rules_check(copy: LibraryCopy, home: Path, **then: str) -> Any:
    home.mkdir(exist_ok=True)
    rows = [{"name": "x", "when": {}, "then": then}]
    (home / "rules.json").write_text(json.dumps(rows), encoding="utf-8")
    return autoseg("--home", home, "rules", "check", env=copy.variables)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> LibraryCopy:
    return copy_with(tmp_path_factory.mktemp("installed"), "json")


def test_doctor_shows_it_with_its_weights(copy: LibraryCopy, tmp_path: Path) -> None:
    done = autoseg("--home", tmp_path, "doctor", "--no-self-test", "--json", env=copy.variables)
    texts = [(check["name"], check["text"]) for check in json.loads(done.stdout)["checks"]]
    assert any(
        name == "engine" and text.startswith("bone ") and "Bone of a CT" in text for name, text in texts
    )
    assert ("weights", "2 models, 6.0 MB in /models; ready: skeleton normal") in texts


def test_rules_are_checked_against_its_tasks(copy: LibraryCopy, tmp_path: Path) -> None:
    right = rules_check(copy, tmp_path / "home", engine="bone", task="skeleton:fast,bones")
    assert right.returncode == 0, right.stderr
    wrong = rules_check(copy, tmp_path / "home", engine="Bone", task="skeletn")
    assert wrong.returncode == 1
    assert "rule 'x': engine 'bone' has no task 'skeletn'; did you mean 'skeleton'?" in wrong.stderr


def test_where_it_is_not_installed_both_say_so(tmp_path: Path) -> None:
    copy = copy_with(tmp_path, "no_such_module")
    check = rules_check(copy, tmp_path / "home", task="skeleton")
    assert check.returncode == 0 and "Tasks were not checked: Bone Finder" in check.stderr
    own = rules_check(copy, tmp_path / "home", engine="tissue", task="tisue")
    assert own.returncode == 1 and "did you mean 'tissue'" in own.stderr, "that engine is there"
    done = autoseg("--home", tmp_path / "home", "doctor", "--no-self-test", "--json", env=copy.variables)
    (one,) = [one for one in json.loads(done.stdout)["checks"] if one["text"].startswith("bone")]
    assert (one["status"], one["text"]) == ("warn", "bone: not installed")
    assert one["fix"] == "Install it with: python -m pip install bone-finder"
