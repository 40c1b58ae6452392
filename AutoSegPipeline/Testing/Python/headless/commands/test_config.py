"""Settings from the command line."""

from __future__ import annotations

import json
from pathlib import Path

from AutoSegPipelineLib.core import specs
from support.headless import autoseg


def test_each_value_is_told_with_where_it_comes_from(tmp_path: Path) -> None:
    assert autoseg("--home", tmp_path, "config", "set", "settle-seconds", "2").returncode == 0
    assert autoseg("--home", tmp_path, "config", "set", "formats", "stl,glb").returncode == 0
    done = autoseg("--home", tmp_path, "config", "show", "--origin", "--json", env={"AUTOSEG_DETAIL": "0.5"})
    found = json.loads(done.stdout)
    assert set(found) == set(specs.BY_NAME)
    assert found["settle_seconds"] == {"value": 2.0, "origin": str(tmp_path / "settings.json")}
    assert found["detail"] == {"value": 0.5, "origin": "AUTOSEG_DETAIL"}
    assert found["engine"]["origin"] == "default"
    assert found["formats"]["value"] == ["gltf", "glb", "stl", "manifest"]
    shown = autoseg("--home", tmp_path, "config", "show", "--origin", env={"AUTOSEG_DETAIL": "0.5"}).stdout
    assert "AUTOSEG_DETAIL" in shown and "settle_seconds" in shown


def test_a_setting_is_taken_out_again(tmp_path: Path) -> None:
    autoseg("--home", tmp_path, "config", "set", "quality", "fast")
    done = autoseg("--home", tmp_path, "config", "unset", "quality")
    assert done.stdout.strip() == "quality = normal"
    assert json.loads((tmp_path / "settings.json").read_text()) == {}


def test_a_wrong_name_or_value_changes_nothing_and_names_the_nearest(tmp_path: Path) -> None:
    name = autoseg("--home", tmp_path, "config", "set", "qualty", "fast")
    value = autoseg("--home", tmp_path, "config", "set", "quality", "fst")
    assert (name.returncode, value.returncode) == (2, 2)
    assert "did you mean 'quality'?" in name.stderr and "did you mean 'fast'?" in value.stderr
    assert not (tmp_path / "settings.json").exists()


def test_check_names_every_fault_at_once(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"qualty": "fast", "detail": 7}')
    env = {"AUTOSEG_SETTLE_SECOND": "3", "AUTOSEG_LOG_MB": "none"}
    done = autoseg("--home", tmp_path, "--inbox", tmp_path / "results" / "in", "config", "check", env=env)
    assert done.returncode == 1
    for text in (
        "'quality'",
        "above 1",
        "AUTOSEG_LOG_MB",
        "environment.nested_folders",
        "AUTOSEG_SETTLE_SECONDS",
    ):
        assert text in done.stderr
    assert autoseg("--home", tmp_path / "fresh", "config", "check").stdout == "The settings are valid.\n"


def test_a_flag_wins_over_the_environment_for_folders_too(tmp_path: Path) -> None:
    env = {"AUTOSEG_HOME": str(tmp_path / "env")}
    before = json.loads(autoseg("--home", tmp_path / "flag", "status", "--json", env=env).stdout)
    after = json.loads(autoseg("status", "--home", tmp_path / "flag", "--json", env=env).stdout)
    alone = json.loads(autoseg("status", "--json", env=env).stdout)
    assert before["home"] == after["home"] == str(tmp_path / "flag")
    assert alone["home"] == str(tmp_path / "env")


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    assert autoseg("--home", tmp_path, "config", "set", "webhook_secret", "s3cr3t").returncode == 0
    for more in ([], ["--origin"], ["--json"], ["--origin", "--json"]):
        told = autoseg("--home", tmp_path, "config", "show", *more).stdout
        assert "webhook_secret" in told and "(a secret)" in told
        assert "s3cr3t" not in told
