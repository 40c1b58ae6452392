"""TotalSegmentator 2.6 on Python 3.9, as Slicer 5.8 has it: it describes itself and runs a case.

``AUTOSEG_TEST_TOTALSEGMENTATOR_26`` names that Python (requirements/totalsegmentator-2.6.txt).
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Iterator

import numpy as np
import pytest
import support_totalsegmentator as support
import synthetic_weights
from AutoSegPipelineLib.core.protocol import unpack
from AutoSegPipelineLib.processing.nifti_voxels import read_nifti
from AutoSegPipelineLib.processing.read_seg_nrrd import read_seg_nrrd
from test_processing_worker import LIBRARY, Worker

PYTHON = os.environ.get("AUTOSEG_TEST_TOTALSEGMENTATOR_26", "")
pytestmark = pytest.mark.skipif(
    not PYTHON, reason="AUTOSEG_TEST_TOTALSEGMENTATOR_26 names no Python 3.9 with TotalSegmentator 2.6"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of the package with synthetic weights, made by the old torch."""
    folder = tmp_path_factory.mktemp("old")
    env = {**os.environ, **support.QUIET, "PYTHONPATH": LIBRARY}
    command = [PYTHON, synthetic_weights.__file__, str(folder)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def there(home: Path) -> Iterator[Worker]:
    """A worker under Python 3.9."""
    worker = Worker(
        PYTHON, "-m", "AutoSegPipelineLib.processing.worker", TOTALSEG_HOME_DIR=str(home), **support.QUIET
    )
    yield worker
    worker.close()


def test_it_describes_itself_with_its_own_tasks(there: Worker) -> None:
    there.send(type="describe", job="describe", attempt=0)
    engines = unpack("result", there.until("done", "failed", seconds=120)[-1])["engines"]
    found = next(engine for engine in engines if engine["name"] == "totalsegmentator")
    assert found["ok"], found["note"]
    assert found["version"].startswith("2.6")
    tasks = {task["name"]: task for task in found["tasks"]}
    assert len(tasks["total"]["classes"]) == 117 and tasks["total_mr"]["modality"] == "MR"


def test_a_case_has_the_labels_of_a_cold_run(there: Worker, home: Path, tmp_path: Path) -> None:
    source, truth = support.write_scan(tmp_path / "scan", seed=3)
    env = {**os.environ, **support.QUIET, "TOTALSEG_HOME_DIR": str(home)}
    # Its own program asks setuptools for a distribution that no longer exists; this is what it calls.
    program = (
        "import sys; from totalsegmentator.python_api import totalsegmentator\n"
        "totalsegmentator(sys.argv[1], sys.argv[2], ml=True, fast=True, device='cpu', quiet=True)"
    )
    command = [PYTHON, "-c", program, str(source), str(tmp_path / "theirs.nii.gz")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    support.result_of(support.ask(there, "old", source, tmp_path, quality="fast"))
    theirs, _ = read_nifti(tmp_path / "theirs.nii.gz")
    ours = read_seg_nrrd(tmp_path / "out" / "case.seg.nrrd").layers[0]
    assert np.array_equal(ours, theirs)
    drawn = truth > 0
    assert np.mean(ours[drawn] == truth[drawn]) > 0.5, "equal must not mean equally empty"
