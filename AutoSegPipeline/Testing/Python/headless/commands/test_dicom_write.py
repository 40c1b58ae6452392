"""``autoseg dicom write``: from a DICOM series through a pipeline to objects in a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest
from AutoSegPipelineLib.core import states
from AutoSegPipelineLib.core.pacs.source_series import find_headers
from AutoSegPipelineLib.processing.phantom import torso
from AutoSegPipelineLib.processing.phantom.write_dicom import write_dicom_series
from AutoSegPipelineLib.processing.phantom.write_files import write_nifti
from AutoSegPipelineLib.runtime.api import AutoSeg
from support.headless import autoseg
from support.programs import package

package("highdicom")
QUICK = {"settle_seconds": 0.1, "rescan_seconds": 0.3, "disk_min_free_mb": 10}


@pytest.mark.parametrize("inputs", ["delete", "archive"])
def test_a_result_of_a_dicom_series_becomes_objects_beside_it(inputs: str, tmp_path: Path) -> None:
    volume = torso(shape=(61, 50, 40), spacing=(6.0, 6.0, 6.0)).volume
    write_dicom_series(volume, tmp_path / "scan", PatientName="Doe^Jane", PatientID="P7")
    write_nifti(volume, tmp_path / "plain.nii.gz")
    home = tmp_path / "home"
    with AutoSeg(home, **QUICK, inputs=inputs) as pipeline:
        job = pipeline.wait(pipeline.submit(tmp_path / "scan", engine="tissue"), 60)
        plain = pipeline.wait(pipeline.submit(tmp_path / "plain.nii.gz", engine="tissue", formats="seg"), 60)
        assert job.state == plain.state == states.DONE, job.error
        assert "Doe" not in job.name and "P7" not in job.name

        kinds = ("--kind", "seg", "--kind", "report", "--kind", "capture")
        write = ("--home", home, "dicom", "write")
        done = autoseg(*write, job.id[:8], "-o", tmp_path / "out", "--json", *kinds, "--seg", "labelmap")
        assert done.returncode == 0, done.stderr
        files = json.loads(done.stdout)["files"]
        assert {one["kind"] for one in files} == {"seg", "report", "capture"}
        for one in files:
            data = pydicom.dcmread(one["path"])
            assert (data.PatientID, data.StudyDescription) == ("P7", "Phantom")
            assert Path(one["path"]).parent == tmp_path / "out" / job.name
        (first, *_) = [one["path"] for one in files if one["kind"] == "seg"]
        assert "Body" in [one.SegmentLabel for one in pydicom.dcmread(first).SegmentSequence]

        other = autoseg(
            *write, job.id, "-o", tmp_path / "other", "--json", "--kind", "seg", "--kind", "report"
        )
        uids = [{one["sop_instance"] for one in json.loads(run.stdout)["files"]} for run in (done, other)]
        assert len(uids[1]) >= 2 and not uids[0] & uids[1], "single bits are other objects than a label map"

        none = autoseg(*write, plain.id, "-o", tmp_path / "none")
        assert none.returncode != 0 and "pacs.no_source_headers" in none.stderr
        lacking = autoseg(*write, job.id, "-o", tmp_path / "none", "--kind", "stl")
        assert lacking.returncode != 0 and "pacs.missing_result" in lacking.stderr

        again = pipeline.wait(pipeline.submit(tmp_path / "scan", engine="tissue"), 60)
        assert again.cached_from == job.id
        assert find_headers(pipeline.home, again.id) is not None, (
            "a result from the cache has its own headers"
        )
        pipeline.purge(job)
        assert find_headers(pipeline.home, job.id) is None
        assert find_headers(pipeline.home, again.id) is not None
