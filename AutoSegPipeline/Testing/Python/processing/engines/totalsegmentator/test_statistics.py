"""The package's usage statistics: nothing is sent and nothing is written unless the setting says so."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import support.tiny_totalsegmentator as support
from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.settings import Settings
from AutoSegPipelineLib.processing.engines.totalsegmentator import statistics
from AutoSegPipelineLib.runtime import wiring
from AutoSegPipelineLib.runtime.processes.child_kinds import WORKER
from support import FOLDER
from support.tiny_totalsegmentator import PYTHON, needs_package, write_scan
from support.worker_process import LIBRARY

PROBE = FOLDER / "statistics_probe.py"
NO = {"totalseg_id": "theirs", "send_usage_stats": False, "prediction_counter": 4}
YES = {**NO, "send_usage_stats": True}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with synthetic weights and no configuration yet."""
    folder = support.make_home(tmp_path_factory.mktemp("home"))
    (folder / "config.json").unlink()
    return folder


def probe(home: Path, tmp_path: Path, switch: str | None) -> dict[str, Any]:
    """What one case would have sent and what it wrote."""
    source, _ = write_scan(tmp_path)
    env = {**os.environ, **support.QUIET, "PYTHONPATH": LIBRARY, "TOTALSEG_HOME_DIR": str(home)}
    env.pop(statistics.SWITCH, None)
    if switch is not None:
        env[statistics.SWITCH] = switch
    command = [PYTHON, str(PROBE), str(source)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


@needs_package
@pytest.mark.parametrize("config", [None, YES])
def test_off_nothing_is_sent_and_no_configuration_is_made_or_changed(
    home: Path, tmp_path: Path, config: dict[str, Any] | None
) -> None:
    if config is not None:
        (home / "config.json").write_text(json.dumps(config), encoding="utf-8")
    try:
        found = probe(home, tmp_path, None if config is None else "no")
    finally:
        (home / "config.json").unlink(missing_ok=True)
    assert found == {"posts": [], "connections": [], "config": config}


@needs_package
def test_on_the_packages_own_report_goes_out_though_its_configuration_said_no(
    home: Path, tmp_path: Path
) -> None:
    (home / "config.json").write_text(json.dumps(NO), encoding="utf-8")
    try:
        found = probe(home, tmp_path, "yes")
    finally:
        (home / "config.json").unlink(missing_ok=True)
    (sent,) = found["posts"]
    assert "totalsegmentator" in sent[0]
    assert (sent[1]["task"], sent[1]["totalseg_id"], sent[1]["prediction_counter"]) == ("total", "theirs", 5)
    # Overruled, not changed; its own counter of predictions rose.
    assert found["config"]["send_usage_stats"] is False and found["config"]["prediction_counter"] == 5


@pytest.mark.parametrize(("value", "told"), [(False, "no"), (True, "yes")])
def test_workers_are_told_what_the_setting_says_whatever_the_environment_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: bool, told: str
) -> None:
    monkeypatch.setenv(statistics.SWITCH, "no" if value else "yes")
    settings = Settings.defaults(totalsegmentator_statistics=value)
    spawns = wiring.real_spawns(Home.at(tmp_path / "home"), settings)
    nothing: Any = lambda *_: None  # noqa: E731
    child: Any = spawns[WORKER](nothing, nothing, nothing)
    assert child._env[statistics.SWITCH] == told
    monkeypatch.setenv(statistics.SWITCH, told)
    assert statistics.wanted() is value
    assert Settings.defaults()["totalsegmentator_statistics"] is False
