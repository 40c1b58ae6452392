"""Own models through the complete pipeline, in real processes: channels in the inbox, trust in results."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.job import Job
from AutoSegPipelineLib.processing.read_seg_nrrd import read_seg_nrrd
from AutoSegPipelineLib.runtime.api import AutoSeg
from support import own_model_cases as cases
from support import tiny_models
from support.own_models import Models
from support.tiny_totalsegmentator import PYTHON, QUIET, needs_package

pytestmark = needs_package
KIND = tiny_models.BY_NAME["channels"]


@contextmanager
def pipeline(results: Path, folder: Path) -> Iterator[AutoSeg]:
    """A pipeline that watches its inbox, for one trusted model of two channels."""
    ask = Models()
    ask("add", folder / "models", source=results / KIND.dataset, trust=True)
    ask.close()
    # Without its modality, which no file says, the numbers look like a CT.
    settings: dict[str, Any] = {"engine": "nnunet", "task": "channels:fast", "modality": "MR"}
    settings.update(device="cpu", formats=["seg"])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUIET.items():
            patch.setenv(name, value)
        place = str(folder / "models")
        more: dict[str, Any] = {
            "watch": True,
            "settle_seconds": 0.2,
            "disk_min_free_mb": 10,
            "disk_reserve_mb": 1,
        }
        with AutoSeg(folder / "home", worker_python=PYTHON, models_dir=place, **more, **settings) as found:
            yield found


def ended(autoseg: AutoSeg, count: int) -> list[Job]:
    """All jobs once there are ``count`` and each has ended."""
    until = time.monotonic() + 240
    while time.monotonic() < until:
        jobs = autoseg.jobs()
        if len(jobs) >= count and all(job.ended for job in jobs):
            return jobs
        autoseg._run_until(lambda: False, 0.3)
    raise AssertionError([(job.label, job.state, job.error) for job in autoseg.jobs()])


def test_channels_in_the_inbox_become_one_case_with_nnunets_labels(results, tmp_path):
    paths = cases.write_inputs(tmp_path / "in" / KIND.name, KIND)
    cases.reference(results, tmp_path / "in", tmp_path / "out", "channels:fast")
    with pipeline(results, tmp_path) as autoseg:
        for path in reversed(paths):
            (autoseg.home.inbox / path.name).write_bytes(path.read_bytes())
        (job,) = ended(autoseg, 1)
        assert job.state == states.DONE, job.error
        assert (job.name, job.label) == ("case", "case.nii.gz")
        assert list(autoseg.home.inbox.iterdir()) == []
        written = autoseg.results(job)
    found = read_seg_nrrd(written["seg.nrrd"])
    labels = np.zeros(found.grid.array_shape, np.uint8)
    for segment in found.segments:
        labels[found.layers[segment.layer] == segment.value] = segment.value
    theirs = tmp_path / "out" / "channels-fast" / "3d_fullres" / "case.nii.gz"
    assert np.array_equal(labels, cases.label_map(theirs))
    manifest = json.loads(written["manifest.json"].read_text(encoding="utf-8"))
    (warning,) = [one for one in manifest["warnings"] if one["code"] == "engine.model_trusted"]
    assert "channels" in warning["message"]
    (engine,) = manifest["engines"]
    assert engine["task"] == "channels:fast" and len(engine["weights"]["channels"]) == 64
