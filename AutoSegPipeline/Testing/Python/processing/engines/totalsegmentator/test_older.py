"""Versions before 2.15, as Slicer's extension pins them: they describe themselves and run a case.

``AUTOSEG_TEST_TOTALSEGMENTATOR_26`` names a Python 3.9 with TotalSegmentator 2.6
(requirements/totalsegmentator-2.6.txt), ``AUTOSEG_TEST_TOTALSEGMENTATOR_213`` one with 2.13.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Iterator

import numpy as np
import pytest
import support.tiny_totalsegmentator as support
from AutoSegPipelineLib.core.protocol import unpack
from AutoSegPipelineLib.processing.read_seg_nrrd import read_seg_nrrd
from AutoSegPipelineLib.processing.volume import read_volume
from support import synthetic_weights
from support.worker_process import LIBRARY, Worker

NAMES = {"2.6": "AUTOSEG_TEST_TOTALSEGMENTATOR_26", "2.13": "AUTOSEG_TEST_TOTALSEGMENTATOR_213"}
THERE = {version: os.environ[name] for version, name in NAMES.items() if os.environ.get(name)}
pytestmark = pytest.mark.skipif(
    not THERE, reason="needs an older TotalSegmentator: CONTRIBUTING.md names the variables"
)


@pytest.fixture(scope="module", params=list(THERE) or [""])
def version(request: pytest.FixtureRequest) -> str:
    """Which generation of the package."""
    return str(request.param)


@pytest.fixture(scope="module")
def python(version: str) -> str:
    """The Python that has it."""
    return THERE[version]


@pytest.fixture(scope="module")
def home(python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of the package with synthetic weights, made by its own torch."""
    folder = tmp_path_factory.mktemp("old")
    env = {**os.environ, **support.QUIET, "PYTHONPATH": LIBRARY}
    command = [python, synthetic_weights.__file__, str(folder)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def there(python: str, home: Path) -> Iterator[Worker]:
    """A worker under that Python."""
    worker = Worker(
        python, "-m", "AutoSegPipelineLib.processing.worker", TOTALSEG_HOME_DIR=str(home), **support.QUIET
    )
    yield worker
    worker.close()


def test_it_describes_itself_with_its_own_tasks(there: Worker, version: str) -> None:
    there.send(type="describe", job="describe", attempt=0)
    engines = unpack("result", there.until("done", "failed", seconds=120)[-1])["engines"]
    found = next(engine for engine in engines if engine["name"] == "totalsegmentator")
    assert found["ok"], found["note"]
    assert found["version"].startswith(version)
    tasks = {task["name"]: task for task in found["tasks"]}
    assert len(tasks["total"]["classes"]) == 117 and tasks["total_mr"]["modality"] == "MR"
    # What stands only in its code: which qualities there are.
    assert tasks["total"]["qualities"] == ["normal", "fast", "fastest"]
    assert tasks["body"]["qualities"] == ["normal", "fast"]
    assert tasks["lung_vessels"]["qualities"] == ["normal"]
    assert tasks["heartchambers_highres"]["licence"] and found["licensed"] is False


def test_the_weights_of_its_tasks_are_known_before_they_run(python: str, home: Path) -> None:
    env = {**os.environ, **support.QUIET, "PYTHONPATH": LIBRARY, "TOTALSEG_HOME_DIR": str(home)}
    command = [python, "-m", "AutoSegPipelineLib.processing.engines.totalsegmentator.weights_list"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    tasks = {task["name"]: task["qualities"] for task in found["tasks"]}
    models = {model["number"]: model for model in found["models"]}
    assert tasks["total"] == {"normal": [291, 292, 293, 294, 295], "fast": [297], "fastest": [298]}
    assert tasks["total_mr"]["normal"] == [850, 851]
    assert tasks["liver_vessels"] == {"normal": [298, 8]}  # the rough one cuts the scan first
    assert all(numbers for qualities in tasks.values() for numbers in qualities.values())
    assert (models[297]["state"], models[8]["state"]) == ("there", "missing")
    assert models[8]["name"].startswith("Dataset008_")


def test_a_part_of_the_structures_needs_the_model_that_has_them_and_missing_weights_are_named(
    there: Worker, tmp_path: Path
) -> None:
    source, _ = support.write_scan(tmp_path / "scan", blocks=30, highest=24)
    support.result_of(support.ask(there, "part", source, tmp_path, structures=["spleen"]))
    error = support.ask(there, "missing", source, tmp_path, task="liver_vessels")[-1]["error"]
    assert error["code"] == "engine.weights_missing" and "Dataset008_" in error["message"]


def test_a_case_has_the_labels_of_a_cold_run(python: str, there: Worker, home: Path, tmp_path: Path) -> None:
    source, truth = support.write_scan(tmp_path / "scan", seed=3)
    env = {**os.environ, **support.QUIET, "TOTALSEG_HOME_DIR": str(home)}
    # Its own program asks setuptools for a distribution that no longer exists; this is what it calls.
    program = (
        "import sys; from totalsegmentator.python_api import totalsegmentator\n"
        "totalsegmentator(sys.argv[1], sys.argv[2], ml=True, fast=True, device='cpu', quiet=True)"
    )
    command = [python, "-c", program, str(source), str(tmp_path / "theirs.nii.gz")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    support.result_of(support.ask(there, "old", source, tmp_path, quality="fast"))
    theirs = read_volume(tmp_path / "theirs.nii.gz").array
    ours = read_seg_nrrd(tmp_path / "out" / "case.seg.nrrd").layers[0]
    assert np.array_equal(ours, theirs)
    drawn = truth > 0
    assert np.mean(ours[drawn] == truth[drawn]) > 0.5, "equal must not mean equally empty"
