"""`autoseg submit` tells a misspelt option at once where a pipeline runs that knows its engines."""

from __future__ import annotations

import json
import time
from pathlib import Path

from AutoSegPipelineLib.core.home import Home
from AutoSegPipelineLib.core.store import Store
from support.headless import Running, autoseg, write_scan


def wait_for_the_engines(home: Path) -> None:
    """Until the pipeline was told what its engines are."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if Home.at(home).store.exists():
            store = Store(Home.at(home).store)
            try:
                described, pipeline = store.meta.get("describe"), store.meta.get("pipeline")
            finally:
                store.close()
            if described and pipeline and described["pipeline"] == pipeline["pid"]:
                return
        time.sleep(0.1)
    raise AssertionError("the engines were never described")


def test_a_misspelt_structure_is_told_at_once_and_nothing_is_taken(tmp_path: Path) -> None:
    home, scan = tmp_path / "home", write_scan(tmp_path / "scan.nii.gz")
    before = autoseg("--home", home, "submit", scan, "--structures", "bnes", "--engine", "tissue", "--json")
    waiting = json.loads(before.stdout)["submitted"][0]
    assert waiting["state"] == "waiting", "without a pipeline nobody knows the engines"
    with Running("--home", home, "serve", "--settle-seconds", "0.3", "--formats", "gltf") as serving:
        wait_for_the_engines(home)
        done = autoseg("--home", home, "submit", scan, "--structures", "bnes", "--engine", "tissue", "--json")
        assert done.returncode == 1
        error = json.loads(done.stdout)["submitted"][0]["error"]
        assert error["code"] == "engine.structure_unknown" and "did you mean 'bones'" in error["message"]
        assert autoseg("--home", home, "submit", scan, "--device", "gqu").returncode == 2
        serving.wait_for("engine.structure_unknown")  # the one that waited
        jobs = json.loads(autoseg("--home", home, "list", "--json").stdout)["jobs"]
        assert [(job["id"], job["state"]) for job in jobs] == [(waiting["id"], "refused")]
        assert autoseg("--home", home, "stop").returncode == 0
        assert serving.end() == 0
