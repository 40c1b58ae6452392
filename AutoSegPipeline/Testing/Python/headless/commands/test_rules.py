"""`autoseg rules`: as a person asks which rule takes a scan, and that `run` follows the same rules."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.headless import autoseg, write_scan
from support.model_record import record

NECK = {"SeriesDescription": "Neck 1.0 B30", "BodyPartExamined": "NECK", "Modality": "CT"}
ROWS: list[dict[str, Any]] = [
    {"name": "necks", "when": {"body_part": "*NECK*", "door": "inbox"}, "then": {"quality": "fastest"}},
    {"name": "by name", "when": {"file": "quick*"}, "then": {"quality": "fast", "formats": "gltf"}},
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "rules.json").write_text(json.dumps(ROWS))
    return folder


def test_a_dicom_series_is_asked_with_its_description_and_body_part(home: Path, tmp_path: Path) -> None:
    from AutoSegPipelineLib.processing.phantom import torso
    from AutoSegPipelineLib.processing.phantom.write_dicom import write_dicom_series

    write_dicom_series(torso((24, 20, 12), (15, 15, 15)).volume, tmp_path / "series", **NECK)
    before = sorted(path.name for path in (tmp_path / "series").iterdir())
    done = autoseg("--home", home, "rules", "test", tmp_path / "series", "--json")
    assert done.returncode == 0, done.stderr
    (case,) = json.loads(done.stdout)["cases"]
    assert case["rule"] == "necks" and case["options"]["quality"] == "fastest"
    assert case["facts"]["series_description"] == ["Neck 1.0 B30"] and case["facts"]["body_part"] == ["NECK"]
    assert sorted(path.name for path in (tmp_path / "series").iterdir()) == before
    other = autoseg("--home", home, "rules", "test", tmp_path / "series", "--door", "run")
    assert "rule necks: no" in other.stdout and "door 'run' does not match inbox" in other.stdout
    assert "no rule matches; the settings hold" in other.stdout


def test_a_scan_that_cannot_be_taken_has_no_rule(home: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.nii").write_text("no scan")
    done = autoseg("--home", home, "rules", "test", tmp_path / "notes.nii")
    assert done.returncode == 1 and "input.unknown_format" in done.stderr


def test_check_shows_each_rule_and_names_what_is_wrong(home: Path) -> None:
    done = autoseg("--home", home, "rules", "check")
    assert done.returncode == 0
    assert "necks: body_part is *NECK* and door is inbox -> quality=fastest" in done.stdout
    (home / "rules.json").write_text(json.dumps([{**ROWS[0], "then": {"qualty": "fast"}}]))
    for command in (["rules", "check"], ["serve", "--no-watch"]):
        wrong = autoseg("--home", home, *command)
        assert wrong.returncode == 2 and "rule 'necks'" in wrong.stderr
        assert "did you mean 'quality'" in wrong.stderr
    absent = autoseg("--home", home / "elsewhere", "rules", "check")
    assert absent.returncode == 0 and "There are no rules" in absent.stdout


def test_run_follows_the_rules_of_the_users_home_and_the_manifest_names_the_one(
    home: Path, tmp_path: Path
) -> None:
    scan = write_scan(tmp_path / "quick one.nii.gz", 15.0)
    done = autoseg("--home", home, "run", scan, "-o", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    (job,) = json.loads(done.stdout)["jobs"]
    assert job["options"]["quality"] == "fast"
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".gltf", ".json"]
    (manifest,) = (tmp_path / "out").glob("*.manifest.json")
    assert json.loads(manifest.read_text())["input"]["facts"]["rule"] == "by name"


def test_check_names_a_task_that_the_workers_package_does_not_have(home: Path) -> None:
    python = os.environ.get("AUTOSEG_TEST_TOTALSEGMENTATOR")
    if not python:
        pytest.skip("needs TotalSegmentator (14 GB): AUTOSEG_TEST_TOTALSEGMENTATOR=yes runs it")
    for task, code in (("total:fast,body", 0), ("total,bdy", 1), ("tissue", 0)):
        rows = [{"name": "x", "when": {}, "then": {"task": task}}]
        (home / "rules.json").write_text(json.dumps(rows))
        done = autoseg("--home", home, "rules", "check", env={"AUTOSEG_WORKER_PYTHON": python})
        assert done.returncode == code, done.stderr
        assert ("did you mean 'body'" in done.stderr) is bool(code)


def test_check_knows_your_own_models_and_lists_of_engines(home: Path, tmp_path: Path) -> None:
    record(tmp_path / "models", "teeth")
    for engine, wrong in (
        ("nnunet:teeth", ""),
        ("tissue,nnunet:teeth:fast", ""),
        ("tissue,nnunet:teet", "'teet'"),
    ):
        rows = [{"name": "x", "when": {}, "then": {"engine": engine}}]
        (home / "rules.json").write_text(json.dumps(rows))
        done = autoseg("--home", home, "rules", "check", env={"AUTOSEG_MODELS_DIR": str(tmp_path / "models")})
        assert done.returncode == bool(wrong), done.stderr
        assert wrong in done.stderr and ("did you mean 'teeth'" in done.stderr) is bool(wrong)
